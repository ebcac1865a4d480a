"""Letters with made-up facts: for previews, and to try a merchant's wording before it is kept."""

from dataclasses import replace
from datetime import UTC, datetime

from app.domain.messages import AlsoOpen, Letter

LINK = "https://pay.example.com/p/sample"
HOSTILE = (
    "{{7*7}}{% for x in y %}",
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "Ada\r\nBcc: victim@example.org\r\n\r\nbody",
    "=?utf-8?q?A=0d=0aBcc=3a_victim=40example.org=0d=0a?=",
    "Ada\u202egnp.exe\u2066x\u200f",
    "A" * 2000,
)


def golden(template: str, language: str) -> Letter:
    """A letter of this template in which every fact it may have is known."""
    return Letter(
        template=template,
        language=language,
        time_zone="UTC",
        merchant_name="Example",
        customer_name="Ada Example",
        plan="Team",
        invoice_number="EX-0142",
        amount_minor=2900,
        currency="eur",
        reason_key="insufficient_funds",
        link=LINK,
        next_retry_at=datetime(2027, 1, 15, 9, tzinfo=UTC),
        last_day=datetime(2027, 2, 1, 9, tzinfo=UTC),
        end_action="cancel_now",
        paid_at=datetime(2027, 1, 16, 9, tzinfo=UTC),
        renews_at=datetime(2027, 3, 1, 9, tzinfo=UTC),
        former_minor=2500,
        card="Visa •••• 4242",
        card_expires="2027-01",
        reference="cxr_0192f3a0",
        requested_at=datetime(2027, 1, 20, 9, tzinfo=UTC),
        ends_at=datetime(2027, 2, 1, 9, tzinfo=UTC),
        forgiven_minor=2900,
        owed_minor=1200,
        left_for="price",
        mended="The export that you missed is there.",
        refunded_minor=2900,
        also=_also(template),
    )


def bare(template: str, language: str) -> Letter:
    """The same with as little known as a letter of this template may have."""
    told = {"renewal_reminder", "card_expiring", "pause_ending"}
    full = golden(template, language)
    return replace(
        full,
        customer_name=None,
        plan=None,
        invoice_number=None,
        next_retry_at=None,
        last_day=None,
        end_action=None,
        paid_at=None,
        former_minor=None,
        also=(),
        renews_at=full.renews_at if template in told else None,
        card_expires=full.card_expires if template == "card_expiring" else None,
        card=full.card if template == "card_expiring" else None,
        ends_at=None,
        forgiven_minor=None,
        owed_minor=None,
        left_for=None,
    )


def hostile(template: str, language: str) -> list[Letter]:
    """Letters whose every name is an attack."""
    return [
        replace(
            golden(template, language),
            merchant_name=text,
            customer_name=text,
            plan=text,
            invoice_number=text,
            mended=text,
        )
        for text in HOSTILE
    ]


def _also(template: str) -> tuple[AlsoOpen, ...]:
    if template not in {"payment_failed", "payment_reminder", "final_notice"}:
        return ()
    last_day = datetime(2027, 2, 5, 9, tzinfo=UTC)
    return (AlsoOpen(amount_minor=1200, currency="eur", plan="Solo", last_day=last_day),)
