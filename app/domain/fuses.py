"""Safety bounds, on by default like a fuse: what must not happen is stopped before it goes on."""

from collections.abc import Iterable
from datetime import timedelta

from app.domain.alerts import AlertKind
from app.domain.dunning import Attempt, AttemptState, Trigger
from app.domain.policies import Bounds

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TRAILING = timedelta(days=7)  # what an hour of letters, or a day of refunds, is compared with
TIMES = 3  # so many times what is usual or due
SPACING = timedelta(hours=20)  # between automatic attempts of one case, whatever a policy says
OURS = frozenset(Trigger) - {Trigger.PROVIDER, Trigger.CUSTOMER}


class FuseBlown(Exception):
    """The merchant is paused and a person is told; `kind` names the bound."""

    def __init__(self, kind: AlertKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def is_repeated(attempts: Iterable[Attempt]) -> bool:
    """Whether one of a case's attempts within the hour was ours. Only then can the volume exceed
    what is due, so only then is the whole hour looked at."""
    return any(_counts(attempt) for attempt in attempts)


def too_much_charged(attempts: Iterable[Attempt], new: Attempt, bounds: Bounds) -> bool:
    """Whether with this charge an hour's volume exceeds three times what is due.

    `attempts` are those of the merchant within the hour, by anybody. Due is what each invoice
    charged in that hour owes once; currencies are looked at apart. Few charges blow no fuse.
    """
    ours = [a for a in attempts if _counts(a) and a.currency == new.currency]
    ours.append(new)
    due: dict[str, int] = {}
    for attempt in ours:
        due[attempt.case_id] = max(due.get(attempt.case_id, 0), attempt.amount_minor)
    volume = sum(attempt.amount_minor for attempt in ours)
    return len(ours) > bounds.charges_per_hour and volume > TIMES * sum(due.values())


def _counts(attempt: Attempt) -> bool:
    return attempt.trigger in OURS and attempt.state is not AttemptState.NOT_EXECUTED


def too_much_mail(in_the_hour: int, in_the_week_before: int, bounds: Bounds) -> bool:
    """Whether one more letter makes the hour's letters more than three times the mean of the
    trailing week's hours. Few letters blow no fuse."""
    usual = in_the_week_before * (HOUR / TRAILING)
    return in_the_hour + 1 > max(bounds.mails_per_hour, TIMES * usual)


def too_much_given_back(in_the_day: int, in_the_week_before: int, bounds: Bounds) -> bool:
    """Whether so many refunds of an account within 24 hours are more than three times the daily
    mean of the week before. Few refunds blow no fuse."""
    usual = in_the_week_before * (DAY / TRAILING)
    return in_the_day > max(bounds.refunds_per_day, TIMES * usual)
