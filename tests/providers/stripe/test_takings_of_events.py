"""What was taken is dated by the charge that took it, in whatever order its events come."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from app.domain.mirror import Payment
from app.domain.mirroring import forward
from app.domain.records import Book
from app.domain.takings import Taking, enter_takings
from tests.domain.builders import terms
from tests.providers.stripe.stripe_shapes import AT, Json, charge, event, intent, read

RETRIED = AT + 3 * 86_400  # the day of the second try, which goes through
INVOICE: Json = {"parent": None, "metadata": {}, "invoice": "in_1"}
PAID = {"status": "succeeded", "last_payment_error": None, "latest_charge": "ch_2"}
TRIED = intent(**INVOICE, created=AT, latest_charge="ch_1")
TAKEN = charge(
    **INVOICE, id="ch_2", status="succeeded", paid=True, created=RETRIED, failure_code=None
)
EVENTS = {
    "refused": event("charge.failed", charge(**INVOICE, created=AT), created=AT),
    "refused, by its intent": event("payment_intent.payment_failed", TRIED, created=AT + 1),
    "taken": event("charge.succeeded", TAKEN, created=RETRIED + 1),
    "taken, by its intent": event("payment_intent.succeeded", TRIED | PAID, created=RETRIED + 2),
}


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def heard(*names: str) -> list[Taking]:
    """The lines once these events were absorbed, each in a book of its own."""
    lines: list[Taking] = []
    known: list[Payment] = []
    for name in names:
        book = Book()
        book.know(known)
        snapshot = read(EVENTS[name]).snapshot
        assert isinstance(snapshot, Payment)
        forward(book, snapshot, terms())
        enter_takings(book, instant(RETRIED + 60))
        known = list(book.all(Payment))
        lines += book.all(Taking)
    return lines


def standing(lines: list[Taking]) -> dict[datetime, int]:
    """What they come to, by when it was taken."""
    sums: dict[datetime, int] = {}
    for line in lines:
        sums[line.occurred_at] = sums.get(line.occurred_at, 0) + line.paid_minor
    return {at: minor for at, minor in sums.items() if minor}


@pytest.mark.parametrize("order", list(permutations(EVENTS)), ids=" > ".join)
def test_any_order_of_its_events_dates_a_payment_by_its_charge(order: tuple[str, ...]) -> None:
    assert standing(heard(*order)) == {instant(RETRIED): 9_500}


def test_while_its_charge_is_unheard_of_a_payment_is_dated_by_when_its_success_was_told() -> None:
    # given a first try that was refused days before, and of the second one the intent alone
    (when,) = standing(heard("refused", "taken, by its intent"))

    assert when - instant(RETRIED) < timedelta(minutes=1)
