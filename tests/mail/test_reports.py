"""Reports of mail providers: proven, understood, and never more than that."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.correspondence import ReportKind
from app.domain.instants import FIRST
from app.mail.reports import ProviderReports
from app.ports.mail_reports import BadProof, BadReport, MailReport, UnknownProvider
from tests.mail.letters import NOW

SECRET = "key-of-a-mail-provider"
READER = ProviderReports()


def plain(body: Any, secret: str = SECRET) -> list[MailReport]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {secret}"}
    return READER.read("plain", raw, headers, secret=SECRET, now=NOW)


def mailgun(event: Any, *, at: float | None = None, signature: str | None = None, **more: Any):
    stamp, token = str(int(NOW.timestamp() if at is None else at)), "t" * 50
    made = hmac.new(SECRET.encode(), (stamp + token).encode(), hashlib.sha256).hexdigest()
    told = {"timestamp": stamp, "token": token, "signature": signature or made}
    body = {"signature": told, "event-data": event} | more
    return READER.read("mailgun", json.dumps(body).encode(), {}, secret=SECRET, now=NOW)


def a_row(**changes: Any) -> dict[str, Any]:
    row = {"id": "r1", "kind": "bounced", "recipient": "ada@example.com", "at": NOW.isoformat()}
    return row | changes


def an_event(**changes: Any) -> dict[str, Any]:
    event = {
        "event": "failed",
        "severity": "permanent",
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": NOW.timestamp(),
        "recipient": "ada@example.com",
        "delivery-status": {"code": 550, "description": "no such box"},
        "message": {"headers": {"message-id": "msg_0192f3a0@kelp.example"}},
    }
    return event | changes


def test_the_plain_form_is_read():
    (report,) = plain({"reports": [a_row(message_id="<msg_1@kelp.example>", detail="gone")]})

    assert report == MailReport(
        ref="r1",
        kind=ReportKind.BOUNCED,
        recipient="ada@example.com",
        at=NOW,
        message_id="msg_1",
        detail="gone",
    )


@pytest.mark.parametrize(
    ("at", "read"),
    [
        ("0001-01-01T00:00:00+14:00", FIRST),
        ("9999-12-31T23:59:59-12:00", NOW),
        ("9999-12-31T23:59:59Z", NOW),
        ("2026-01-05T09:00+01:00", datetime(2026, 1, 5, 8, tzinfo=UTC)),
    ],
)
def test_an_instant_that_nobody_can_mean_refuses_no_batch(at: str, read: datetime):
    # given a report among others; what is still to come was reported now
    reports = plain({"reports": [a_row(at=at), a_row(id="r2")]})

    assert [report.at for report in reports] == [read, NOW]


def test_mailgun_reports_nothing_from_the_future():
    (report,) = mailgun(an_event(timestamp=253402300799))

    assert report.at == NOW


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, ReportKind.BOUNCED),
        ({"severity": "temporary"}, ReportKind.SOFT_BOUNCED),
        ({"event": "complained"}, ReportKind.COMPLAINED),
        ({"event": "unsubscribed"}, ReportKind.UNSUBSCRIBED),
    ],
)
def test_mailguns_events_are_read(changes, kind):
    (report,) = mailgun(an_event(**changes))

    assert (report.kind, report.message_id, report.detail) == (
        kind,
        "msg_0192f3a0",
        "no such box",
    )


@pytest.mark.parametrize("event", ["delivered", "opened", "accepted", "something new", None, 7])
def test_what_concerns_us_not_is_no_report(event):
    assert mailgun(an_event(event=event)) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda: plain({"reports": []}, secret="guessed"),
        lambda: plain({"reports": []}, secret=""),
        lambda: READER.read("plain", b"{}", {}, secret=SECRET, now=NOW),
        lambda: mailgun(an_event(), signature="0" * 64),
        lambda: mailgun(an_event(), signature="ü"),
        lambda: mailgun(an_event(), at=(NOW - timedelta(days=2)).timestamp()),
        lambda: mailgun(an_event(), at=(NOW + timedelta(hours=1)).timestamp()),
        lambda: READER.read("mailgun", b'{"signature": []}', {}, secret=SECRET, now=NOW),
    ],
)
def test_what_proves_nothing_is_refused(act):
    with pytest.raises(BadProof):
        act()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        {"reports": "many"},
        {"reports": [a_row()] * 501},
        {"reports": [7]},
        {"reports": [a_row(id="")]},
        {"reports": [a_row(id="a\nb")]},
        {"reports": [a_row(kind="exploded")]},
        {"reports": [a_row(at="yesterday")]},
        {"reports": [a_row(at="2026-11-10T08:30:00")]},
        {"reports": [a_row(recipient="Ada <ada@example.com>, b@example.com")]},
        {"reports": [a_row(recipient="ada@example.com\r\nBcc: x")]},
    ],
)
def test_what_is_proven_but_no_report_is_refused_by_name(body):
    with pytest.raises(BadReport):
        plain(body)


def test_a_provider_nobody_wrote_is_unknown():
    with pytest.raises(UnknownProvider):
        READER.read("../plain", b"{}", {}, secret=SECRET, now=NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(event=st.dictionaries(st.sampled_from([*an_event()]), JSON))
def test_no_event_however_odd_does_more_than_be_refused(event):
    try:
        found = mailgun(an_event() | event)
    except BadReport:
        found = []

    assert all(isinstance(report, MailReport) for report in found)
