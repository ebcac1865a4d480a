"""What the law wants of a cancel flow. Not legal advice: have counsel confirm what concerns you.

A rule is a row; what it forbids is a function over the flow as it is shown in one place. Some
rules are kept by the service itself, whatever a flow says (`kept_by`): they stand here all the
same, so that the whole is in one table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.compliance.places import UNITED_STATES, country_of
from app.domain.documents import Fault
from app.domain.flows import Flow, FlowStep, StepKind

EU = (
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
    "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
)  # fmt: skip
ANYWHERE = "*"
# Ways to say "keep it" that make a reader feel small. Lower case, as parts of a merchant's text.
SHAMING = (
    "i don't want to save", "i do not want to save", "i like paying more", "no, i hate",
    "no thanks, i prefer to", "i don't care about", "you will regret", "you'll regret",
    "ich will kein geld sparen", "ich zahle lieber mehr", "du wirst es bereuen",
    "sie werden es bereuen", "je préfère payer plus", "vous allez le regretter",
    "prefiero pagar más", "se arrepentirá", "你会后悔", "您会后悔",
)  # fmt: skip


class Certainty(StrEnum):
    """How sure we are of a rule: of the law itself, of a secondary source, or of our own care."""

    STATUTE = "statute"
    SECONDARY = "secondary"
    CAUTION = "caution"


Check = Callable[[Flow], Iterator[Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: where (`*` anywhere, `US` all its states), from when, until when, by which source.
    `check` names what a flow breaks; None where the service itself keeps it, as `kept_by` says."""

    id: str
    places: tuple[str, ...]
    says: str
    since: date
    until: date | None = None
    source: str
    certainty: Certainty
    check: Check | None = None
    kept_by: str | None = None

    def holds_in(self, place: str, on: date) -> bool:
        """Whether it binds in a place on a day."""
        named = {ANYWHERE, place, country_of(place)} & set(self.places)
        return bool(named) and self.since <= on and (self.until is None or on < self.until)


def _offers(flow: Flow) -> list[tuple[int, FlowStep]]:
    return [(n, step) for n, step in enumerate(flow.steps) if step.kind is StepKind.OFFER]


def _no_offer(flow: Flow) -> Iterator[Fault]:
    for place, _ in _offers(flow):
        yield Fault(f"steps[{place}]", "is an offer")


def _one_offer(flow: Flow) -> Iterator[Fault]:
    """Two offers are two screens for whoever gets both: those of different reasons are not."""
    offers = _offers(flow)
    for n, (place, step) in enumerate(offers):
        before = [other for _, other in offers[:n]]
        if any(_both(step, other) for other in before):
            yield Fault(f"steps[{place}]", "is a second offer for the same customer")


def _both(one: FlowStep, other: FlowStep) -> bool:
    mine, theirs = one.when.reasons, other.when.reasons
    return mine is None or theirs is None or not set(mine).isdisjoint(theirs)


def _no_shaming(flow: Flow) -> Iterator[Fault]:
    for place, step in enumerate(flow.steps):
        for language, texts in step.texts.items():
            for part, text in texts.items():
                if any(words in text.casefold() for words in SHAMING):
                    yield Fault(f"steps[{place}].texts.{language}.{part}", "shames who leaves")


