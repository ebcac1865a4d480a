"""MRR and each way to be lost, once more: subscription by subscription."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.churn import ChurnEntry, ChurnKind, ChurnOrigin, ChurnRecord
from app.domain.dunning import Case
from app.domain.mirror import Subscription
from app.domain.mrr import MovementKind, MrrMovement
from tests.reports.second.facts import Asked, Cell, Facts, Row, Span
from tests.reports.second.recovery import case_state, is_open

E = ChurnEntry
PAST_DUE = timedelta(hours=30 * 24)


def cell_of(asked: Asked, row: Any) -> Cell:
    return (row.currency, *asked.keys(row))


def who_of(row: Any) -> Cell:
    return row.account_id, row.subscription_id, row.currency


def place_of(line: MrrMovement) -> Cell:
    """Where a line moves MRR."""
    return line.plan, line.interval, line.country, line.attributes


@dataclass
class State:
    """MRR, and how many subscriptions bring it."""

    minor: int = 0
    n: int = 0


def states(
    facts: Facts, asked: Asked, at: datetime | None, *, by: tuple[str, ...] | None = None
) -> dict[Cell, State]:
    """MRR right before an instant, by all movements known; with None by all that are known."""
    asked = asked if by is None else replace(asked, by=by)
    each: dict[Cell, int] = defaultdict(int)
    for line in facts.known(MrrMovement, asked.as_of):
        if asked.wants(line.currency) and (at is None or line.effective_at < at):
            place = (line.account_id, line.subscription_id, place_of(line))
            each[place, cell_of(asked, line)] += line.delta_minor
    found: dict[Cell, State] = defaultdict(State)
    for (_, cell), minor in each.items():
        state = found[cell]
        state.minor += minor
        state.n += int(minor > 0)
    return found


def moved(facts: Facts, asked: Asked, span: Span) -> dict[Cell, dict[MovementKind, list[int]]]:
    """What MRR moved by in a period, line by line."""
    found: dict[Cell, dict[MovementKind, list[int]]] = defaultdict(lambda: defaultdict(list))
    for line in facts.known(MrrMovement, asked.as_of):
        if asked.wants(line.currency) and span.has(line.effective_at):
            found[cell_of(asked, line)][line.kind].append(line.delta_minor)
    return found


def mrr(facts: Facts, asked: Asked) -> Iterator[Row]:
    for span in asked.periods():
        before, after = states(facts, asked, span.begins), states(facts, asked, span.ends)
        moves = moved(facts, asked, span)
        for cell in {*before, *after, *moves}:
            end = after.get(cell, State())
            yield {
                "period": span.name,
                **dict(zip(("currency", *asked.by), cell, strict=True)),
                "start_minor": before.get(cell, State()).minor,
                **{f"{kind}_minor": sum(moves[cell][kind]) for kind in MovementKind},
                "end_minor": end.minor,
                "n_end": end.n,
                "arpa_minor": end.minor // end.n if end.n else None,
            }


@dataclass(frozen=True)
class Loss:
    """One way to be lost, at an instant, and `who`: account, subscription and currency; `since`
    when the subscription began to pay."""

    who: Cell
    cell: Cell
    at: datetime
    since: datetime | None
    minor: int
    back: datetime | None = None

    def joined_in(self, span: Span) -> bool:
        return self.since is not None and self.since >= span.begins


@dataclass
class Losses:
    """`ended` and `asked` by the rule; `overdue` for 30 days. Of the ended and the asked, those who
    had been overdue before stand apart as well."""

    ended: list[Loss]
    asked: list[Loss]
    overdue: list[Loss]
    overdue_unasked: list[Loss]
    ended_not_overdue: list[Loss]
    asked_not_overdue: list[Loss]


def counts(record: ChurnRecord) -> bool:
    """Trials, migrations and what was before us never count."""
    if record.trial or record.kind is ChurnKind.MIGRATION:
        return False
    return record.origin is ChurnOrigin.SEEN


def _paid(record: ChurnRecord) -> bool:
    """Who brought nothing is lost by no rate."""
    return counts(record) and record.mrr_minor != 0


def losses(facts: Facts, asked: Asked) -> Losses:
    known = facts.known(ChurnRecord, asked.as_of)
    plans = {r.record_id: r for r in known if r.entry is E.PENDING and _paid(r)}
    wrong = {r.about for r in known if r.entry in {E.RESTATED, E.WITHDRAWN}}
    back = {r.about: r.occurred_at for r in known if r.entry is E.REVERSED}
    ends = [r for r in known if r.entry is E.CHURNED and r.record_id not in wrong]
    carried_out = {r.about: r for r in ends}
    told = Losses([], [], [], [], [], [])
    for end in ends:
        if _paid(end) and asked.wants(end.currency):
            loss = _loss(facts, asked, end, back.get(end.record_id))
            told.ended.append(loss)
            late = _was_overdue(facts, end)
            told.ended_not_overdue += [] if late else [loss]
            if end.about not in plans:
                told.asked.append(loss)
                told.asked_not_overdue += [] if late else [loss]
    for plan in plans.values():
        found = carried_out.get(plan.record_id)
        changed = found is not None and found.kind is ChurnKind.MIGRATION
        if plan.record_id not in wrong and not changed and asked.wants(plan.currency):
            loss = _loss(facts, asked, plan, back.get(found.record_id) if found else None)
            told.asked.append(loss)
            told.asked_not_overdue += [] if _was_overdue(facts, plan) else [loss]
    for loss, had_asked in _overdue(facts, asked):
        told.overdue.append(loss)
        told.overdue_unasked += [] if had_asked else [loss]
    return told


def _loss(facts: Facts, asked: Asked, record: ChurnRecord, back: datetime | None) -> Loss:
    since = _joined(facts, record, record.recorded_at) or record.started_at
    cell, who = cell_of(asked, record), who_of(record)
    return Loss(who, cell, record.occurred_at, since, record.mrr_minor, back)


def _joined(facts: Facts, row: Any, known: datetime) -> datetime | None:
    """When it began to pay, if it did before our eyes."""
    return min(
        (
            line.effective_at
            for line in facts.known(MrrMovement, known)
            if (line.account_id, line.subscription_id) == (row.account_id, row.subscription_id)
            and line.kind is MovementKind.NEW
        ),
        default=None,
    )


def _cases_of(facts: Facts, row: Any) -> list[Case]:
    return [
        case
        for case in facts.all(Case)
        if (case.account_id, case.subscription_id) == (row.account_id, row.subscription_id)
        and case.kind == "payment"
    ]


def _was_overdue(facts: Facts, record: ChurnRecord) -> bool:
    """Whether it was past due for 30 days before, and what was owed has not been recovered."""
    at = record.occurred_at
    return any(
        case.opened_at + PAST_DUE <= at
        and is_open(facts, case.case_id, case.opened_at + PAST_DUE)
        and _paying(facts, case) is not None
        and case_state(facts, case.case_id, at) != "recovered"
        for case in _cases_of(facts, record)
    )


def _paying(facts: Facts, case: Case) -> tuple[MrrMovement, int] | None:
    """A line of where a case's subscription has MRR when it is 30 days old, by what was known
    then, and how much."""
    at = case.opened_at + PAST_DUE
    each: dict[Cell, int] = defaultdict(int)
    lines: dict[Cell, MrrMovement] = {}
    for line in facts.known(MrrMovement, at):
        same = (line.account_id, line.subscription_id) == (case.account_id, case.subscription_id)
        if same and line.currency == case.currency and line.effective_at <= at:
            each[place_of(line)] += line.delta_minor
            lines[place_of(line)] = line
    paying = [(lines[place], minor) for place, minor in each.items() if minor > 0]
    return paying[0] if paying else None


def _overdue(facts: Facts, asked: Asked) -> Iterator[tuple[Loss, bool]]:
    """Each subscription once, by the oldest case that is open when that is 30 days old; and
    whether it had asked to leave by then."""
    for case in facts.all(Case):
        at, found = case.opened_at + PAST_DUE, _paying(facts, case)
        if at > asked.as_of or case.kind != "payment" or found is None:
            continue
        if not asked.wants(case.currency) or not is_open(facts, case.case_id, at):
            continue
        older = [
            other
            for other in _cases_of(facts, case)
            if (other.opened_at, other.case_id) < (case.opened_at, case.case_id)
            and is_open(facts, other.case_id, at)
        ]
        if older:
            continue
        line, minor = found
        since = _joined(facts, case, at) or began(facts, *who_of(case)[:2])
        yield (
            Loss(who_of(case), cell_of(asked, line), at, since, minor),
            _had_asked(facts, case, at),
        )


def _had_asked(facts: Facts, case: Case, at: datetime) -> bool:
    known = [
        record
        for record in facts.known(ChurnRecord, at)
        if (record.account_id, record.subscription_id) == (case.account_id, case.subscription_id)
    ]
    over = {record.about for record in known}
    return any(r.entry is E.PENDING and r.record_id not in over and _paid(r) for r in known)


def began(facts: Facts, account: str, name: str) -> datetime | None:
    """When a subscription began, by the mirror."""
    for one in facts.all(Subscription):
        if (one.account_id, one.subscription_id) == (account, name):
            return one.started_at
    return None
