"""Who left, once more: loss by loss, by whoever's definition."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from app.domain.mrr import MovementKind, MrrMovement
from tests.reports.second.facts import DAY, Asked, Cell, Facts, Row, Span, share
from tests.reports.second.leaving import (
    Loss,
    Losses,
    State,
    began,
    cell_of,
    losses,
    place_of,
    who_of,
)

STANDING = {"tenure", "mrr_band"}
# From how many days and minor units on a band goes.
TENURES, BANDS = (0, 31, 91, 181, 366), (0, 1_000, 5_000, 20_000)
# By whose definition: lost when, of whom, joiners counted, 30 days past due, a return undoes it.
PRESETS: dict[str, tuple[str, bool, bool, bool, bool]] = {
    "seed": ("request", False, False, False, False),
    "chartmogul": ("end", False, False, False, True),
    "stripe": ("end", True, True, False, False),
    "baremetrics": ("end", False, False, True, False),
    "profitwell": ("end", False, False, False, False),
    "holdfast": ("end", False, False, False, False),
}


def churn(facts: Facts, asked: Asked) -> Iterator[Row]:
    preset = asked.more.get("preset", "holdfast")
    margin = int(asked.more.get("margin", "100"))
    standing = STANDING.intersection(asked.by)
    told = losses(facts, replace(asked, by=()) if standing else asked)
    for span in asked.periods():
        if standing and not asked.has_whole(span):
            continue
        stood = standing_at(facts, asked, span) if standing else None
        tallies = _tallies(facts, asked, span, stood)
        for loss in lost_in(told, span, preset, asked.more.get("recognition")):
            tallies[_of_loss(asked, loss, stood)].gone.append(loss)
        for loss in _back_in(told.ended, span):
            tallies[_of_loss(asked, loss, stood)].n_back += 1
        at_request = (asked.more.get("recognition") or PRESETS[preset][0]) == "request"
        for loss in _back_in(told.asked if at_request else told.ended, span):
            tallies[_of_loss(asked, loss, stood)].n_undone += 1
        for cell, tally in tallies.items():
            yield {
                "period": span.name,
                **dict(zip(("currency", *asked.by), cell, strict=True)),
                **_figures(tally, Rule(preset, span, margin, asked.months(span))),
            }


def _back_in(losses: list[Loss], span: Span) -> list[Loss]:
    """Losses of a period, of those there at its start, who came back in it."""
    return [x for x in losses if span.has(x.at) and span.has(x.back) and not x.joined_in(span)]


# Where each subscription stood when a period began.
Stood = dict[Cell, Cell]


@dataclass
class Tally:
    """What happened in a period to those of one row."""

    start: State = field(default_factory=State)
    moves: dict[MovementKind, list[int]] = field(default_factory=lambda: defaultdict(list))
    gone: list[Loss] = field(default_factory=list)
    n_back: int = 0
    n_undone: int = 0  # of the lost


def _tallies(facts: Facts, asked: Asked, span: Span, stood: Stood | None) -> dict[Cell, Tally]:
    """Who was there or was found there, and how MRR moved."""
    tallies: dict[Cell, Tally] = defaultdict(Tally)
    each: dict[Cell, int] = defaultdict(int)
    for line in facts.known(MrrMovement, asked.as_of):
        if not asked.wants(line.currency):
            continue
        cell = cell_of(asked, line) if stood is None else _stood(asked, stood, who_of(line))
        if _was_there(line, span):
            each[who_of(line), place_of(line), cell] += line.delta_minor
        if span.has(line.effective_at):
            tallies[cell].moves[line.kind].append(line.delta_minor)
    for (_, _, cell), minor in each.items():
        tallies[cell].start.minor += minor
        tallies[cell].start.n += int(minor > 0)
    return tallies


def _was_there(line: MrrMovement, span: Span) -> bool:
    """Who is found in a period was there when it began."""
    found = line.kind is MovementKind.OPENING and span.has(line.effective_at)
    return found or line.effective_at < span.begins


def standing_at(facts: Facts, asked: Asked, span: Span) -> Stood:
    """The buckets of all with MRR when a period begins."""
    each: dict[Cell, int] = defaultdict(int)
    for line in facts.known(MrrMovement, asked.as_of):
        if _was_there(line, span):
            each[who_of(line)] += line.delta_minor
    stood = {}
    for (account, name, currency), minor in each.items():
        if minor > 0:
            since = began(facts, account, name)
            named = {
                "tenure": None if since is None else tenure_of((span.begins - since) / DAY),
                "mrr_band": band_of(minor),
            }
            stood[account, name, currency] = (currency, *(named[key] for key in asked.by))
    return stood


def _stood(asked: Asked, stood: Stood, who: Cell) -> Cell:
    return stood.get(who, (who[2], *("came" for _ in asked.by)))


def _of_loss(asked: Asked, loss: Loss, stood: Stood | None) -> Cell:
    return loss.cell if stood is None else _stood(asked, stood, loss.who)


def tenure_of(days: float) -> str:
    return f"days_{max((t for t in TENURES if t <= days), default=0)}"


def band_of(minor: int) -> str:
    return f"minor_{max(b for b in BANDS if b <= minor)}"


def lost_in(told: Losses, span: Span, preset: str, recognition: str | None) -> list[Loss]:
    """Who is lost in a period, whether or not a return undoes that."""
    when, _, joiners, past_due, _ = PRESETS[preset]
    at_request = (recognition or when) == "request"
    if past_due and at_request:
        found = [*told.asked_not_overdue, *told.overdue_unasked]
    elif past_due:
        found = [*told.ended_not_overdue, *told.overdue]
    else:
        found = told.asked if at_request else told.ended
    return [loss for loss in found if span.has(loss.at) and (joiners or not loss.joined_in(span))]


@dataclass(frozen=True)
class Rule:
    preset: str
    span: Span
    margin: int
    months: Fraction


def _figures(tally: Tally, rule: Rule) -> Row:
    start, moves, n_back = tally.start, tally.moves, tally.n_back
    _, with_joiners, _, _, undone = PRESETS[rule.preset]
    joined = moves[MovementKind.NEW]
    n_new = sum((delta > 0) - (delta < 0) for delta in joined)
    whole = start.n + (n_new if with_joiners else 0)
    kept = [loss for loss in tally.gone if not (undone and rule.span.has(loss.back))]
    n_lost, lost = len(kept), sum(loss.minor for loss in tally.gone)
    expansion, back = sum(moves[MovementKind.EXPANSION]), sum(moves[MovementKind.REACTIVATION])
    gross = lost - sum(moves[MovementKind.CONTRACTION])
    net, came = gross - expansion - back, sum(joined) + expansion
    clv = None
    if n_lost and start.n and rule.months:
        arpa, rate = Fraction(start.minor, start.n), Fraction(n_lost, whole) / rule.months
        clv = int(arpa * rule.margin / 100 / rate)
    return {
        "n_start": start.n,
        "n_new": n_new,
        "n_lost": n_lost,
        "n_returned": n_back,
        "logo_churn": share(n_lost, whole),
        "logo_churn_after_returns": share(n_lost - (0 if undone else tally.n_undone), whole),
        "start_minor": start.minor,
        "lost_minor": lost,
        "gross_mrr_churn": share(gross, start.minor),
        "net_mrr_churn": share(net, start.minor),
        "grr": share(start.minor - gross, start.minor),
        "nrr": share(start.minor - net, start.minor),
        "quick_ratio": share(came, gross),
        "quick_ratio_with_reactivation": share(came + back, gross),
        "clv_minor": clv,
    }
