"""Flow documents: what is wrong with one, and the flow it says."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.domain.documents import Fault
from app.domain.flow_fields import DOCUMENT
from app.domain.flows import Flow, FlowStep, FlowVersion, StepKind, Targets
from app.domain.offers import Offer, parse
from app.domain.reasons import BY_ID, REASONS, Reason

TAKEN_NAMES = frozenset({"schema", "preview"})  # words of the API's paths
FAULTS_SHOWN = 50
LISTS = ("plans", "interval", "countries", "reasons")


class InvalidFlow(ValueError):
    """A flow document that cannot be used. `faults` say where and why, each of them."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


def flow_from(document: Any, *, version: int = 0) -> Flow:
    """The flow of a document. Raises `InvalidFlow` with every fault, path and reason."""
    faults = list(DOCUMENT.faults(document, ""))[:FAULTS_SHOWN]
    if faults:
        raise InvalidFlow(*faults)
    flow = build(document, version=version)
    if broken := [fault for rule in RULES for fault in rule(flow)]:
        raise InvalidFlow(*broken[:FAULTS_SHOWN])
    return flow


def flow_of(stored: FlowVersion) -> Flow:
    """The flow of a stored document, which was checked when it was stored: a session keeps it
    even where a later release would refuse it."""
    return build({**stored.document, "name": stored.name}, version=stored.version)


def build(document: Mapping[str, Any], *, version: int) -> Flow:
    """The flow of a document whose shapes are right; what is left out has its default."""
    reasons = document.get("reasons")
    return Flow(
        name=document.get("name", "default"),
        version=version,
        applies_to=_targets(document.get("applies_to", {})),
        steps=tuple(_step(step) for step in document["steps"]),
        reasons=REASONS if reasons is None else tuple(_reason(reason) for reason in reasons),
        immediately=document.get("immediately", False),
        place=document.get("place"),
        holdout_percent=int(document.get("holdout_percent", 0)),
        lifetime_minor={
            code: int(minor) for code, minor in document.get("lifetime_budget_minor", {}).items()
        },
    )


def _targets(section: Mapping[str, Any]) -> Targets:
    attributes = section.get("attributes")
    return Targets(
        **{name: tuple(section[name]) for name in LISTS if name in section},
        trial=section.get("trial"),
        tenure_days=_bounds(section.get("tenure_days")),
        mrr_minor=_bounds(section.get("mrr_minor")),
        attributes={key: tuple(some) for key, some in attributes.items()} if attributes else None,
    )


def _bounds(section: Mapping[str, Any] | None) -> tuple[int, int | None] | None:
    if section is None:
        return None
    most = section.get("max")
    return int(section.get("min", 0)), None if most is None else int(most)


def _step(row: Mapping[str, Any]) -> FlowStep:
    return FlowStep(
        id=row["id"],
        kind=StepKind(row["kind"]),
        when=_targets(row.get("when", {})),
        texts={code: dict(texts) for code, texts in row.get("texts", {}).items()},
        offer=row.get("offer"),
        asks=tuple(row.get("asks", ("words",) if row["kind"] == StepKind.FEEDBACK else ())),
    )


def _reason(row: Mapping[str, Any]) -> Reason:
    known = BY_ID.get(row["id"])
    follow_up = {**((known and known.follow_up) or {}), **row.get("follow_up", {})}
    return Reason(
        id=row["id"],
        feedback=row.get("feedback") or (known.feedback if known else "other"),
        labels={**(known.labels if known else {}), **row.get("labels", {})},
        follow_up=follow_up or None,
    )


def offer_of(step: FlowStep) -> Offer | tuple[Fault, ...]:
    """The offer of a step, which bears the step's id, or what is wrong with it."""
    return parse({**(step.offer or {}), "id": step.id})


# What fields must not say together. Each rule names the place a merchant would mend.


def _names(flow: Flow) -> Iterator[Fault]:
    if flow.name in TAKEN_NAMES:
        yield Fault("name", "is a word of the API's own")
    ids = [step.id for step in flow.steps]
    for place, name in enumerate(ids):
        if name in ids[:place]:
            yield Fault(f"steps[{place}].id", "is there twice")
    reasons = [reason.id for reason in flow.reasons]
    for place, reason in enumerate(flow.reasons):
        if reason.id in reasons[:place]:
            yield Fault(f"reasons[{place}].id", "is there twice")
        if not reason.labels:
            yield Fault(f"reasons[{place}].labels", "a reason of your own needs a label")


def _ends(flow: Flow) -> Iterator[Fault]:
    kinds = [step.kind for step in flow.steps]
    if kinds[-2:] != [StepKind.CONFIRM, StepKind.SUCCESS]:
        yield Fault("steps", "must end with `confirm` and `success`")
    for kind in (StepKind.CONFIRM, StepKind.SUCCESS, StepKind.SURVEY):
        if kinds.count(kind) > 1:
            yield Fault("steps", f"may have one `{kind}` only")
    for place in (-2, -1):
        if flow.steps[place].when != Targets():
            yield Fault(f"steps[{len(kinds) + place}].when", "is shown to everybody")


def _offers(flow: Flow) -> Iterator[Fault]:
    for place, step in enumerate(flow.steps):
        if (step.kind is StepKind.OFFER) is (step.offer is None):
            why = "is missing" if step.offer is None else "belongs to steps of the kind `offer`"
            yield Fault(f"steps[{place}].offer", why)
        elif step.offer is not None:
            found = offer_of(step)
            if isinstance(found, tuple):
                yield from (Fault(f"steps[{place}].offer.{one.path}", one.reason) for one in found)


def _asks(flow: Flow) -> Iterator[Fault]:
    for place, step in enumerate(flow.steps):
        if step.asks and step.kind is not StepKind.FEEDBACK:
            yield Fault(f"steps[{place}].asks", "belongs to steps of the kind `feedback`")


def _asked_first(flow: Flow) -> Iterator[Fault]:
    """A step that hangs on a reason stands behind the survey, and names reasons that it asks."""
    known, asked = {reason.id for reason in flow.reasons}, False
    for place, step in enumerate(flow.steps):
        asked = asked or step.kind is StepKind.SURVEY
        wanted = step.when.reasons
        if wanted is not None and not asked:
            yield Fault(f"steps[{place}].when.reasons", "must stand behind a `survey`")
        if wanted is not None and not set(wanted) <= known:
            yield Fault(f"steps[{place}].when.reasons", "names a reason that is not offered")


RULES: tuple[Callable[[Flow], Iterator[Fault]], ...] = (_names, _ends, _offers, _asks, _asked_first)
