"""Every field of a policy document: its shape, its default and its meaning, in one table.

The validator, the JSON Schema and docs/policies.md all come from here.
"""

from typing import Any

from app.domain.documents import Field, Keyed, Listed, OrNull, OrWord, Section, Text, Whole, Words
from app.domain.notice_windows import REMINDERS as SHIPPED
from app.domain.policies import Collection, MessageClass, Strategy, TrialConversion

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
MOST_MINOR = 10**12  # of an amount
DAYS = Whole(0, 365)
NAME = Text(40, "^[a-z][a-z0-9_-]*$", "small letters, digits, `_` and `-`")
STEP = Text(40, "^[a-z0-9][a-z0-9_-]*$", "small letters, digits, `_` and `-`")
CURRENCY = Text(3, "^[a-z][a-z][a-z]$", "an ISO 4217 code in small letters")
VALUE = Text(500)

# The templates of letters about a case, and what each is told by: its day or an event.
DUNNING = ("payment_failed", "payment_reminder", "final_notice")
ON_EVENT = {"payment_recovered": "recovered", "subscription_ended": "ended"}
TEMPLATES = (*DUNNING, *ON_EVENT)
INTERVALS = ("day", "week", "month", "year")


def _row(step: str, template: str, **when: Any) -> dict[str, Any]:
    return {"step": step, "template": template, "when": when}


# What is sent where a document has no `messages`; `messages: []` is a policy without letters.
MESSAGES: tuple[dict[str, Any], ...] = (
    _row("failed", "payment_failed", **{"class": "card", "day": 0}),
    _row("failed", "payment_failed", **{"class": "soft", "day": 3, "on_failure": 2}),
    _row("reminder-1", "payment_reminder", **{"class": "card", "day": 3}),
    _row("reminder-2", "payment_reminder", day=7),
    _row("reminder-3", "payment_reminder", day=12),
    _row("reminder-4", "payment_reminder", day=20),
    _row("final", "final_notice", before_end=3),
    _row("recovered", "payment_recovered", on="recovered"),
    _row("ended", "subscription_ended", on="ended"),
)

