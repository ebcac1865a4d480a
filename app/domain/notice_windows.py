"""How long before a renewal the law and the card schemes want it told: dated data with sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWindow:
    """A notice is due between `latest` and `earliest` days before a renewal of terms of at least
    `from_months` months, or before a price change where `price` says so."""

    name: str
    earliest: int
    latest: int
    from_months: int = 0
    price: bool = False
    since: date
    source: str


# Not legal advice. Who is bound by which is not known of a customer (a state of the US is not
# told by the provider), so a policy has to fit all.
WINDOWS = (
    NoticeWindow(
        name="us-ca annual terms",
        earliest=45,
        latest=15,
        from_months=12,
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(b), as amended by AB 2863",
    ),
    NoticeWindow(
        name="us-ny annual terms",
        earliest=45,
        latest=15,
        from_months=12,
        since=date(2025, 11, 5),
        source="New York General Business Law 527-a",
    ),
    NoticeWindow(
        name="mastercard terms of six months",
        earliest=30,
        latest=7,
        from_months=6,
        since=date(2022, 9, 22),
        source="Mastercard Transaction Processing Rules 5.4, subscription billing",
    ),
    NoticeWindow(
        name="us-ma terms over a month",
        earliest=30,
        latest=5,
        from_months=2,
        since=date(2025, 9, 2),
        source="940 Code of Massachusetts Regulations 38.05",
    ),
    NoticeWindow(
        name="us-ca price change",
        earliest=30,
        latest=7,
        price=True,
        since=date(2025, 7, 1),
        source="California Bus. & Prof. Code 17602(h), as amended by AB 2863",
    ),
    NoticeWindow(
        name="us-ny price change",
        earliest=30,
        latest=5,
        price=True,
        since=date(2025, 11, 5),
        source="New York General Business Law 527-a",
    ),
)
TERMS = (2, 3, 4, 6, 12, 24, 36)  # lengths of terms that are sold, in months


@dataclass(frozen=True, slots=True, kw_only=True)
class TermRow:
    """Terms of at least `from_months` months are told of on these days before the renewal."""

    from_months: int
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderPolicy:
    """Which renewals are told of, and how many days ahead.

    `changed_days` are for a changed price and for a card that will have expired; `card_days`
    count back from the end of a card's last month.
    """

    terms: tuple[TermRow, ...] = (
        TermRow(from_months=2, days=(7,)),
        TermRow(from_months=6, days=(28, 7, 3, 2)),
    )
    changed_days: tuple[int, ...] = (7, 3, 2)
    card_days: tuple[int, ...] = (30, 7)

    def days_for(self, months: int) -> tuple[int, ...]:
        """The days for terms of so many months: those of the longest row that fits."""
        fitting = [row for row in self.terms if row.from_months <= months]
        return max(fitting, key=lambda row: row.from_months).days if fitting else ()


REMINDERS = ReminderPolicy()  # what a policy has that says nothing of reminders


def missed_windows(policy: ReminderPolicy) -> Iterator[str]:
    """The windows in which this policy would tell nobody, in words. One that misses any must not
    be published."""
    for window in WINDOWS:
        if window.price:
            if not _hits(window, policy.changed_days):
                yield f"nothing {_span(window)} before a price change ({window.name})"
            continue
        for months in TERMS:
            if months >= window.from_months and not _hits(window, policy.days_for(months)):
                yield (
                    f"nothing {_span(window)} before a renewal of {months} months ({window.name})"
                )
                break


def is_courtesy(days: int) -> bool:
    """Whether a reminder so many days ahead fulfils no window: who does not want it, need not
    get it."""
    return not any(_hits(window, (days,)) for window in WINDOWS)


def _hits(window: NoticeWindow, days: tuple[int, ...]) -> bool:
    return any(window.latest <= day <= window.earliest for day in days)


def _span(window: NoticeWindow) -> str:
    return f"from {window.earliest} to {window.latest} days"
