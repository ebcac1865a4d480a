"""Every field of an event or an answer dropped, nulled or turned into something else: it is read as
far as it goes, raises nothing, and opens no case for what gets none."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson
import pytest

from app.domain.absorb import absorb
from app.domain.dunning import Case, CaseState
from app.domain.notices import Notice
from app.domain.records import Book
from app.ports.payments import ProviderUnavailable
from app.providers.stripe.answers import answer_of_invoice, reading_of
from app.providers.stripe.backfill import page_of
from app.providers.stripe.live import notices_of_object
from app.providers.stripe.renewals import renewal_of
from app.providers.stripe.standings import forecast_of, standing_of
from app.providers.stripe.translate import translate
from tests.domain.builders import MONDAY, a_book, terms
from tests.providers.stripe.stripe_shapes import (
    AT,
    ERAS,
    card,
    charge,
    event,
    intent,
    invoice,
    subscription,
)
from tests.providers.stripe.wire import ACCOUNT, NOW

Json = dict[str, Any]
Path = tuple[str | int, ...]
GONE = object()
ODD: tuple[Any, ...] = (
    GONE,
    None,
    True,
    -1,
    10**18,
    "9" * 300,
    "\0\u202e",
    [],
    {},
    [None, {}],
    {"id": ["in_1"]},
    {"data": [None, {"id": None}]},
    253_402_300_799,
)
COUPON = {"id": "HALF", "duration": "repeating", "percent_off": 25.5, "amount_off": 100}
DISCOUNT = {"id": "di_1", "end": AT + 9, "source": {"type": "coupon", "coupon": COUPON}}
# With these under it an invoice gets no case, whatever else stands there.
NO_CASE: dict[str, Json] = {
    "a first invoice": {"billing_reason": "subscription_create"},
    "a manual invoice": {"billing_reason": "manual"},
    "a bill": {"collection_method": "send_invoice"},
    "nothing owed": {"amount_due": 0, "amount_remaining": 0},
}


def whole_invoice(era: str, **more: Any) -> Json:
    """With everything expanded that one may show."""
    row = {"id": "inpay_1", "status": "open", "payment": {"payment_intent": intent(era)}}
    lines = {"data": [{"id": "il_1", "type": "subscription", "description": "Team"}]}
    return invoice(era, payments={"data": [row]}, lines=lines, **more)


def whole_subscription(era: str) -> Json:
    return subscription(
        era,
        discounts=[DISCOUNT],
        pending_update={"expires_at": AT + 9},
        latest_invoice="in_1",
        cancel_at=AT + 9,
        trial_end=AT + 5,
        cancellation_details={"reason": "cancellation_requested", "feedback": "unused"},
        status_details={"paused": {"subscription": {"type": "final_payment_failure"}}},
        metadata={"segment": "small"},
    )


def told(era: str) -> Iterator[tuple[str, Json]]:
    """An event of each family, in the shape of an era."""
    for name in ("payment_failed", "paid", "voided", "marked_uncollectible", "overdue", "upcoming"):
        yield f"invoice.{name}", whole_invoice(era)
    for name in ("created", "updated", "deleted", "paused"):
        yield f"customer.subscription.{name}", whole_subscription(era)
    for name in ("failed", "succeeded", "refunded"):
        yield f"charge.{name}", charge(era, amount_refunded=100)
    yield "payment_intent.payment_failed", intent(era)
    yield "payment_method.automatically_updated", card("pm_1", customer="cus_1", created=AT)
    yield "charge.dispute.closed", {"id": "dp_1", "charge": "ch_1", "amount": 9, "status": "lost"}
    note = {"id": "cn_1", "invoice": "in_1", "pre_payment_amount": 9, "created": AT}
    yield "credit_note.created", note
    yield "refund.failed", {"id": "re_1", "charge": "ch_1", "amount": 9, "status": "failed"}
    settings = {"default_payment_method": "pm_2"}
    yield "customer.updated", {"id": "cus_1", "invoice_settings": settings, "email": "a@b.example"}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, below in inner:
        yield (*path, name)
        if isinstance(below, dict | list):
            yield from places(below, (*path, name))


def with_odd(value: Any, path: Path, odd: object) -> Any:
    """A copy that has something odd at this place."""
    made, (name, *rest) = value.copy(), path
    if rest:
        made[name] = with_odd(value[name], tuple(rest), odd)
    elif odd is GONE:
        del made[name]
    else:
        made[name] = odd
    return made


def mutated(name: str, obj: Json, *, but: frozenset[str] = frozenset()) -> Iterator[bytes]:
    whole = orjson.loads(event(name, obj, previous={"status": "active"}))
    for path in places(whole["data"]):
        if not but & set(map(str, path)):
            for odd in ODD:
                yield orjson.dumps({**whole, "data": with_odd(whole["data"], path, odd)})


def hear(book: Book, notices: list[Notice]) -> None:
    for notice in notices:
        absorb(book, notice, terms(MONDAY))


@pytest.mark.parametrize("era", [ERAS[0], ERAS[2], ERAS[-1]])
def test_nothing_odd_anywhere_in_an_event_raises(era):
    books = {name: a_book() for name, _ in told(era)}
    heard = 0
    for name, obj in told(era):
        for body in mutated(name, obj):
            hear(books[name], translate(body))
            heard += 1

    assert heard > 4_000


@pytest.mark.parametrize("era", [ERAS[1], ERAS[-1]])
@pytest.mark.parametrize("why", NO_CASE)
def test_nothing_odd_beside_it_opens_a_case_for_what_gets_none(era, why):
    decides = NO_CASE[why]
    for body in mutated(
        "invoice.payment_failed", whole_invoice(era, **decides), but=frozenset(decides)
    ):
        book = a_book()
        hear(book, translate(body))
        assert [one for one in book.all(Case) if one.state is CaseState.ACTIVE] == [], body


def _of_an_invoice(obj: Json) -> None:
    answer_of_invoice(obj, ACCOUNT, NOW)
    reading_of(obj, ACCOUNT, NOW, method=card("pm_1"), charges=[charge()])
    notices_of_object("invoice", obj, ACCOUNT, event="e", at=NOW, now=NOW, invoice=None)
    forecast_of(obj)


def _of_a_subscription(obj: Json) -> None:
    page_of({"data": [obj], "has_more": True}, ACCOUNT, NOW)
    renewal_of(obj, obj, {}, ACCOUNT, NOW)
    standing_of(obj)


@pytest.mark.parametrize(
    ("whole", "read"),
    [
        pytest.param(whole_invoice(ERAS[-1]), _of_an_invoice, id="an invoice"),
        pytest.param(whole_subscription(ERAS[-1]), _of_a_subscription, id="a subscription"),
    ],
)
def test_nothing_odd_anywhere_in_an_answer_raises_but_what_the_port_names(whole, read):
    for path in places(whole):
        for odd in ODD:
            with suppress(ProviderUnavailable):
                read(with_odd(whole, path, odd))
