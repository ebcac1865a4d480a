"""The ledger beside the provider's own lists, line by line.

A line is about one thing that the provider names: a charge, what was given back of it, a dispute,
an invoice that a case is open for. It says what we have and what the provider has, in minor
units. Nothing is averaged and nothing is netted across lines.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from app.domain.calendar import at_hour
from app.domain.dunning import Case, CaseState
from app.domain.recovery import EntryKind, Failure, RecoveryEntry

NIGHT = "night"  # who asks for a comparison that nobody asked for
HOUR_OF_NIGHT = 3  # the merchant's time: renewals are over by then, people not yet there
UNDER_WAY = timedelta(hours=1)  # what is this young may still be on its way to us
OVERLAP = timedelta(days=1)  # each night looks once more at what the night before ended with
FIRST_LOOK = timedelta(days=35)  # the first night, and the most after nights that were missed
# Money goes back long after it came: refunds fail within a month, disputes take up to four.
REFUNDS_BACK = timedelta(days=35)
DISPUTES_BACK = timedelta(days=120)


class LineKind(StrEnum):
    """What a line is about; `ref` names it at the provider."""

    PAID = "paid"  # a charge: what it took on an invoice after its first failure
    GIVEN_BACK = "given_back"  # a charge: refunds of it, less those that failed
    LOST = "lost"  # a dispute: what it took back for good
    OWED = "owed"  # an invoice with an active case: what is still to be paid


class LineState(StrEnum):
    """How the two sides stand. `UNMET`: ours, not met in the provider's lists yet. `MENDED`:
    differed until the provider was read once more and the report taken in."""

    UNMET = "unmet"
    AGREES = "agrees"
    MENDED = "mended"
    DIFFERS = "differs"


OF_ENTRY = {
    EntryKind.RECOVERED: LineKind.PAID,
    EntryKind.REFUNDED: LineKind.GIVEN_BACK,
    EntryKind.REFUND_FAILED: LineKind.GIVEN_BACK,
    EntryKind.DISPUTE_LOST: LineKind.LOST,
    EntryKind.DISPUTE_WON: LineKind.LOST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What the provider says now of one thing, in minor units of `currency`.

    `at` is when the charge was made, also for what was given back or lost of it. `invoice_id` is
    None where the provider does not tell; the payment leads to it.
    """

    kind: LineKind
    ref: str
    currency: str
    minor: int
    at: datetime | None
    payment_id: str | None = None
    customer_id: str | None = None
    invoice_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedLine:
    """One line of one comparison. `theirs_minor` is None where the provider knows no such thing,
    or was not asked yet; `ours_minor` counts like the provider: what is gone is positive."""

    KEY: ClassVar = ("comparison_id", "kind", "ref")
    UNIQUE: ClassVar = ()
    comparison_id: str
    kind: LineKind
    ref: str
    merchant_id: str
    account_id: str
    invoice_id: str
    payment_id: str | None
    currency: str
    ours_minor: int
    theirs_minor: int | None
    state: LineState
    looked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison of an account. Charges made from `since` (included) to `until` are listed,
    `part` and `after` say how far it has come. `totals` are, by currency and kind of line, how
    many there are, ours and theirs; empty until `ended_at`."""

    KEY: ClassVar = ("comparison_id",)
    UNIQUE: ClassVar = ()
    comparison_id: str
    merchant_id: str
    account_id: str
    asked_by: str
    since: datetime
    until: datetime
    began_at: datetime
    ended_at: datetime | None = None
    part: str = ""
    after: str | None = None
    asked: int = 0
    lines: int = 0
    mended: int = 0
    differing: int = 0
    totals: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What we have about the invoices at hand: the newest version of each failure, the ledger's
    lines, the cases."""

    failures: Mapping[str, Failure]
    entries: Mapping[str, list[RecoveryEntry]]
    cases: Mapping[str, Case]

    @classmethod
    def of(
        cls,
        failures: Iterable[Failure],
        entries: Iterable[RecoveryEntry],
        cases: Iterable[Case],
    ) -> "Ours":
        """By invoice."""
        newest = {row.invoice_id: row for row in sorted(failures, key=lambda row: row.version)}
        lines: dict[str, list[RecoveryEntry]] = {}
        for entry in entries:
            lines.setdefault(entry.invoice_id, []).append(entry)
        return cls(failures=newest, entries=lines, cases={case.invoice_id: case for case in cases})

    def minor(self, kind: LineKind, invoice: str, names: set[str | None]) -> int:
        """Our side of a line about what goes by any of these names."""
        if kind is LineKind.OWED:
            case = self.cases.get(invoice)
            return case.due_minor if case is not None else 0
        total = sum(
            entry.amount_minor
            for entry in self.entries.get(invoice, ())
            if OF_ENTRY.get(entry.kind) is kind and ref_of(entry) in names
        )
        return total if kind is LineKind.PAID else -total

    def asks_for_part(self, movement: Movement, invoice: str) -> bool:
        """Whether a charge took more than we know of: what went beyond its invoice is not told by
        the charge."""
        if movement.kind is not LineKind.PAID:
            return False
        mine = self.minor(LineKind.PAID, invoice, {movement.ref, movement.payment_id})
        return 0 < mine < movement.minor

    def works_on(self, invoice: str) -> bool:
        """Whether a case of this invoice is active."""
        case = self.cases.get(invoice)
        return case is not None and case.state is CaseState.ACTIVE

    def counts(self, movement: Movement, invoice: str) -> bool:
        """Whether the ledger must know this: money on an invoice whose failure was worked on, and
        not from before that failure. Where by rule there was no case there is no line."""
        if movement.kind is LineKind.OWED:
            return self.works_on(invoice)
        failure = self.failures.get(invoice)
        if failure is None or failure.exclusion is not None:
            return False
        return movement.at is None or movement.at >= failure.failed_at