AMOUNT = Section(
    (
        Field("min", Whole(0, MOST_MINOR), 0, "The least amount, in minor units."),
        Field(
            "max",
            OrNull(Whole(0, MOST_MINOR)),
            None,
            "The largest amount, in minor units; null for no bound.",
        ),
    )
)
APPLIES_TO = Section(
    (
        Field(
            "plans",
            OrWord("any", Listed(VALUE, 200, 1)),
            "any",
            "Plan names as cases show them, or the provider's price or product ids.",
        ),
        Field(
            "interval",
            OrWord("any", Listed(Words(INTERVALS), 4, 1)),
            "any",
            "Billing intervals of the subscription.",
        ),
        Field("amount_minor", AMOUNT, {}, "What was owed at the first failure."),
        Field(
            "currency",
            OrWord("any", Listed(CURRENCY, 200, 1)),
            "any",
            "Currencies of the invoice.",
        ),
        Field(
            "segment",
            OrWord("any", Keyed(Text(40, about="a metadata key"), Listed(VALUE, 50, 1), 10)),
            "any",
            "Metadata keys of the subscription, else of the customer, with the values that belong "
            "to the segment. All keys must hold.",
        ),
        Field(
            "trial_conversion",
            Words(tuple(TrialConversion)),
            "any",
            "First invoices after a trial: `only` those, `never` those, or `any`.",
        ),
    )
)
RETRY = Section(
    (
        Field(
            "strategy",
            Words(tuple(Strategy)),
            "rules",
            "`rules`: by decline class, payday and network advice. `fixed`: on `days`. "
            "`adaptive`: the schedule that collects most by a table of chances, none that costs "
            "more than it brings. `advice_only`: decide as `rules` and show it, do nothing.",
        ),
        Field(
            "window_days",
            Whole(1, 90),
            28,
            "How long a case may take. Never longer than one billing interval.",
        ),
        Field(
            "max_attempts",
            Whole(0, 15),
            8,
            "Automatic attempts of ours. Those of customers and new cards do not count.",
        ),
        Field(
            "min_spacing_hours",
            Whole(20, 720),
            20,
            "The least time between two automatic attempts of one case.",
        ),
        Field(
            "days",
            Listed(Whole(1, 90), 15),
            [],
            "For `fixed`: days from the first failure, rising, within the window.",
        ),
    )
)
WHEN = Section(
    (
        Field(
            "class",
            Words(tuple(MessageClass)),
            "any",
            "`card`: only the customer can help. `soft`: a retry can. Two rows of one step exclude "
            "each other by class.",
        ),
        Field("day", DAYS, None, "So many days after the first failure."),
        Field(
            "on_failure",
            Whole(2, 15),
            None,
            "Beside `day`: already at the n-th failure, if that comes first.",
        ),
        Field("before_end", Whole(0, 90), None, "So many days before the end."),
        Field("on", Words(tuple(ON_EVENT.values())), None, "At this event instead of on a day."),
    )
)
MESSAGE = Section(
    (
        Field("step", STEP, None, "The row's name; each case gets a step once.", needed=True),
        Field("template", Words(TEMPLATES), None, "The letter.", needed=True),
        Field("when", WHEN, {}, "One of `day`, `before_end` and `on`.", needed=True),
        Field(
            "channel",
            Words(("mail", "sms")),
            "mail",
            "`sms`: a short text to customers who agreed to them.",
        ),
    )
)
AHEAD = Whole(1, 60)
TERM = Section(
    (
        Field("from_months", Whole(1, 36), None, "Terms of so many months and more.", needed=True),
        Field(
            "days",
            Listed(AHEAD, 10),
            None,
            "So many days before the renewal. The longest `from_months` that fits counts.",
            needed=True,
        ),
    )
)
REMINDERS = Section(
    (
        Field(
            "terms",
            Listed(TERM, 10),
            [{"from_months": row.from_months, "days": list(row.days)} for row in SHIPPED.terms],
            "Which renewals are told of. A legal window that is missed is refused.",
        ),
        Field(
            "changed_days",
            Listed(AHEAD, 10),
            list(SHIPPED.changed_days),
            "Days before a renewal at a new price, or that will find the card expired.",
        ),
        Field(
            "card_days",
            Listed(AHEAD, 10),
            list(SHIPPED.card_days),
            "Days before a card expires, if a charge falls after that.",
        ),
    )
)
ACCESS = Section(
    (
        Field(
            "grace_days",
            OrNull(DAYS),
            7,
            "Days of full access from the first failure; then `grace`: all works, with a notice. "
            "null: never.",
        ),
        Field("restricted_day", OrNull(DAYS), 14, "The day `restricted` begins; null: never."),
        Field("blocked_day", OrNull(DAYS), 28, "The day `blocked` begins; null: never."),
    )
)
END = Section(
    (
        Field(
            "subscription",
            Words(("cancel_now", "cancel_at_period_end", "pause", "leave")),
            "cancel_now",
            "What becomes of the subscription.",
        ),
        Field(
            "invoice",
            Words(("uncollectible", "void", "leave")),
            "uncollectible",
            "What becomes of the invoice.",
        ),
    )
)
BOUNDS = Section(
    (
        Field(
            "charges_per_hour",
            Whole(1, 1_000_000),
            20,
            "Below so many charges in an hour the volume fuse never blows.",
        ),
        Field(
            "mails_per_hour",
            Whole(1, 1_000_000),
            50,
            "Below so many letters in an hour the mail fuse never blows.",
        ),
        Field(
            "refunds_per_day",
            Whole(1, 1_000_000),
            20,
            "Below so many refunds after a word in 24 hours the refund fuse never blows. That of "
            "the deployment's policy counts.",
        ),
    )
)
DOCUMENT = Section(
    (
        Field("name", NAME, "default", "The policy's name; that of the route where there is one."),
        Field("version", Whole(1, 1_000_000), 1, "Of the policy file only; stored ones count up."),
        Field("applies_to", APPLIES_TO, {}, "Which failures get this policy."),
        Field(
            "collection",
            Words(tuple(Collection)),
            "as_account",
            "`observe` leaves the retries to the provider even where the account says `drive`.",
        ),
        Field("retry", RETRY, {}, "When the charge is tried again."),
        Field(
            "messages",
            Listed(MESSAGE, 50),
            list(MESSAGES),
            "The letters, a row each. Left out: the shipped rows.",
        ),
        Field("reminders", REMINDERS, {}, "What is told ahead of a charge."),
        Field("access", ACCESS, {}, "What the customer may use meanwhile."),
        Field("end", END, {}, "What happens when the window is over."),
        Field(
            "after_cancel",
            Words(("forgive", "collect")),
            "forgive",
            "An open invoice of a subscription that ended by request.",
        ),
        Field(
            "late_payment",
            Words(("settle_only", "offer_restart")),
            "settle_only",
            "What money after the end does: settle the debt, or also offer a restart.",
        ),
        Field(
            "backup_consent",
            OrNull(Text(40, about="a metadata key")),
            None,
            "The key of customer metadata that says `yes`, `true` or `1` where the customer agreed "
            "that their other cards may be charged; null: none ever is.",
        ),
        Field(
            "materiality_minor",
            Keyed(CURRENCY, Whole(0, MOST_MINOR), 200),
            {},
            "Below this amount a case is silent (retries, no mail), by currency.",
        ),
        Field("bounds", BOUNDS, {}, "Safety bounds, which a merchant may raise."),
    )
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy document. It cannot say what rules between fields say."""
    return {
        "$schema": SCHEMA_ID,
        "title": "Policy",
        "description": "What is done about a failed payment.",
        **DOCUMENT.schema(),
    }
