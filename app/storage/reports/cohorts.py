"""Cells of cohorts, and their steps: added to as folding goes on."""

from sqlalchemy import text

from app.domain.rollups import (
    COHORT_KEYS,
    COHORT_LAYERS,
    COHORT_STEPS,
    MEASURES,
    CohortCell,
    CohortStep,
)
from app.storage.reports.cells import (
    HAPPENED,
    MONTH_OF,
    NOT_LATE,
    RECORDED_MONTH,
    RECORDED_ON,
    added,
    added_beside,
    layers_of,
)
from app.storage.reports.days import RECORDED_DAYS, TURNS, day_of
from app.storage.reports.rolling import BOUNDS, VERDICTS
from app.storage.reports.stretches import EDGES, SIGNED
from app.storage.reports.verdicts import steps_of

_LATE = "(day, stretch), (day, recorded_month), (month, stretch), (month, recorded_month)"


def _cells(name: str, rows: str, apart: str, measures: tuple[str, ...], sets: str) -> str:
    """Tables of a `with`: `rows`, told apart by these columns too, as cells of all layers; the last
    is `{name}_cells_`."""
    layers, layer, _ = layers_of(COHORT_LAYERS, COHORT_KEYS)
    sums = ", ".join(f"sum({measure})::bigint as {measure}" for measure in measures)
    moved = " or ".join(f"sum({measure}) <> 0" for measure in measures)
    return f"""
{name}_days as (
    select {day_of("failed_at")} as day, stretch, currency, plan, interval, {apart}, {sums}
    from {rows}
    group by 1, stretch, currency, plan, interval, {apart}
    having {moved}
), {name}_layers as (
    select {layer} as layer, day, {MONTH_OF.format("day")} as month, stretch,
        {RECORDED_MONTH} as recorded_month, currency, coalesce(plan, '') as plan,
        coalesce(interval, '') as interval, {apart}, {sums}
    from {name}_days
    group by day, stretch, currency, {apart}, grouping sets ({layers})
), {name}_cells_ as (
    select layer, {HAPPENED} as failed, {RECORDED_ON} as recorded, currency, plan, interval,
        {apart}, {sums}
    from {name}_layers
    group by layer, currency, plan, interval, {apart}, grouping sets ({sets})
)"""  # noqa: S608 - words of ours


_PLACE = "layer, failed, recorded, currency, plan, interval, trial_conversion, open"


def _folded(*, fresh: bool) -> str:
    signed = ", ".join(
        f"t.sign * s.{name.removesuffix('_minor')} as {name}" for name in COHORT_STEPS
    )
    counts, steps = ", ".join(MEASURES), ", ".join(COHORT_STEPS)
    beside = added_beside(
        CohortStep,
        "cohort_steps",
        COHORT_STEPS,
        f"select :merchant, {_PLACE}, days, {steps} from step_cells_",  # noqa: S608 - words of ours
        fresh=fresh,
    )
    cells = added(
        CohortCell,
        "cohort_cells",
        MEASURES,
        f"select :merchant, {_PLACE}, {counts} from cohort_cells_",  # noqa: S608 - words of ours
        fresh=fresh,
    )
    return f"""
{VERDICTS}, {_cells("cohort", "verdicts", "trial_conversion, open", MEASURES, _LATE)},
steps as ({steps_of("decided")}), signed_steps as (
    select s.failed_at, t.stretch, s.currency, coalesce(s.plan, '') as plan,
        coalesce(s.interval, '') as interval, s.trial_conversion, s.open, s.days, {signed}
    from steps s {SIGNED.format("s")}
), {_cells("step", "signed_steps", "trial_conversion, open, days", COHORT_STEPS, NOT_LATE)},
steps_added as ({beside})
{cells}"""  # noqa: S608 - words of ours


# By whether the cells are fresh.
COHORTS_FOLDED = {
    fresh: text(_folded(fresh=fresh)).bindparams(*BOUNDS, EDGES, *TURNS, RECORDED_DAYS)
    for fresh in (True, False)
}
