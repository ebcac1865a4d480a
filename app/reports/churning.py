"""Churn by preset, and why and where subscriptions end."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from fractions import Fraction
from typing import Any

from app.domain.churn_rates import (
    PRESETS,
    Definition,
    Preset,
    Recognition,
    Tally,
    base,
    counted,
    counted_after_returns,
    customer_value,
    gross_loss,
    lost,
    net_loss,
)
from app.ports.figures import Figures
from app.reports.answers import Answer, Row, head_of, share
from app.reports.asking import Question
from app.reports.defined.churn import CHURN, REASONS, SEGMENTS
from app.reports.mrr import KINDS, balances, group_order
from app.reports.periods import cut, months_in
from app.reports.tables import (
    Kinds,
    Plan,
    by_currency,
    count,
    gathered,
    minor,
    place_cells,
    table,
)

OF_CHURN = (
    *("ended", "asked", "returned", "asked_returned", "overdue", "ended_overdue"),
    *("asked_overdue", "overdue_asked", "new_ended", "new_asked"),
)


def definition_of(preset: Preset, recognition: Recognition | None) -> Definition:
    """A preset's definition, recognised at another moment where that is asked for."""
    rule = PRESETS[preset]
    return rule if recognition is None else replace(rule, recognition=recognition)


def churn(
    question: Question, *, preset: Preset, rule: Definition, margin_percent: int, figures: Figures
) -> Answer:
    """The answer about churn. Periods in which nobody was there and nobody came have no row.

    `identity` compares MRR at the end of the span, which the rows' movements lead to, with all
    movements before it, asked once more.
    """
    by = tuple(name for name in question.by if name != "currency")
    ends: dict[str, int] = {}

    async def rows() -> AsyncIterator[Row]:
        states = await balances(question, figures)
        moves = await gathered(question, "mrr", figures)
        left = await gathered(question, "churn", figures, whole=True)
        places = [(c, named) for _, c, named in (*moves, *left)]
        groups = sorted({*states, *places}, key=group_order)
        for day, months in lengths_of(question).items():
            for group in groups:
                start = states.get(group, (0, 0))
                moved, gone = moves.get((day, *group), {}), left.get((day, *group), {})
                states[group] = (
                    start[0] + minor(moved, *KINDS),
                    start[1] + count(moved, *KINDS),
                )
                if start != (0, 0) or moved or gone:
                    people, money = tallies(start, moved, gone)
                    cells = figures_of(people, money, rule, margin_percent, months)
                    yield place_cells((day, *group), by) | cells
        for (currency, _), (at_end, _) in states.items():
            ends[currency] = ends.get(currency, 0) + at_end

    async def tail() -> Mapping[str, Any]:
        found = await figures.balance("mrr", question.excerpt, question.ends_at, ())
        wanted = {c: minor(kinds, *KINDS) for c, kinds in by_currency(found).items()}
        holds = {c: n for c, n in ends.items() if n} == {c: n for c, n in wanted.items() if n}
        says = "MRR at the start, moved by the rows' movements, is MRR at the end"
        return {"identity": {"says": says, "holds": holds}}

    more = {"preset": preset.value, "rule": asdict(rule), "margin_percent": margin_percent}
    columns = ("period", "currency", *by, *CHURN.columns)
    return Answer(head=head_of(question, CHURN, **more), columns=columns, rows=rows(), tail=tail)


def lengths_of(question: Question) -> dict[date, Fraction]:
    """The first day of each period, and how many months of it are over at the cut-off."""
    as_of, zone = question.excerpt.as_of, question.zone
    periods = cut(question.starts_at, question.ends_at, question.step, zone)
    return {p.day: months_in(p.starts_at, min(p.ends_at, as_of), zone) for p in periods}


def tallies(start: tuple[int, int], moved: Kinds, gone: Kinds) -> tuple[Tally, Tally]:
    """What happened in a period, as counts and as MRR. `start` is MRR and subscriptions.

    Who was found in the period, when an account was connected, was there before: whoever of them
    leaves in it would otherwise be a share of nothing.
    """
    people = Tally(
        start=start[1] + count(moved, "opening"),
        new=count(moved, "new"),
        reactivation=count(moved, "reactivation"),
        **{name: count(gone, name) for name in OF_CHURN},
    )
    money = Tally(
        start=start[0] + minor(moved, "opening"),
        new=minor(moved, "new"),
        expansion=minor(moved, "expansion"),
        contraction=-minor(moved, "contraction"),
        reactivation=minor(moved, "reactivation"),
        **{name: minor(gone, name) for name in OF_CHURN},
    )
    return people, money


def figures_of(
    people: Tally, money: Tally, rule: Definition, margin_percent: int, months: Fraction
) -> Row:
    """The figures of one row; `months` is how much of its period is over."""
    whole, gone = base(people, rule), counted(people, rule)
    gross, net = gross_loss(money, rule), net_loss(money, rule)
    came = money.new + money.expansion
    return {
        "n_start": people.start,
        "n_new": people.new,
        "n_lost": gone,
        "n_returned": people.returned,
        "logo_churn": share(gone, whole),
        "logo_churn_after_returns": share(counted_after_returns(people, rule), whole),
        "start_minor": money.start,
        "lost_minor": lost(money, rule),
        "gross_mrr_churn": _of(gross, money.start),
        "net_mrr_churn": _of(net, money.start),
        "grr": _of(money.start - gross, money.start),
        "nrr": _of(money.start - net, money.start),
        "quick_ratio": _of(came, gross),
        "quick_ratio_with_reactivation": _of(came + money.reactivation, gross),
        "clv_minor": customer_value(
            people, money, rule, margin_percent=margin_percent, months=months
        ),
    }


def _of(part: int, whole: int) -> str | None:
    return share(part, whole) if whole > 0 else None


def churn_reasons(question: Question, *, figures: Figures) -> Answer:
    """The answer about why subscriptions ended; by reason unless asked otherwise."""
    asked = replace(question, by=question.by or ("reason",))
    apart = REASONS.keys.union(asked.by)
    plan = Plan(endpoint=REASONS, ledger="ends", measure=_reason, apart=apart)
    return table(asked, plan, figures=figures)


def _reason(kinds: Kinds, whole: Kinds) -> Row:
    ended, money = count(kinds, "ended"), minor(kinds, "ended")
    return {
        "n_ended": ended,
        "ended_minor": money,
        "share": _of(ended, count(whole, "ended")),
        "mrr_share": _of(money, minor(whole, "ended")),
    }


def segments(question: Question, *, figures: Figures) -> Answer:
    """The answer about where subscriptions end; by plan unless asked otherwise."""
    asked = replace(question, by=question.by or ("plan",))
    apart = SEGMENTS.keys.union(asked.by)
    plan = Plan(endpoint=SEGMENTS, ledger="ends", measure=_segment, apart=apart)
    return table(asked, plan, figures=figures)


def _segment(kinds: Kinds, whole: Kinds) -> Row:
    ended, money = count(kinds, "ended"), minor(kinds, "ended")
    return {
        "n_ended": ended,
        "n_returned": count(kinds, "returned"),
        "ended_minor": money,
        "share": _of(ended, count(whole, "ended")),
        "mean_minor": money // ended if ended > 0 else None,
    }
