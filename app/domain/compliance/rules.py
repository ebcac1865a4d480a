"""What a rule of the law is, and what a cancel flow may break: a function over the flow as it is
shown in one place. The rules themselves are rows of `law`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app.domain.compliance.places import country_of
from app.domain.documents import Fault
from app.domain.flows import Flow, FlowStep, StepKind

ANYWHERE = "*"
# Ways to say "keep it" that make a reader feel small. Lower case, as parts of a merchant's text.
SHAMING = (
    "i don't want to save", "i do not want to save", "i like paying more", "no, i hate",
    "no thanks, i prefer to", "i don't care about", "you will regret", "you'll regret",
    "ich will kein geld sparen", "ich zahle lieber mehr", "du wirst es bereuen",
    "sie werden es bereuen", "je préfère payer plus", "vous allez le regretter",
    "prefiero pagar más", "se arrepentirá", "你会后悔", "您会后悔",
)  # fmt: skip

# Deadlines that no offer of a flow has.
HURRYING = (
    "only today", "today only", "last chance", "act now", "hurry up", "nur heute", "letzte chance",
    "seulement aujourd'hui", "dernière chance", "solo hoy", "última oportunidad", "仅限今天",
    "最后机会",
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


def no_offer(flow: Flow) -> Iterator[Fault]:
    """Any offer."""
    for place, _ in _offers(flow):
        yield Fault(f"steps[{place}]", "is an offer")


def one_offer(flow: Flow) -> Iterator[Fault]:
    """Two offers are two screens for whoever gets both: those of different reasons are not."""
    offers = _offers(flow)
    for n, (place, step) in enumerate(offers):
        before = [other for _, other in offers[:n]]
        if any(_both(step, other) for other in before):
            yield Fault(f"steps[{place}]", "is a second offer for the same customer")


def _both(one: FlowStep, other: FlowStep) -> bool:
    mine, theirs = one.when.reasons, other.when.reasons
    return mine is None or theirs is None or not set(mine).isdisjoint(theirs)


def no_shaming(flow: Flow) -> Iterator[Fault]:
    """Words that make whoever leaves feel small."""
    yield from _saying(flow, SHAMING, "shames who leaves")


def no_hurry(flow: Flow) -> Iterator[Fault]:
    """A deadline that is none: what a flow offers, it offers tomorrow too."""
    yield from _saying(flow, HURRYING, "hurries who leaves")


def _saying(flow: Flow, forbidden: tuple[str, ...], why: str) -> Iterator[Fault]:
    for path, text in (*_said_by_steps(flow), *_said_by_reasons(flow)):
        plain = text.casefold().replace("\u2019", "'")
        if any(words in plain for words in forbidden):
            yield Fault(path, why)


def _said_by_steps(flow: Flow) -> Iterator[tuple[str, str]]:
    for place, step in enumerate(flow.steps):
        for language, texts in step.texts.items():
            for part, text in texts.items():
                yield f"steps[{place}].texts.{language}.{part}", text


def _said_by_reasons(flow: Flow) -> Iterator[tuple[str, str]]:
    for place, reason in enumerate(flow.reasons):
        for part, texts in (("labels", reason.labels), ("follow_up", reason.follow_up)):
            for language, text in (texts or {}).items():
                yield f"reasons[{place}].{part}.{language}", text
