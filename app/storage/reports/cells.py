"""How cells are added to, as SQL."""

from collections.abc import Sequence
from typing import Any

from app.domain.rollups import layer_name
from app.storage.reports.days import day_key, month_key

MONTH_OF = "date_trunc('month', {}::timestamp)::date"
# As what the sets are told apart by that something is grouped by: `day` or `month`, `stretch` or
# `recorded_month`. A stretch lies within a day of the merchant.
HAPPENED = f"case when grouping(day) = 0 then {day_key('day')} else {month_key('month')} end"
RECORDED_MONTH = "'m' || substr((:recorded)[stretch], 2, 7)"
RECORDED_ON = "case when grouping(stretch) = 0 then (:recorded)[stretch] else recorded_month end"
# What is recorded about when it happens has no months of what was recorded of a day.
NOT_LATE = "(day, stretch), (month, stretch), (month, recorded_month)"


def added(
    kind: type[Any],
    table: str,
    measures: Sequence[str],
    rows: str,
    ledger: str = "",
    *,
    fresh: bool,
) -> str:
    """Rows, of one ledger, added to the cells in the order of their index: otherwise pages of it
    that were written already would be read once more. Cells of a month of which none was recorded
    are `fresh` and need no looking up. Nobody else writes cells meanwhile, so others are merged:
    what is ready for a conflict takes twice as long."""
    columns = (*kind.KEY, *measures)
    order = ", ".join(str(place) for place, _ in enumerate(kind.KEY, 1))
    if fresh:
        return f"insert into {table} ({', '.join(columns)}) {rows} order by {order}"
    known = {"merchant_id": ":merchant"} | ({"ledger": f"'{ledger}'"} if ledger else {})
    same = " and ".join(f"c.{key} = {known.get(key, f'g.{key}')}" for key in kind.KEY)
    sums = ", ".join(f"{name} = c.{name} + g.{name}" for name in measures)
    return f"""
merge into {table} c using ({rows} order by {order}) g ({", ".join(columns)})
on {same}
when matched then update set {sums}
when not matched then insert ({", ".join(columns)})
    values ({", ".join(f"g.{name}" for name in columns)})"""  # noqa: S608 - words of ours


def added_beside(
    kind: type[Any], table: str, measures: Sequence[str], rows: str, *, fresh: bool
) -> str:
    """The same as a table of the `with` of another such statement, where nothing can be merged."""
    columns = (*kind.KEY, *measures)
    order = ", ".join(str(place) for place, _ in enumerate(kind.KEY, 1))
    sums = ", ".join(f"{name} = c.{name} + excluded.{name}" for name in measures)
    again = "" if fresh else f"on conflict ({', '.join(kind.KEY)}) do update set {sums}"
    return f"""
    insert into {table} as c ({", ".join(columns)}) {rows} order by {order} {again}
"""


def layers_of(layers: Sequence[tuple[str, ...]], keys: Sequence[str]) -> tuple[str, str, str]:
    """Sets to group by, and as what of them a layer's name and the values of its keys are read."""
    used = [key for key in keys if any(key in layer for layer in layers)]
    sets = ", ".join(f"({', '.join(layer)})" for layer in layers)
    if not used:
        return sets, "''", "'[]'"
    found = {
        sum((key not in layer) << place for place, key in enumerate(reversed(used))): layer
        for layer in layers
    }
    which = f"case grouping({', '.join(used)})"
    names = " ".join(f"when {bits} then '{layer_name(layer)}'" for bits, layer in found.items())
    named = " ".join(
        f"when {bits} then json_build_array({', '.join(layer)})::text"
        for bits, layer in found.items()
    )
    return sets, f"{which} {names} end", f"{which} {named} end"