CRD = "Directive (EU) 2023/2673, Art. 11a of Directive 2011/83/EU"
RULES = (
    Rule(
        id="direct-cancel",
        places=(ANYWHERE,),
        says="To cancel is possible on every screen, in two clicks from the first.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d), as amended by AB 2863",
        certainty=Certainty.STATUTE,
        kept_by="every step may be answered with `confirm`; no document can turn it off",
    ),
    Rule(
        id="survey-optional",
        places=(ANYWHERE,),
        says="No question must be answered before one may leave.",
        since=date(2025, 8, 1),
        source="15 U.S.C. 8403 (ROSCA); an FTC settlement over two pages of survey, 2025",
        certainty=Certainty.SECONDARY,
        kept_by="an answer may be empty, and `confirm` asks for none",
    ),
    Rule(
        id="one-offer",
        places=(ANYWHERE,),
        says="At most one screen tries to keep somebody.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d)(2)(B), as amended by AB 2863",
        certainty=Certainty.CAUTION,
        check=_one_offer,
    ),
    Rule(
        id="no-shaming",
        places=(ANYWHERE,),
        says="No words shame who leaves.",
        since=date(2022, 9, 15),
        source="FTC staff report “Bringing Dark Patterns to Light”, 2022",
        certainty=Certainty.SECONDARY,
        check=_no_shaming,
    ),
    Rule(
        id="us-mn-no-offer",
        places=("US-MN",),
        says="No retention offer is made while somebody cancels.",
        since=date(2025, 1, 1),
        source="Minnesota Statutes 325G.60, subd. 3",
        certainty=Certainty.SECONDARY,
        check=_no_offer,
    ),
    Rule(
        id="us-state-unknown-no-offer",
        places=(UNITED_STATES,),
        says="Where the state is not known, no offer is made: it might be Minnesota.",
        since=date(2025, 1, 1),
        source="Minnesota Statutes 325G.60, subd. 3",
        certainty=Certainty.CAUTION,
        kept_by="sessions without a state show no offer",
    ),
    Rule(
        id="confirmation-by-mail",
        places=(ANYWHERE,),
        says="Whoever cancelled gets it in writing at once, with the end and what is owed.",
        since=date(2022, 7, 1),
        source="§ 312k Abs. 4 BGB; Code de la consommation L215-1-1",
        certainty=Certainty.STATUTE,
        kept_by="the letter is written in the transaction of the request",
    ),
    Rule(
        id="never-later-than-period",
        places=(ANYWHERE,),
        says="It ends no later than the period that is paid.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(d), as amended by AB 2863",
        certainty=Certainty.SECONDARY,
        kept_by="there are two ends: now, and when the period is over",
    ),
    Rule(
        id="evidence-three-years",
        places=(ANYWHERE,),
        says="What was shown and said is kept three years.",
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(b)(6), as amended by AB 2863",
        certainty=Certainty.STATUTE,
        kept_by="an append-only table",
    ),
    Rule(
        id="win-back-permission",
        places=(ANYWHERE,),
        says="Who left is won back only where they agreed to such letters, with one click to stop.",
        since=date(2002, 7, 31),
        source="Directive 2002/58/EC, Art. 13; Belgian DPA decision 117/2022; RFC 8058",
        certainty=Certainty.SECONDARY,
        kept_by="no such letter without a recorded permission and a way to unsubscribe",
    ),
    Rule(
        id="win-back-later",
        places=(ANYWHERE,),
        says="Nobody is won back within a fortnight of leaving.",
        since=date(2025, 2, 14),
        source="E-Commerce Act of Korea, as amended 2025, on nagging; the fortnight is ours",
        certainty=Certainty.CAUTION,
        kept_by="letters that win back are planned no sooner than 14 days after the request",
    ),
    Rule(
        id="public-form",
        places=("DE", "FR"),
        says="One may cancel without signing in.",
        since=date(2022, 7, 1),
        source="§ 312k BGB; Code de la consommation L215-1-1",
        certainty=Certainty.STATUTE,
        kept_by="a form of its own, beside the flow",
    ),
    Rule(
        id="withdrawal-function",
        places=EU,
        says="Within 14 days one may withdraw, by a function of its own.",
        since=date(2026, 6, 19),
        source=CRD,
        certainty=Certainty.STATUTE,
        kept_by="a form of its own, beside the flow",
    ),
)


def faults_in(flow: Flow, on: date) -> Iterator[tuple[Rule, Fault]]:
    """What a flow breaks in the places it names, or, where it names none, anywhere."""
    for rule in RULES:
        if rule.check is not None and any(rule.holds_in(place, on) for place in _places(flow)):
            for fault in rule.check(flow):
                yield rule, fault


def _places(flow: Flow) -> tuple[str, ...]:
    """Where a flow is shown for certain. One that is for everybody is shown without its offers
    where offers are forbidden, so only what is forbidden anywhere counts against it."""
    named = [*(flow.applies_to.countries or ()), *([flow.place] if flow.place else [])]
    return tuple(dict.fromkeys([ANYWHERE, *named]))


def may_offer(place: str | None, on: date) -> bool:
    """Whether an offer may be shown in a place; not where nobody knows the place or the state."""
    if place is None or place == UNITED_STATES:
        return False
    return not any(rule.check is _no_offer and rule.holds_in(place, on) for rule in RULES)
