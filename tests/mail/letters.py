"""Letters and mails for tests: golden ones, and ones whose every text is an attack."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.domain.messages import Letter, Mail, Rendered
from app.mail.render import TemplateRenderer
from app.resources import resource

NOW = datetime(2026, 11, 10, 8, 30, tzinfo=UTC)
LINK = "https://pay.example.com/p/Zk3v9xQ7bq0Yt2mWf1cN8rLsJd5hUa6P"
RENDERER = TemplateRenderer(resource("email_templates"))

MESSAGES = (
    "payment_failed",
    "payment_reminder",
    "final_notice",
    "payment_recovered",
    "subscription_ended",
    "renewal_reminder",
    "card_expiring",
    "cancellation_confirmed",
    "withdrawal_confirmed",
    "declaration_received",
    "pause_ending",
    "exit_feedback",
    "win_back_before_end",
    "win_back",
    "we_fixed_it",
)
WITHOUT_BUTTON = frozenset(
    {
        "payment_recovered",
        "cancellation_confirmed",
        "withdrawal_confirmed",
        "declaration_received",
    }
)
WITHOUT_AMOUNT = frozenset({"declaration_received"})
REASONS = (
    "overdue",
    "card_expired",
    "card_data",
    "authentication",
    "insufficient_funds",
    "limit",
    "bank_declined",
    "no_method",
    "temporary",
    "unknown",
)
ENDS = ("cancel_now", "cancel_at_period_end", "pause", "leave")

HOSTILE = {
    "template": "{{7*7}}{% for x in range(9) %}x{% endfor %}",
    "script": "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "line breaks": "Ada\r\nBcc: victim@example.org\r\n\r\nbody",
    "encoded word": "=?utf-8?q?A=0d=0aBcc=3a_victim=40example.org=0d=0a?=",
    "nested encoded word": "==??utf-8?q?A=0d=0aBcc=3a_victim=40example.org?=",
    "separators": "Ada\u2028Bcc: victim@example.org\u2029x\u0085y\x0bz",
    "right to left": "Ada\u202egnp.exe\u2066x\u200f",
    "control characters": "Ada\x00\x1b[31m\x9b\x7f",
    "emoji": "Zoë 🎉 👨‍👩‍👧",
    "lone surrogate": "Ada\ud800x",
    "endless": "A" * 5000,
    "address": 'Ada" <victim@example.org>, other@example.org',
    "ideographic": "日本語の名前" * 40,
}


def a_letter(**changes: Any) -> Letter:
    plain = Letter(
        template="payment_failed",
        language="en",
        time_zone="Europe/Berlin",
        merchant_name="Kelpworks",
        customer_name="Ada Example",
        plan="Team",
        invoice_number="KW-0142",
        amount_minor=2900,
        currency="eur",
        reason_key="insufficient_funds",
        link=LINK,
        owed_minor=2900,
    )
    return replace(plain, **changes)


def a_full_letter(**changes: Any) -> Letter:
    """A letter with every fact that a letter may have."""
    days = {
        "next_retry_at": datetime(2026, 11, 15, 9, tzinfo=UTC),
        "last_day": datetime(2026, 12, 1, 9, tzinfo=UTC),
        "end_action": "cancel_now",
        "paid_at": datetime(2026, 11, 16, 9, tzinfo=UTC),
        "renews_at": datetime(2026, 12, 3, 9, tzinfo=UTC),
        "former_minor": 2500,
        "card": "Visa •••• 4242",
        "card_expires": "2026-11",
        "reference": "cxr_0192f3a0",
        "requested_at": datetime(2026, 11, 20, 9, tzinfo=UTC),
        "ends_at": datetime(2026, 12, 1, 9, tzinfo=UTC),
        "forgiven_minor": 2900,
        "owed_minor": 1200,
        "left_for": "price",
        "mended": "The export that you missed is there.",
        "refunded_minor": 2900,
    }
    return a_letter(**(days | changes))


def a_mail(**changes: Any) -> Mail:
    mail = Mail(
        message_id="msg_0192f3a0",
        sender="billing@kelpworks.example",
        sender_name="Kelpworks",
        recipient="ada@example.com",
        reply_to=None,
        language="en",
        body=Rendered(subject="Your payment", text="Hello,\n\nÄ €29.00\n", html="<p>Ä €29.00</p>"),
    )
    return replace(mail, **changes)
