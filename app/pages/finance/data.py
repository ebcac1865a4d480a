"""From the rows of an answer to what a sheet shows: labels, and a row of values for each series.

Chart and table are made of the same values. What would be too much for either is gathered.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.pages.finance.charts import COLOURS, Data, Series
from app.pages.finance.sheets import Sheet
from app.pages.finance.words import NONE, OTHERS, heading_of, name_of
from app.reports.answers import Row
from app.reports.asking import instant
from app.reports.periods import Step, cut

MOST = COLOURS  # series, or kinds of a thing along the bottom
Value = float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a sheet shows. `data` has the labels as they were answered; its first `drawn` series
    are drawn, all of them stand in the table. `noted` are numbers that stand beside the values of a
    split one, `more` counts the series that were left out."""

    data: Data
    drawn: int
    noted: tuple[tuple[Value, ...], ...] = ()
    more: int = 0


def shown_of(sheet: Sheet, rows: Sequence[Row], head: Mapping[str, Any]) -> Shown:
    """What a sheet shows of these rows."""
    if sheet.rungs:
        return _ladder(sheet, rows)
    if sheet.split:
        return _split(sheet, rows, _labels(sheet, rows, head))
    labels = _labels(sheet, rows, head)
    names = (*sheet.draws, *sheet.tells)
    columns = tuple(Series(heading_of(name), _sums(rows, labels, name, sheet)) for name in names)
    return Shown(_fewer_labels(sheet, Data(labels, columns)), len(sheet.draws))


def _ladder(sheet: Sheet, rows: Sequence[Row]) -> Shown:
    """The columns of each rung, added up over all rows; a series for each name they have."""
    series = dict.fromkeys(name for _, columns in sheet.rungs for name in columns)
    told = tuple(
        Series(name, tuple(_total(rows, columns.get(name)) for _, columns in sheet.rungs))
        for name in series
    )
    return Shown(Data(tuple(label for label, _ in sheet.rungs), told), len(told))


def _total(rows: Sequence[Row], column: str | None) -> Value:
    return None if column is None else float(sum(row[column] for row in rows))


def _split(sheet: Sheet, rows: Sequence[Row], labels: tuple[str, ...]) -> Shown:
    """A series for each value of the column `split`, the largest of them where there are many."""
    split, column = sheet.split or "", sheet.draws[0]
    groups = {
        name: [row for row in rows if row[split] == name]
        for name in dict.fromkeys(row[split] for row in rows)
    }
    sizes = {name: _size(_sums(rows, labels, column, sheet)) for name, rows in groups.items()}
    if sheet.adds:  # what comes to nothing in this column stands in the rows for another
        groups = {name: rows for name, rows in groups.items() if sizes[name]}
    kept = _largest(groups, lambda name: sizes[name])
    left = [name for name in groups if name not in kept]
    found = [(name_of(split, name), groups[name]) for name in kept]
    if left and sheet.adds:
        found.append((OTHERS, [row for name in left for row in groups[name]]))
    series = tuple(Series(name, _sums(group, labels, column, sheet)) for name, group in found)
    beside = sheet.notes
    noted = [_sums(group, labels, beside, sheet) for _, group in found] if beside else ()
    more = 0 if sheet.adds else len(left)
    return Shown(Data(labels, series), len(series), tuple(noted), more)


def _largest(names: Iterable[Any], size: Callable[[Any], float]) -> list[Any]:
    """At most `MOST` names in their order, or one less, so that another may stand for the rest."""
    names = list(names)
    if len(names) <= MOST:
        return names
    largest = sorted(names, key=size, reverse=True)[: MOST - 1]
    return [name for name in names if name in largest]


def _fewer_labels(sheet: Sheet, data: Data) -> Data:
    """The kinds of a thing along the bottom by size, the small ones gathered."""
    if not sheet.kinds:
        return data
    places = sorted(
        range(len(data.labels)), key=lambda n: -_size(line.values[n] for line in data.series)
    )
    few = places[: MOST - 1] if len(places) > MOST else places
    rest = places[len(few) :]

    def values(line: Series) -> tuple[Value, ...]:
        gathered = (sum(line.values[n] or 0.0 for n in rest),) if rest else ()
        return (*(line.values[n] for n in few), *gathered)

    labels = (*(name_of(sheet.over, data.labels[n]) for n in few), *((OTHERS,) if rest else ()))
    return Data(labels, tuple(Series(line.name, values(line)) for line in data.series))


def _size(values: Iterable[Value]) -> float:
    return sum(abs(value or 0.0) for value in values)


def _labels(sheet: Sheet, rows: Sequence[Row], head: Mapping[str, Any]) -> tuple[str, ...]:
    """Every period of the span that has begun, or what the rows are of."""
    if sheet.over == "period" and rows:
        return _periods(head)
    found = dict.fromkeys(_label(row, sheet) for row in rows)
    return tuple(sorted(found, key=int)) if sheet.over == "day" else tuple(found)


def _periods(head: Mapping[str, Any]) -> tuple[str, ...]:
    since, to, as_of = (_instant(head[name]) for name in ("from", "to", "as_of"))
    zone = ZoneInfo(head["time_zone"])
    periods = cut(since, to, Step(head["interval"]), zone)
    return tuple(period.day.isoformat() for period in periods if period.starts_at <= as_of)


def _instant(text: str) -> datetime:
    return instant("", text)


def _label(row: Row, sheet: Sheet) -> str:
    value = row[sheet.over]
    return NONE if value is None else str(value)


def _sums(rows: Iterable[Row], labels: Sequence[str], name: str, sheet: Sheet) -> tuple[Value, ...]:
    """The values of a column by label. Where there is no row, what adds up is nothing, and what
    does not is not known."""
    sums: dict[str, float] = {}
    for row in rows:
        if row[name] is not None:
            label = _label(row, sheet)
            sums[label] = sums.get(label, 0.0) + float(row[name])
    return tuple(sums.get(label, 0.0 if sheet.adds else None) for label in labels)
