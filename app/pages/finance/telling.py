"""From an answer of finance to what a page shows: a chart, a table, and what the words mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.domain.money import exponent
from app.pages.finance.charts import DRAWN, Data, Drawing, Series
from app.pages.finance.sheets import Sheet
from app.reports.answers import Answer, Row
from app.reports.defined.shape import MINOR, SHARE
from app.words.formats import show_money

LANGUAGE = "en-GB"
WORDS = {
    "period": "Period",
    "currency": "Currency",
    "n": "Invoices",
    "n_open": "Still open",
    "n_excluded": "Excluded",
    "trial_conversion": "After a trial",
}
NONE = "none"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, its definition where it is a figure, and its unit."""

    name: str
    heading: str
    unit: str = ""
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A sheet as the page shows it."""

    sheet: Sheet
    drawing: Drawing | None
    legend: tuple[str, ...]
    unit: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    cut: bool
    as_of: str
    holds: bool | None
    currency: str


MOST_ROWS = 400  # on a page; the download has all


async def shown(sheet: Sheet, answer: Answer, currency: str) -> Shown:
    """The sheet's chart and table of one currency. Reads the answer to its end."""
    rows = [row async for row in answer.rows if row.get("currency", currency) == currency]
    tail = await answer.tail()
    columns = _columns(answer)
    units = {column.name: column.unit for column in columns}
    data = data_of(sheet, rows)
    identity = tail.get("identity") or {}
    return Shown(
        sheet=sheet,
        drawing=None if data.empty else DRAWN[sheet.kind](data),
        legend=data.labels if sheet.kind == "pie" else tuple(line.name for line in data.series),
        unit=units.get(sheet.draws[0], ""),
        columns=columns,
        rows=tuple(
            tuple(cell(row.get(c.name), units[c.name], currency) for c in columns)
            for row in rows[:MOST_ROWS]
        ),
        cut=len(rows) > MOST_ROWS,
        as_of=str(answer.head.get("as_of", "")),
        holds=identity.get("holds"),
        currency=currency,
    )


def _columns(answer: Answer) -> tuple[Column, ...]:
    told = {d["column"]: d for d in answer.head.get("definitions", {}).values()}
    return tuple(
        Column(name, heading_of(name), *_told(told.get(name)))
        for name in answer.columns
        if name != "currency"
    )


def _told(definition: Mapping[str, str] | None) -> tuple[str, str]:
    return ("", "") if definition is None else (definition["unit"], definition["definition"])


def data_of(sheet: Sheet, rows: Sequence[Row]) -> Data:
    """What the sheet draws of these rows."""
    labels = tuple(dict.fromkeys(str(row[sheet.over] or NONE) for row in rows))
    if sheet.split is None:
        return Data(
            _short(labels, sheet),
            tuple(
                Series(heading_of(name), _values(rows, labels, name, sheet)) for name in sheet.draws
            ),
        )
    names = tuple(dict.fromkeys(row[sheet.split] for row in rows))
    return Data(
        _short(labels, sheet),
        tuple(
            Series(
                _named(sheet.split, name),
                _values([r for r in rows if r[sheet.split] == name], labels, sheet.draws[0], sheet),
            )
            for name in names
        ),
    )


def _named(split: str, value: object) -> str:
    if isinstance(value, bool):
        return heading_of(split) if value else "Renewals"
    return plain(str(value or NONE))


def _values(
    rows: Sequence[Row], labels: Sequence[str], name: str, sheet: Sheet
) -> tuple[float | None, ...]:
    by_label: dict[str, float] = {}
    for row in rows:
        if row[name] is not None:
            label = str(row[sheet.over] or NONE)
            by_label[label] = by_label.get(label, 0.0) + float(row[name])
    return tuple(by_label.get(label) for label in labels)


def _short(labels: Sequence[str], sheet: Sheet) -> tuple[str, ...]:
    if sheet.over != "period":
        return tuple(plain(label) for label in labels)
    days = [date.fromisoformat(label) for label in labels]
    monthly = all(day.day == 1 for day in days)
    return tuple(day.strftime("%b %Y" if monthly else "%d %b") for day in days)


def cell(value: Any, unit: str, currency: str) -> str:
    """A value as people read it. What there is none of is a dash."""
    if value is None:
        return "\u2013"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit == MINOR:
        return show_money(int(value), currency, LANGUAGE)
    if unit == SHARE:
        return f"{Decimal(str(value)) * 100:.1f} %"
    return plain(str(value)) if isinstance(value, str) else f"{value:,}"


def ticked(value: float, unit: str, currency: str) -> str:
    """A value beside a grid line: short."""
    if unit == SHARE:
        return f"{value * 100:g} %"
    if unit != MINOR:
        return _brief(value)
    return f"{_brief(value / 10 ** exponent(currency))} {currency.upper()}"


def _brief(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def heading_of(name: str) -> str:
    """A column's name for people: `net_minor` is Net."""
    return WORDS.get(name) or plain(name.removesuffix("_minor").removeprefix("n_"))


def plain(name: str) -> str:
    """A name of the code as words; what is none stays as it is."""
    if not name.replace("_", "").isalpha() or name != name.lower():
        return name
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
