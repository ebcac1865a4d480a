"""Webhooks: our own verifier on raw bytes, and what intake asks of an event.

The SDK's verifier accepts stamps of the future without limit and raises on odd bytes, and its
`construct_event` takes milliseconds; this one answers in microseconds and only ever refuses.
"""

import hmac
import re
from datetime import datetime

from app.domain.notices import Notice
from app.ports.webhooks import BadSignature, EventHead
from app.providers.stripe.envelope import Event, open_event
from app.providers.stripe.reading import ref
from app.providers.stripe.translate import translate

TOLERANCE_S = 300
MOST_SIGNATURES = 10
LONGEST_HEADER = 1024
STAMP = re.compile(rb"[1-9][0-9]{0,14}")


class StripeWebhooks:
    """`ports.webhooks.Webhooks` for Stripe."""

    def verify(
        self, body: bytes, header: bytes, *, secrets: tuple[str, ...], now: datetime
    ) -> None:
        """Raise `BadSignature` unless one of `secrets` signed these bytes within 300 s of `now`.

        Only scheme `v1` counts, at most ten signatures of it are looked at (Stripe signs with two
        secrets for a day after a roll), and blank secrets sign nothing.
        """
        stamp, signatures = _parts(header)
        usable = [secret for secret in secrets if secret.strip()]
        if not usable:
            raise BadSignature("no secret to compare with")
        signed = stamp + b"." + body
        matches = False
        for secret in usable:
            digest = hmac.digest(secret.encode("utf-8", "surrogatepass"), signed, "sha256")
            expected = digest.hex().encode()
            for signature in signatures:
                matches |= hmac.compare_digest(expected, signature)
        if not matches:
            raise BadSignature("no signature matches")
        # Last, so that a stranger learns nothing about our clock.
        if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
            raise BadSignature("signed too long ago or in the future")

    def head(self, body: bytes) -> EventHead:
        """Id, type and instant of a verified body. Raises `BadEvent`."""
        event = open_event(body)
        return EventHead(
            id=event.id,
            type=event.type,
            created_at=event.at,
            live=event.live,
            account=event.account,
            customer=_customer(event),
        )

    def translate(self, body: str | bytes) -> list[Notice]:
        """The notices of one event, whatever its API version. Raises `BadEvent`."""
        return translate(body)


def _customer(event: Event) -> str | None:
    """Whom the event's object is about, be it themselves."""
    for shown, kind in ((event.object, "object"), (event.related, "type")):
        if shown.get(kind) == "customer":
            return ref(shown.get("id"))
    return ref(event.object.get("customer"))


def _parts(header: bytes) -> tuple[bytes, list[bytes]]:
    """The stamp as it was signed and the `v1` signatures. Raises `BadSignature`."""
    if len(header) > LONGEST_HEADER:
        raise BadSignature("header too long")
    pairs = [part.partition(b"=") for part in header.split(b",")]
    stamps = [value for name, _, value in pairs if name == b"t"]
    signatures = [value for name, _, value in pairs if name == b"v1"]
    if len(stamps) != 1 or not STAMP.fullmatch(stamps[0]):
        raise BadSignature("no usable stamp")
    if not signatures:
        raise BadSignature("no signature of scheme v1")
    if len(signatures) > MOST_SIGNATURES:
        raise BadSignature("too many signatures")
    return stamps[0], signatures
