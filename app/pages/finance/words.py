"""What the dashboard calls columns and keys, and how it writes values."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from app.domain.money import exponent
from app.pages.operator.words import DECLINES
from app.reports.defined.shape import MINOR, SHARE
from app.words.formats import show_money

LANGUAGE = "en-GB"
NONE, OTHERS, DASH = "none", "Others", "\u2013"
HEADINGS: Mapping[str, str] = {
    "n": "Invoices",
    "w": "After",
    "n_end": "Paying",
    "n_start": "At the start",
    "end_minor": "MRR at the end",
    "clv_minor": "CLV",
    "grr": "GRR",
    "nrr": "NRR",
    "gross_mrr_churn": "Gross MRR churn",
    "net_mrr_churn": "Net MRR churn",
    "at_risk_minor": "MRR at risk",
    "ending_minor": "MRR with a planned end",
    "both_minor": "Both",
    "retained_minor": "Cash kept, net",
    "cost_minor": "Cost at most",
    "saved_mrr_minor": "MRR saved",
    "recovered_within_w_minor": "Recovered by then",
    "usual_minor": "As things are",
    "reduced_minor": "With a fifth less churn",
    "trial_conversion": "After a trial",
}
NOTHING: Mapping[str, str] = {"reason": "No reason given", "plan": "No plan", "offer": "No offer"}
REFUSED_FOR = {kind.value: said for kind, said in DECLINES.items()}  # as the desk says it
OURS = frozenset({"cause", "kind_of_end", "reason"})  # words of ours, no names


def heading_of(name: str) -> str:
    """A column's name for people: `net_minor` is Net."""
    return HEADINGS.get(name) or _spaced(name.removesuffix("_minor").removeprefix("n_"))


def name_of(key: str, value: object) -> str:
    """The value of a key for people. What merchants named themselves stays as they wrote it."""
    if isinstance(value, bool):
        return heading_of(key) if value else "Renewals"
    if value is None or value == NONE:
        return NOTHING.get(key, "Unknown")
    if key == "decline_kind":
        return REFUSED_FOR.get(str(value)) or _spaced(str(value))
    return _spaced(str(value)) if key in OURS else str(value)


def days_of(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The first days of periods, as short as they can be."""
    days = [date.fromisoformat(label) for label in labels]
    monthly = all(day.day == 1 for day in days)
    return tuple(day.strftime("%b %Y" if monthly else "%-d %b") for day in days)


def cell(value: float | None, unit: str, currency: str) -> str:
    """A value as people read it. What there is none of is a dash."""
    if value is None:
        return DASH
    if unit == MINOR:
        return show_money(int(value), currency, LANGUAGE)
    if unit == SHARE:
        return f"{Decimal(str(value)) * 100:.1f} %"
    return f"{value:,.2f}".removesuffix(".00")


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


def _spaced(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
