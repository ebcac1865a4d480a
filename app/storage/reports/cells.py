"""How cells are added to, as SQL."""

from collections.abc import Sequence
from typing import Any


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
