"""Reports of mail providers, verified and in our words: our own plain form, and Mailgun's.

Mailgun's form: documentation.mailgun.com, "Securing webhooks" and "Webhook payloads" (read
2026-11). Its signature covers a timestamp and a token, not the body, so that it proves who asked
and when, and a report heard twice is known by its id.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.correspondence import ReportKind
from app.domain.instants import in_utc
from app.mail.compose import plain_address
from app.ports.mail_reports import BadProof, BadReport, MailReport, UnknownProvider
from app.ports.mailer import MailRefused
from app.words.plain import one_line

Json = dict[str, Any]
MOST_REPORTS = 500
LONGEST_REF, LONGEST_DETAIL = 200, 300
# A provider repeats for hours what was not answered, under the first timestamp.
AS_OLD_AS = timedelta(hours=24)
AHEAD = timedelta(minutes=5)
PERMANENT, TEMPORARY = "permanent", "temporary"
MAILGUN = {
    ("failed", PERMANENT): ReportKind.BOUNCED,
    ("failed", TEMPORARY): ReportKind.SOFT_BOUNCED,
    ("complained", None): ReportKind.COMPLAINED,
    ("unsubscribed", None): ReportKind.UNSUBSCRIBED,
}


class ProviderReports:
    """`ports.mail_reports.MailReports` for the providers of `READERS`."""

    def read(
        self,
        provider: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        secret: str,
        now: datetime,
    ) -> list[MailReport]:
        """See the port. The plain form is proven by `Authorization: Bearer`, Mailgun's by its
        signature."""
        reader = READERS.get(provider)
        if reader is None:
            raise UnknownProvider(provider)
        return reader(body, headers, secret, now)


def _plain(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> list[MailReport]:
    """`{"reports": [{"id", "kind", "recipient", "at", "message_id"?, "detail"?}]}`."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not _same(given.strip(), secret):
        raise BadProof("the secret is not the merchant's")
    found = _object(body).get("reports")
    if not isinstance(found, list) or len(found) > MOST_REPORTS:
        raise BadReport(f"reports: must be a list of at most {MOST_REPORTS}")
    return [_plain_report(row, now) for row in found]


def _plain_report(row: Any, now: datetime) -> MailReport:
    if not isinstance(row, dict):
        raise BadReport("a report is an object")
    try:
        kind = ReportKind(str(row.get("kind")))
        at = datetime.fromisoformat(str(row.get("at") or now.isoformat()))
    except ValueError:
        raise BadReport("kind or at is not one") from None
    if at.tzinfo is None:
        raise BadReport("at: has no offset from UTC")
    return MailReport(
        ref=_ref(row.get("id")),
        kind=kind,
        recipient=_recipient(row.get("recipient")),
        at=min(in_utc(at), now),
        message_id=_message_id(row.get("message_id")),
        detail=_detail(row.get("detail")),
    )


def _mailgun(
    body: bytes, headers: Mapping[str, str], secret: str, now: datetime
) -> list[MailReport]:
    whole = _object(body)
    _require_signature(_table(whole.get("signature")), secret, now)
    event = _table(whole.get("event-data"))
    what = str(event.get("event"))
    severity = str(event.get("severity")) if what == "failed" else None
    kind = MAILGUN.get((what, severity))
    if kind is None:
        return []
    status = _table(event.get("delivery-status"))
    sent = _table(_table(event.get("message")).get("headers"))
    return [
        MailReport(
            ref=_ref(event.get("id")),
            kind=kind,
            recipient=_recipient(event.get("recipient")),
            at=min(_instant(event.get("timestamp"), now), now),
            message_id=_message_id(sent.get("message-id")),
            detail=_detail(status.get("description") or status.get("message")),
        )
    ]


def _require_signature(signature: Json, secret: str, now: datetime) -> None:
    stamp, token = str(signature.get("timestamp")), str(signature.get("token"))
    wanted = hmac.new(secret.encode(), (stamp + token).encode("utf-8", "replace"), hashlib.sha256)
    if not _same(str(signature.get("signature")), wanted.hexdigest()):
        raise BadProof("the signature does not fit")
    at = _instant(signature.get("timestamp"), None)
    if not now - AS_OLD_AS <= at <= now + AHEAD:
        raise BadProof("the signature is too old, or of the future")


READERS: dict[str, Callable[[bytes, Mapping[str, str], str, datetime], list[MailReport]]] = {
    "plain": _plain,
    "mailgun": _mailgun,
}


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _object(body: bytes) -> Json:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadReport("the body is not JSON") from None
    if not isinstance(found, dict):
        raise BadReport("the body is no JSON object")
    return found


def _table(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _ref(value: Any) -> str:
    ref = one_line(value, longest=LONGEST_REF) if isinstance(value, str) else ""
    if not ref or ref != value:
        raise BadReport("id: must be a word")
    return ref


def _recipient(value: Any) -> str:
    try:
        return plain_address(value if isinstance(value, str) else "")
    except MailRefused:
        raise BadReport("recipient: must be a mail address") from None


def _message_id(value: Any) -> str | None:
    """Ours, whether it comes with the angle brackets and domain of a header or without."""
    if not isinstance(value, str):
        return None
    return one_line(value.strip("<> ").partition("@")[0], longest=LONGEST_REF) or None


def _detail(value: Any) -> str | None:
    return one_line(value, longest=LONGEST_DETAIL) if isinstance(value, str) and value else None


def _instant(value: Any, otherwise: datetime | None) -> datetime:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        if otherwise is None:
            raise BadProof("the signature has no instant") from None
        return otherwise
