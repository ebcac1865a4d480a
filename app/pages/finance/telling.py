"""From an answer of finance to what a page shows: a chart, a table, and what the words mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.pages.finance.charts import COLOURS, DRAWN, Data, Drawing
from app.pages.finance.data import Shown, shown_of
from app.pages.finance.sheets import Sheet
from app.pages.finance.words import cell, days_of, heading_of
from app.reports.answers import Answer
from app.reports.defined.shape import DECIMAL

NOTHING_DRAWN = "Nothing to draw yet; the table has what there is."
MOST_ROWS = 24  # in a table on the page, the latest periods; the download has all


@dataclass(frozen=True, slots=True)
class Column:
    """A figure that is shown: its heading, its unit and its definition."""

    heading: str
    unit: str
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A sheet as the page shows it. `said` is said where nothing is drawn; `legend` has each hue
    and its name. The cells of a
    table are below `headings`, of which the first is that of the labels; `hint` defines them where
    they are not figures themselves."""

    sheet: Sheet
    drawing: Drawing | None
    said: str
    legend: tuple[tuple[int, str], ...]
    unit: str
    columns: tuple[Column, ...]
    headings: tuple[tuple[str, str], ...]
    hint: str
    rows: tuple[tuple[str, ...], ...]
    cut: bool
    more: int
    holds: bool | None
    currency: str


async def told(sheet: Sheet, answer: Answer, currency: str) -> Told | None:
    """The sheet's chart and table of one currency; None where there is nothing to tell. Reads the
    answer to its end."""
    rows = [row async for row in answer.rows if row.get("currency", currency) == currency]
    tail = await answer.tail()
    shown = shown_of(sheet, rows, answer.head)
    known = not (shown.data.empty if sheet.adds else shown.data.unknown)
    if not known and not (rows and sheet.unknown):
        return None
    columns = _columns(sheet, answer)
    units = [columns[0].unit] * shown.drawn if sheet.drawn_alike else [c.unit for c in columns]
    table = _table(shown, units, currency)
    return Told(
        sheet=sheet,
        drawing=_drawing(sheet, shown, columns[0].unit),
        said=NOTHING_DRAWN if known else sheet.unknown,
        legend=legend_of(sheet, shown),
        unit=columns[0].unit,
        columns=columns,
        headings=_headings(sheet, shown, columns),
        hint=columns[0].definition if sheet.split else "",
        rows=table[-MOST_ROWS:] if known else (),
        cut=len(table) > MOST_ROWS,
        more=shown.more,
        holds=(tail.get("identity") or {}).get("holds"),
        currency=currency,
    )


def _columns(sheet: Sheet, answer: Answer) -> tuple[Column, ...]:
    told = {d["column"]: d for d in answer.head["definitions"].values()}
    return tuple(
        Column(heading_of(name), told[name]["unit"], told[name]["definition"].replace("`", ""))
        for name in sheet.figures
    )


def _drawing(sheet: Sheet, shown: Shown, unit: str) -> Drawing | None:
    labels = days_of(shown.data.labels) if sheet.over == "period" else shown.data.labels
    drawn = Data(labels, shown.data.series[: shown.drawn], whole=unit not in DECIMAL)
    nothing = drawn.empty if sheet.adds else drawn.unknown
    return None if nothing else DRAWN[sheet.kind](drawn)


def legend_of(sheet: Sheet, shown: Shown) -> tuple[tuple[int, str], ...]:
    """The hues of a chart and what they stand for."""
    if sheet.kind == "pie":  # what has no slice needs no name
        slices = zip(shown.data.labels, shown.data.series[0].values, strict=True)
        named = [(place, label) for place, (label, value) in enumerate(slices) if value]
    else:
        named = list(enumerate(line.name for line in shown.data.series[: shown.drawn]))
    return tuple((place % COLOURS, name) for place, name in named)


def _headings(sheet: Sheet, shown: Shown, columns: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    means = {} if sheet.drawn_alike else {c.heading: c.definition for c in columns}
    first = (sheet.first or heading_of(sheet.over), "")
    return (first, *((line.name, means.get(line.name, "")) for line in shown.data.series))


def _table(shown: Shown, units: Sequence[str], currency: str) -> tuple[tuple[str, ...], ...]:
    """A row for each label; days as they are named in an address."""
    return tuple(
        (label, *(_cell(shown, place, nth, units[nth], currency) for nth in range(len(units))))
        for place, label in enumerate(shown.data.labels)
    )


def _cell(shown: Shown, place: int, nth: int, unit: str, currency: str) -> str:
    value = shown.data.series[nth].values[place]
    text = cell(value, unit, currency)
    if value is None or not shown.noted:
        return text
    return f"{text} of {cell(shown.noted[nth][place], '', currency)}"
