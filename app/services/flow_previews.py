"""What a flow would show somebody. Touches no billing and keeps nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.compliance.law import may_offer
from app.domain.compliance.places import country_of
from app.domain.flow_documents import InvalidFlow
from app.domain.flows import Flow, FlowStep, Leaving, StepKind, is_for
from app.domain.sessions import confirm_step
from app.ports.world import World
from app.services.flows import require_lawful


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """Somebody made up, who wants to leave."""

    language: str = "en"
    place: str | None = None
    reason: str | None = None
    plan: str | None = None
    interval: str | None = None
    trial: bool = False
    tenure_days: int = 0
    mrr_minor: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def facts(self) -> Leaving:
        """What a session would know of them once they gave their reason."""
        return Leaving(
            plans=frozenset({self.plan} if self.plan else ()),
            interval=self.interval,
            country=country_of(self.place) if self.place else None,
            reason=self.reason,
            trial=self.trial,
            tenure_days=self.tenure_days,
            mrr_minor=self.mrr_minor,
            attributes=self.attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The steps of a flow for somebody, one offer at most, and what the law has against it."""

    flow: Flow
    applies: bool
    steps: tuple[FlowStep, ...]
    offers: bool
    breaks: tuple[str, ...]


def shown_to(world: World, flow: Flow, assumed: Assumed) -> Shown:
    """What this flow would show them, whether or not it is the one they would be given."""
    now, facts = world.clock.now(), assumed.facts
    offers = may_offer(assumed.place or flow.place, now.date())
    return Shown(
        flow=flow,
        applies=is_for(flow.applies_to, facts),
        steps=tuple(_steps(flow, facts, offers=offers)),
        offers=offers,
        breaks=_breaks(world, flow),
    )


def _steps(flow: Flow, facts: Leaving, *, offers: bool) -> list[FlowStep]:
    found: list[FlowStep] = []
    for step in flow.steps:
        if step.kind in {StepKind.CONFIRM, StepKind.SUCCESS} or not is_for(step.when, facts):
            continue
        if step.kind is StepKind.OFFER:
            if not offers:
                continue
            offers = False
        found.append(step)
    return [*found, confirm_step(flow), flow.steps[-1]]


def _breaks(world: World, flow: Flow) -> tuple[str, ...]:
    try:
        require_lawful(flow, world.clock.now())
    except InvalidFlow as broken:
        return tuple(str(fault) for fault in broken.faults)
    return ()
