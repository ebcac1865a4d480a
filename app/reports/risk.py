"""What may be lost, what is gained by treatment, and what becomes of MRR."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any

from app.domain.churn_rates import PRESETS, Preset, gross_loss
from app.domain.holdouts import Arm, Effect, effect
from app.domain.mrr import MovementKind
from app.domain.projections import compounding, reduced
from app.ports.figures import LATEST, Excerpt, Figures, Period
from app.reports.answers import Answer, Row, share
from app.reports.asking import Question, stamp
from app.reports.churning import tallies
from app.reports.defined.risk import AT_RISK, INCREMENTAL, PROJECTION
from app.reports.periods import Step, day_of, first_day, midnight, months_later
from app.reports.tables import Kinds, added, by_currency, count, minor

KINDS = tuple(MovementKind)
LOOKED_BACK = 3  # whole months that churn is taken from


def at_risk(question: Question, *, figures: Figures) -> Answer:
    """The answer about what may be lost, at the cut-off."""
    by = tuple(name for name in question.by if name != "currency")
    totals: dict[str, dict[str, tuple[int, int]]] = {}
    excerpt = question.excerpt

    async def rows() -> AsyncIterator[Row]:
        all_mrr = await mrr_now(excerpt, figures)
        found = await figures.at_risk(excerpt, by)
        for sums in sorted(found, key=lambda s: (s.currency, str(list(s.named.values())))):
            cells = {"currency": sums.currency, **{name: sums.named[name] for name in by}}
            yield cells | _risk_cells(sums.kinds, all_mrr.get(sums.currency, 0))
        totals.update(by_currency(found))

    async def tail() -> Mapping[str, Any]:
        all_mrr = await mrr_now(excerpt, figures)
        whole = by_currency(await figures.at_risk(excerpt, ())) if by else totals
        adds_up = all(
            minor(kinds, "at_risk", "ending") == minor(kinds, "both", "either")
            for kinds in whole.values()
        )
        return {
            "totals": [
                {"currency": name} | _risk_cells(totals[name], all_mrr.get(name, 0))
                for name in sorted(totals)
            ],
            "identity": {
                "says": "at risk + ending = both + either, and the rows add up to all",
                "holds": adds_up and totals == whole,
            },
        }

    head = {
        "figure": AT_RISK.path,
        "as_of": stamp(excerpt.as_of),
        "currency": excerpt.currency,
        "group_by": list(question.by),
        "definitions": AT_RISK.definitions(),
    }
    return Answer(head=head, columns=("currency", *by, *AT_RISK.columns), rows=rows(), tail=tail)


def _risk_cells(kinds: Kinds, all_mrr: int) -> Row:
    risk = minor(kinds, "at_risk")
    return {
        "n_at_risk": count(kinds, "at_risk"),
        "at_risk_minor": risk,
        "at_risk_share": share(risk, all_mrr) if all_mrr > 0 else None,
        "owed_minor": minor(kinds, "owed"),
        "n_ending": count(kinds, "ending"),
        "ending_minor": minor(kinds, "ending"),
        "n_both": count(kinds, "both"),
        "both_minor": minor(kinds, "both"),
    }


async def mrr_now(excerpt: Excerpt, figures: Figures) -> dict[str, int]:
    """MRR by currency, by all that is known at the cut-off."""
    found = by_currency(await figures.balance("mrr", excerpt, LATEST, ()))
    return {currency: minor(kinds, *KINDS) for currency, kinds in found.items()}


def incremental(question: Question, *, days: int, figures: Figures) -> Answer:
    """The answer about what came back only because of the treatment, a row per currency. Only
    failures count whose W days are over."""
    within = timedelta(days=days)
    mature = midnight(day_of(question.excerpt.as_of - within, question.zone), question.zone)
    ends_at = max(min(question.ends_at, mature), question.starts_at)
    holds = [True]

    async def rows() -> AsyncIterator[Row]:
        found = await figures.arms(question.excerpt, question.starts_at, ends_at, within)
        for currency in sorted(found):
            treated = found[currency].get("treated", Arm())
            holdout = found[currency].get("holdout", Arm())
            holds.append(all(0 <= arm.c <= arm.f for arm in (treated, holdout)))
            yield {"currency": currency} | _arm_cells(treated, holdout, effect(treated, holdout))

    async def tail() -> Mapping[str, Any]:
        says = "in each arm, what was recovered within W is no more than what had failed"
        return {"identity": {"says": says, "holds": all(holds)}}

    head = {
        "figure": INCREMENTAL.path,
        **question.echo(),
        "w": days,
        "definitions": INCREMENTAL.definitions(),
    }
    return Answer(head=head, columns=("currency", *INCREMENTAL.columns), rows=rows(), tail=tail)


def _arm_cells(treated: Arm, holdout: Arm, found: Effect) -> Row:
    return {
        "n_treated": treated.invoices,
        "n_holdout": holdout.invoices,
        "failed_treated_minor": treated.f,
        "rate_treated": share(treated.c, treated.f),
        "rate_holdout": share(holdout.c, holdout.f),
        "incremental_minor": found.minor,
        "low_minor": found.low_minor,
        "high_minor": found.high_minor,
        "more_invoices": found.more_invoices,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """What a projection is made of: for how many months, churn reduced by which share, and a
    start and a churn where they were given."""

    months: int
    reduction: Fraction
    start_minor: int | None = None
    churn: Fraction | None = None


class ChurnFrom(StrEnum):
    """Where a projection has its churn from: it was asked with it, or it was measured in the last
    whole months; `unknown` where none of them began with MRR. Then nothing is projected."""

    GIVEN = "given"
    MEASURED = "measured"
    UNKNOWN = "unknown"


def projection(question: Question, assumed: Assumption, *, figures: Figures) -> Answer:
    """The answer about what becomes of MRR, a row per currency and month."""
    excerpt = question.excerpt
    holds = [True]

    async def rows() -> AsyncIterator[Row]:
        starts = await mrr_now(excerpt, figures)
        if assumed.start_minor is not None and excerpt.currency is not None:
            starts = {excerpt.currency: assumed.start_minor}
        measured = await recent_churn(question, figures) if assumed.churn is None else {}
        for currency, start in sorted(starts.items()):
            churn, source = _churn_of(currency, assumed, measured)
            told = None if churn is None else share(churn.numerator, churn.denominator)
            for row in _months(start, churn, assumed):
                if churn is not None:
                    holds.append(row["usual_minor"] <= row["reduced_minor"] <= max(start, 0))
                yield {"currency": currency, "churn": told, "churn_from": source.value, **row}

    async def tail() -> Mapping[str, Any]:
        says = "usual is never more than reduced, and reduced never more than the start"
        return {"identity": {"says": says, "holds": all(holds)}}

    reduction = assumed.reduction
    head = {
        "figure": PROJECTION.path,
        "as_of": stamp(excerpt.as_of),
        "currency": excerpt.currency,
        "months": assumed.months,
        "reduction": share(reduction.numerator, reduction.denominator),
        "definitions": PROJECTION.definitions(),
    }
    columns = ("currency", "churn", "churn_from", *PROJECTION.columns)
    return Answer(head=head, columns=columns, rows=rows(), tail=tail)


def _churn_of(
    currency: str, assumed: Assumption, measured: Mapping[str, Fraction]
) -> tuple[Fraction | None, ChurnFrom]:
    if assumed.churn is not None:
        return assumed.churn, ChurnFrom.GIVEN
    found = measured.get(currency)
    return found, ChurnFrom.UNKNOWN if found is None else ChurnFrom.MEASURED


def _months(start: int, churn: Fraction | None, assumed: Assumption) -> Iterator[Row]:
    if churn is None:
        empty = dict.fromkeys(("usual_minor", "reduced_minor", "gain_minor"))
        yield from ({"month": month, **empty} for month in range(1, assumed.months + 1))
        return
    usual = compounding(start, churn, assumed.months)
    better = compounding(start, reduced(churn, assumed.reduction), assumed.months)
    for month, (a, b) in enumerate(zip(usual, better, strict=True), 1):
        yield {"month": month, "usual_minor": a, "reduced_minor": b, "gain_minor": b - a}


async def recent_churn(question: Question, figures: Figures) -> dict[str, Fraction]:
    """Gross MRR churn a month by currency: of the last whole months before the cut-off, what was
    lost and contracted divided by what they began with, no less than 0 and no more than 1. A
    currency in which none of them began with MRR is not there."""
    excerpt, months = question.excerpt, _last_months(question)
    moved = await figures.flows("mrr", excerpt, months, ())
    left = await figures.flows("churn", excerpt, months, ())
    began: dict[str, int] = {}
    gone: dict[str, int] = {}
    states = by_currency(await figures.balance("mrr", excerpt, months[0].starts_at, ()))
    for month in months:
        moves = by_currency([sums for sums in moved if sums.period == month.day])
        ends = by_currency([sums for sums in left if sums.period == month.day])
        for currency in {*states, *moves, *ends}:
            kinds = states.get(currency, {})
            state = (minor(kinds, *KINDS), count(kinds, *KINDS))
            _, money = tallies(state, moves.get(currency, {}), ends.get(currency, {}))
            began[currency] = began.get(currency, 0) + money.start
            gone[currency] = gone.get(currency, 0) + gross_loss(money, PRESETS[Preset.HOLDFAST])
        for currency, kinds in moves.items():
            added(states.setdefault(currency, {}), kinds)
    return {
        currency: min(max(Fraction(gone[currency], whole), Fraction(0)), Fraction(1))
        for currency, whole in began.items()
        if whole > 0
    }


def _last_months(question: Question) -> list[Period]:
    zone = question.zone
    this = first_day(day_of(question.excerpt.as_of, zone), Step.MONTH)
    firsts = [months_later(this, back) for back in range(-LOOKED_BACK, 1)]
    edges = [midnight(first, zone) for first in firsts]
    return [
        Period(day=first, starts_at=start, ends_at=end)
        for first, start, end in zip(firsts, edges, edges[1:], strict=False)
    ]