def ref_of(entry: RecoveryEntry) -> str:
    """What the provider calls the thing an entry is about: refunds are told by their charge."""
    return entry.provider_ref.partition(":")[0]


def of_part(movement: Movement, whole: int, part: int) -> Movement:
    """What a movement of a charge of `whole` means for the invoice that `part` of it went to: what
    went beyond is given back first."""
    if movement.kind is LineKind.PAID:
        return replace(movement, minor=part)
    if movement.kind is LineKind.GIVEN_BACK:
        return replace(movement, minor=max(movement.minor - (whole - part), 0))
    return movement


def compared(
    comparison: Comparison,
    movements: Iterable[tuple[Movement, str]],
    ours: Ours,
    *,
    now: datetime,
) -> list[ComparedLine]:
    """The lines of what the provider listed, each with its invoice. What concerns no failed
    invoice, and nothing on both sides, makes none."""
    lines = []
    for movement, invoice in movements:
        if not ours.counts(movement, invoice):
            continue
        mine = ours.minor(movement.kind, invoice, {movement.ref, movement.payment_id})
        if not mine and not movement.minor:
            continue
        line = _alone(
            comparison, movement.kind, movement.ref, invoice, movement.currency, mine, now
        )
        lines.append(
            replace(
                line,
                payment_id=movement.payment_id,
                theirs_minor=movement.minor,
                state=LineState.AGREES if mine == movement.minor else LineState.DIFFERS,
            )
        )
    return lines


def unmet(comparison: Comparison, ours: Ours, *, now: datetime) -> list[ComparedLine]:
    """Lines of what we have, for each of which the provider is still to be asked."""
    found: dict[tuple[LineKind, str], ComparedLine] = {}
    for invoice, entries in ours.entries.items():
        for entry in entries:
            if (kind := OF_ENTRY.get(entry.kind)) is None:
                continue
            ref = ref_of(entry)
            minor = ours.minor(kind, invoice, {ref})
            found[kind, ref] = _alone(comparison, kind, ref, invoice, entry.currency, minor, now)
    for invoice, case in ours.cases.items():
        kind = LineKind.OWED
        if case.state is CaseState.ACTIVE:
            found[kind, invoice] = _alone(
                comparison, kind, invoice, invoice, case.currency, case.due_minor, now
            )
    return [found[key] for key in sorted(found)]


def _alone(
    comparison: Comparison,
    kind: LineKind,
    ref: str,
    invoice: str,
    currency: str,
    minor: int,
    now: datetime,
) -> ComparedLine:
    return ComparedLine(
        comparison_id=comparison.comparison_id,
        kind=kind,
        ref=ref,
        merchant_id=comparison.merchant_id,
        account_id=comparison.account_id,
        invoice_id=invoice,
        payment_id=None,
        currency=currency,
        ours_minor=minor,
        theirs_minor=None,
        state=LineState.UNMET,
        looked_at=now,
    )


def looked_again(
    line: ComparedLine, found: Iterable[Movement], ours: Ours, *, now: datetime
) -> ComparedLine:
    """The line after the provider was asked about this one thing. A case that has ended meanwhile
    has nothing to compare any more."""
    there = next((m for m in found if (m.kind, m.ref) == (line.kind, line.ref)), None)
    mine = ours.minor(line.kind, line.invoice_id, {line.ref, line.payment_id})
    theirs = there.minor if there is not None else None
    if line.kind is LineKind.OWED and not ours.works_on(line.invoice_id):
        mine = theirs = 0
    agrees = mine == (theirs or 0)
    settled = LineState.MENDED if line.state is LineState.DIFFERS else LineState.AGREES
    return replace(
        line,
        ours_minor=mine,
        theirs_minor=theirs,
        state=settled if agrees else LineState.DIFFERS,
        looked_at=now,
    )


def added(totals: Mapping[str, Any], lines: Iterable[ComparedLine]) -> dict[str, Any]:
    """Totals by currency and kind with these lines in them: [how many, ours, theirs]."""
    sums = {currency: dict(kinds) for currency, kinds in totals.items()}
    for line in lines:
        kinds = sums.setdefault(line.currency, {})
        n, mine, theirs = kinds.get(line.kind.value, (0, 0, 0))
        kinds[line.kind.value] = [n + 1, mine + line.ours_minor, theirs + (line.theirs_minor or 0)]
    return sums


def next_night(after: datetime, tz: ZoneInfo) -> datetime:
    """The first three o'clock of the merchant that lies behind `after`, aware UTC."""
    day = after.astimezone(tz).date()
    at = at_hour(day, HOUR_OF_NIGHT, tz)
    return at if at > after else at_hour(day + timedelta(days=1), HOUR_OF_NIGHT, tz)


def span_of_night(now: datetime, last_until: datetime | None) -> tuple[datetime, datetime]:
    """Which charges a night looks at: on from where the last one ended, with an overlap."""
    until = now - UNDER_WAY
    earliest = until - FIRST_LOOK
    return max(last_until - OVERLAP, earliest) if last_until else earliest, until
