"""The figures once more, from raw rows in plain Python, slowly and without any of our SQL."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from app.domain.dunning import CaseEvent
from app.domain.recovery import EntryKind, Failure, RecoveryEntry

Cell = tuple[str | bool | None, ...]
# A refund that failed was none, nor a credit note that was voided.
COUNTED_AS = {
    EntryKind.REFUND_FAILED: EntryKind.REFUNDED,
    EntryKind.CREDIT_VOIDED: EntryKind.CREDITED,
}
SETTLES = {
    EntryKind.RECOVERED,
    EntryKind.SETTLED_OTHER,
    EntryKind.CREDITED,
    EntryKind.CREDIT_VOIDED,
}
CREDITS = {EntryKind.CREDITED, EntryKind.CREDIT_VOIDED}
KINDS = tuple(kind for kind in EntryKind if kind not in COUNTED_AS)
CLOSING = {"recovered", "exhausted", "stopped"}


@dataclass(frozen=True)
class Rows:
    """Everything a ledger holds."""

    entries: list[RecoveryEntry]
    failures: list[Failure]
    moves: list[CaseEvent]


def month(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return date(local.year, local.month, 1).isoformat()


def sums_by_kind(
    rows: Rows, *, as_of: datetime, first: date, last: date, zone: ZoneInfo, by: Sequence[str]
) -> dict[Cell, dict[EntryKind, int]]:
    """Signed sums per kind, by month, currency and `by`."""
    found: dict[Cell, dict[EntryKind, int]] = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    for line in rows.entries:
        if (
            line.recorded_at > as_of
            or not first <= line.occurred_at.astimezone(zone).date() <= last
        ):
            continue
        key = (month(line.occurred_at, zone), line.currency, *(getattr(line, k) for k in by))
        found[key][COUNTED_AS.get(line.kind, line.kind)] += line.amount_minor
    return found


@dataclass
class Cohort:
    """A cohort while it is being counted."""

    n: int = 0
    n_open: int = 0
    failed: int = 0
    recovered: int = 0
    other: int = 0
    credited: int = 0
    open_minor: int = 0

    @property
    def rate(self) -> Fraction | None:
        return Fraction(self.recovered, self.failed) if self.failed else None


def cohorts(
    rows: Rows,
    *,
    as_of: datetime,
    first: date,
    last: date,
    zone: ZoneInfo,
    days: int,
    view: str,
    by: Sequence[str],
) -> dict[Cell, Cohort]:
    """Cohorts by month, currency, `by` and trial conversion."""
    found: dict[Cell, Cohort] = defaultdict(Cohort)
    for fact in _counting(rows, as_of):
        failed_on = fact.failed_at.astimezone(zone).date()
        paid = [
            line
            for line in rows.entries
            if line.invoice_id == fact.invoice_id
            and line.currency == fact.currency
            and line.recorded_at <= as_of
            and line.kind in SETTLES
        ]
        owed = max(fact.amount_minor - sum(line.amount_minor for line in paid), 0)
        is_open = owed > 0 and fact.case_id is not None and _was_open(rows, fact.case_id, as_of)
        day_ends = failed_on + timedelta(days=1)
        midnight = datetime(day_ends.year, day_ends.month, day_ends.day, tzinfo=zone)
        mature = midnight.timestamp() + days * 86_400 <= as_of.timestamp()
        if not first <= failed_on <= last:
            continue
        if (view == "mature" and not mature) or (view == "closed" and is_open):
            continue
        keys = tuple(getattr(fact, k) for k in by)
        cohort = found[month(fact.failed_at, zone), fact.currency, *keys, fact.trial_conversion]
        in_time = [p for p in paid if p.occurred_at - fact.failed_at <= timedelta(days=days)]
        cash = sum(p.amount_minor for p in in_time if p.kind is EntryKind.RECOVERED)
        other = sum(p.amount_minor for p in in_time if p.kind is EntryKind.SETTLED_OTHER)
        cash = min(cash, fact.amount_minor)
        cohort.n += 1
        cohort.n_open += is_open
        cohort.failed += fact.amount_minor
        cohort.recovered += cash
        other = min(other, fact.amount_minor - cash)
        noted = sum(p.amount_minor for p in in_time if p.kind in CREDITS)
        cohort.other += other
        cohort.credited += min(max(noted, 0), fact.amount_minor - cash - other)
        cohort.open_minor += owed if is_open else 0
    return found


def _counting(rows: Rows, as_of: datetime) -> list[Failure]:
    newest: dict[str, Failure] = {}
    for fact in sorted(rows.failures, key=lambda fact: fact.version):
        if fact.recorded_at <= as_of:
            newest[fact.invoice_id] = fact
    return list(newest.values())


def _was_open(rows: Rows, case_id: str, as_of: datetime) -> bool:
    moves = [move for move in rows.moves if move.case_id == case_id and move.at <= as_of]
    return not moves or max(moves, key=lambda move: move.at).type not in CLOSING
