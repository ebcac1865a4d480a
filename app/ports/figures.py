"""What finance asks of the ledgers: sums per period and key, as of an instant; read only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from app.domain.exchange import Rates
from app.domain.holdouts import Arm
from app.domain.recovery import RecoveryEntry

# Before anything that a provider of subscriptions could tell of.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# After it.
LATEST = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A stretch of time with a name: `day` is its first day in the merchant's time zone, the
    instants (aware UTC) are what of it was asked for, `ends_at` not included."""

    day: date
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Which ledger lines count: one merchant's, recorded by `as_of` (included), in one currency
    or in each."""

    merchant_id: str
    as_of: datetime
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a sum is of. A key that was not asked for is None, like one the ledger left empty."""

    period: date
    currency: str
    cause: str | None = None
    plan: str | None = None
    interval: str | None = None
    trial_conversion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredSums:
    """Ledger lines by kind, minor units; what was taken back is a positive number here.
    `discounts_minor` is no line of the ledger: what offers that took effect cost at most."""

    keys: Keys
    recovered_minor: int
    settled_other_minor: int
    credited_minor: int
    refunded_minor: int
    dispute_lost_minor: int
    dispute_won_minor: int
    discounts_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSums:
    """Invoices by the period of their first failure; counts and minor units.

    What is counted within W is, per invoice and taken together, no more than had failed.
    `open_minor` is what is still owed on those not yet decided.
    """

    keys: Keys
    n: int
    n_open: int
    n_excluded: int
    failed_minor: int
    recovered_within_w_minor: int
    settled_other_within_w_minor: int
    credited_within_w_minor: int
    open_minor: int
    excluded_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRule:
    """Which failures make a cohort and how long their money has.

    `within` is counted from each failure in elapsed time. `before` leaves out failures at or
    after it (the mature view); `closed_only` those still open.
    """

    within: timedelta
    before: datetime | None = None
    closed_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSums:
    """Lines of a ledger by period, currency and the keys asked for, of which None is one the
    ledger left empty. `kinds` has, for each kind of line, how many and their minor units, both
    signed as the ledger counts them."""

    period: date
    currency: str
    named: Mapping[str, str | None]
    kinds: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Narrows ledger lines; None means any."""

    starts_at: datetime
    ends_at: datetime
    cause: str | None = None
    kind: str | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An invoice about which ledger and provider disagree. `sides` are minor units: recovered by
    the ledger, paid by the provider, refunded by the ledger, given back by the provider."""

    account_id: str
    invoice_id: str
    currency: str
    sides: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    """All failed invoices of a span in one currency; `sides` as in `Difference`."""

    currency: str
    n_invoices: int
    n_differences: int
    sides: tuple[int, int, int, int]


class Figures(Protocol):
    """Each call is one short transaction of one merchant. All may be repeated, and with the same
    `as_of` give the same answer once that instant is settled (see `reports.asking`).
    Raises `StoreUnavailable`."""

    async def time_zone(self, merchant_id: str) -> str:
        """The merchant's IANA time zone; `UTC` for an unknown merchant."""
        ...

    async def attributes(self, merchant_id: str) -> tuple[str, ...]:
        """The attributes that the merchant ever named, in order."""
        ...

    async def rates(
        self, merchant_id: str, as_of: datetime, reporting: str, first: date, last: date
    ) -> Rates:
        """The rates of days from the first to the last, as they were known at the cut-off."""
        ...

    async def recovered(
        self, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[RecoveredSums]:
        """Ledger lines by period, currency and the keys of `by` (cause, plan, interval), in no
        particular order; nothing for an empty group. What offers cost has no cause."""
        ...

    async def ledger(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime
    ) -> dict[str, int]:
        """The plain sum of the signed lines per currency: what grouped sums must add up to."""
        ...

    async def flows(
        self, ledger: str, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[FlowSums]:
        """A ledger by name (`mrr`, `attempts`, …), by period, currency, kind and the keys of
        `by`, in no particular order; nothing for an empty group."""
        ...

    async def balance(
        self, ledger: str, excerpt: Excerpt, at: datetime, by: Collection[str]
    ) -> list[FlowSums]:
        """All that a ledger has from before an instant, as if it were one period; with `LATEST` all
        that is known at the cut-off."""
        ...

    async def standing(
        self, excerpt: Excerpt, period: Period, by: Collection[str]
    ) -> list[FlowSums]:
        """Who was there when a period began (kind `start`, those found in it included) and the
        ledgers `mrr` and `churn` within it, by where each subscription stood at that beginning:
        `tenure` and `mrr_band`, both `came` for who was not there. Read from the ledgers where
        nothing is kept of the period, as it was known at the cut-off."""
        ...

    async def cohorts(
        self,
        excerpt: Excerpt,
        periods: Sequence[Period],
        by: Collection[str],
        rule: CohortRule,
    ) -> list[CohortSums]:
        """Failures by period, currency, trial conversion and the keys of `by` (plan, interval),
        in no particular order; nothing for an empty group."""
        ...

    async def at_risk(self, excerpt: Excerpt, by: Collection[str]) -> list[FlowSums]:
        """Subscriptions with MRR at the cut-off, by currency and the keys of `by` (plan, interval,
        country, decline_kind); kinds `at_risk` (an open case), `ending` (a planned end), `both`,
        `either`, with their MRR, and `owed` with what is owed. The period is the cut-off's day."""
        ...

    async def arms(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime, within: timedelta
    ) -> dict[str, dict[str, Arm]]:
        """Failures of a span with a case, by currency and arm of the retry experiment, first
        payments after a trial left out."""
        ...

    async def differences(
        self,
        excerpt: Excerpt,
        starts_at: datetime,
        ends_at: datetime,
        *,
        after: tuple[str, str],
        limit: int,
    ) -> list[Difference]:
        """At most `limit` invoices that failed first in the span and about which ledger and
        provider disagree, in order of (account, invoice), those behind `after`."""
        ...

    async def both_sides(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime
    ) -> list[BothSides]:
        """All invoices that failed first in the span, by currency."""
        ...

    async def entries(
        self,
        excerpt: Excerpt,
        chosen: EntryFilter,
        *,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[RecoveryEntry]:
        """At most `limit` lines in order of (occurred_at, entry_id), those behind `after`."""
        ...
