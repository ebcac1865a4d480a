"""Every field of a flow document: its shape, its default and its meaning, in one table.

The validator and the JSON Schema both come from here.
"""

from collections.abc import Iterator
from typing import Any

from app.domain.documents import (
    Fault,
    Field,
    Keyed,
    Listed,
    OrNull,
    Section,
    Shape,
    Text,
    Whole,
    Words,
)
from app.domain.flows import ASKS, StepKind
from app.domain.languages import LANGUAGES
from app.domain.offers.common import MONEY
from app.domain.policy_fields import INTERVALS, MOST_MINOR, NAME, SCHEMA_ID, STEP, VALUE
from app.domain.reasons import FEEDBACK

COUNTRY = Text(2, "^[A-Z][A-Z]$", "an ISO 3166 country code in capitals")
PLACE = Text(6, "^[A-Z][A-Z](-[A-Z0-9]{1,3})?$", "a country such as `DE`, or `US-CA`")
LONGEST_TEXT = 2000


class Truth:
    """True or false."""

    told = "true or false"

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What is wrong with it."""
        if not isinstance(value, bool):
            yield Fault(path, f"must be {self.told}")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "boolean"}


class Anything:
    """An object that its own room looks into: the document of an offer."""

    told = "an object"

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """Whatever is no object."""
        if not isinstance(value, dict):
            yield Fault(path, f"must be {self.told}")

    def schema(self) -> dict[str, Any]:
        """As JSON Schema: the offer's own, whose id is the step's."""
        return {"type": "object", "description": "An offer; its `id` is that of the step."}


def _by_language(of: Shape, meaning: str) -> Section:
    return Section(tuple(Field(code, of, None, meaning) for code in LANGUAGES))


def _range(most: int, what: str) -> Section:
    return Section(
        (
            Field("min", Whole(0, most), 0, f"The least {what}."),
            Field("max", OrNull(Whole(0, most)), None, f"The most {what}; null for no bound."),
        )
    )


def _targets(*more: Field) -> Section:
    return Section(
        (
            Field("plans", Listed(VALUE, 200, 1), None, "Plan names, or price or product ids."),
            Field("interval", Listed(Words(INTERVALS), 4, 1), None, "Billing intervals."),
            Field("countries", Listed(COUNTRY, 250, 1), None, "Where the customer is billed."),
            Field("trial", Truth(), None, "Only trials, or none of them."),
            Field("tenure_days", _range(36_500, "days since the start"), None, "How long since."),
            Field("mrr_minor", _range(MOST_MINOR, "MRR, in minor units"), None, "Worth a month."),
            Field(
                "attributes",
                Keyed(Text(40, about="an attribute's name"), Listed(VALUE, 50, 1), 10),
                None,
                "The merchant's own attributes, else metadata, with the values that belong.",
            ),
            *more,
        )
    )


TARGETS = _targets()
WHEN = _targets(
    Field("reasons", Listed(STEP, 50, 1), None, "Only after one of these reasons was chosen."),
)
TEXTS = _by_language(
    Section(
        (
            Field("heading", Text(200), None, "The heading of the step."),
            Field(
                "body",
                Text(LONGEST_TEXT, "^[^\\u0000-\\u0009\\u000b-\\u001f\\u007f]+$"),
                None,
                "What it says.",
            ),
        )
    ),
    "In this language.",
)


STEPS = Section(
    (
        Field("id", STEP, None, "The step's name, unique in the flow.", needed=True),
        Field("kind", Words(tuple(StepKind)), None, "What the step shows.", needed=True),
        Field("when", WHEN, {}, "Who is shown the step. Left out: everybody."),
        Field("texts", TEXTS, {}, "The merchant's own words, by language. Left out: ours."),
        Field("offer", Anything(), None, "The offer of a step of that kind."),
        Field("asks", Listed(Words(ASKS), 4, 1), None, "Of `feedback`. Left out: `words`."),
    )
)
REASON = Section(
    (
        Field("id", STEP, None, "Never changed, never used for another reason.", needed=True),
        Field(
            "feedback",
            Words(FEEDBACK),
            "other",
            "The provider's word for it. Left out: that of the shipped reason of this id.",
        ),
        Field("labels", _by_language(Text(120), "Its label."), {}, "What it is called."),
        Field("follow_up", _by_language(Text(200), "The question."), {}, "Asked once chosen."),
    )
)
DOCUMENT = Section(
    (
        Field("name", NAME, "default", "The flow's name; that of the route where there is one."),
        Field("applies_to", TARGETS, {}, "Who is given this flow. Left out: everybody."),
        Field("steps", Listed(STEPS, 30, 2), None, "In their order; see `steps`.", needed=True),
        Field("reasons", Listed(REASON, 50, 1), None, "Of the survey. Left out: the shipped ones."),
        Field(
            "immediately",
            Truth(),
            False,
            "Whether somebody may end at once although the period is paid.",
        ),
        Field("place", OrNull(PLACE), None, "The jurisdiction where nothing else tells."),
        Field(
            "holdout_percent",
            Whole(0, 50),
            0,
            "Of so many in a hundred customers no offer is shown, so that its worth can be told.",
        ),
        Field(
            "lifetime_budget_minor",
            MONEY,
            {},
            "What the offers one customer accepts may cost in all, by currency. Without a currency:"
            " no bound.",
        ),
    )
)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a flow document. What rules between fields say, it cannot."""
    return {
        "$schema": SCHEMA_ID,
        "title": "CancelFlow",
        "description": "What somebody who wants to leave is shown.",
        **DOCUMENT.schema(),
    }
