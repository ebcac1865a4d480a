"""Reports taken in beside other workers: nobody's event is set aside for another's fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from app.domain.dunning import Attempt, Case, CaseState
from app.domain.mirror import Invoice, InvoiceStatus, Payment, Subscription
from app.domain.notices import Notice, NoticeKind
from app.domain.operations import Alert, InboxEvent, InboxState
from app.domain.records import Book
from app.ports.store import Conflict
from app.services import intake
from app.services.alarms import pause_account
from app.services.books import Touched, load_touched
from app.storage.memory import MemoryStore, MemoryTransaction
from tests.domain.builders import (
    MONDAY,
    a_payment,
    a_subscription,
    an_invoice,
    notice,
    on_day,
)
from tests.domain.test_absorb import hear
from tests.review.stage import OWN, Stage, a_payment_notice

pytestmark = pytest.mark.anyio
K = NoticeKind


def an_event(name: str) -> InboxEvent:
    return InboxEvent(
        **OWN, event_id=name, type="t", body=name, created_at=MONDAY, received_at=MONDAY
    )


class Reader:
    """Raises over the first event, always or so many times."""

    def __init__(self, fault: Exception, times: int = 1_000) -> None:
        self._fault, self._left = fault, times

    def translate(self, body: str) -> list[Notice]:
        if body == "evt_1" and self._left > 0:
            self._left -= 1
            raise self._fault
        return []


POISON = RuntimeError("poison")
IN_THE_WAY = Conflict("attempts: a unique key is taken")


class Overtaken(MemoryStore):
    """Another worker settles the first event as soon as this one has failed at it."""

    opened = 0

    @asynccontextmanager
    async def system(self) -> AsyncIterator[MemoryTransaction]:
        self.opened += 1
        if self.opened == 2:
            rows = self.rows[InboxEvent]
            rows["acc_1", "evt_1"] = replace(rows["acc_1", "evt_1"], state=InboxState.HANDLED)
        async with super().system() as tx:
            yield tx


async def test_only_the_event_that_failed_is_set_aside(stage: Stage) -> None:
    store = Overtaken()
    store.rows, store.unique = stage.store.rows, stage.store.unique
    async with store.transaction("mer_1") as tx:
        await tx.insert([an_event("evt_1"), an_event("evt_2")])
    world = replace(stage.world, store=store, webhooks=cast("Any", Reader(POISON)))

    await intake.drain(world, limit=1)

    states = {event.event_id: event.state for event in await stage.find(InboxEvent)}
    assert states == {"evt_1": InboxState.HANDLED, "evt_2": InboxState.PENDING}


@pytest.mark.parametrize("fault", [POISON, IN_THE_WAY], ids=["raises", "conflicts"])
async def test_what_failed_beside_a_poisonous_event_is_settled_by_the_same_drain(
    stage: Stage, fault: Exception
) -> None:
    names = [f"evt_{n}" for n in range(7)]
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([an_event(name) for name in names])
    world = replace(stage.world, webhooks=cast("Any", Reader(fault)))

    settled = await intake.drain(world, limit=100)

    states = {event.event_id: event.state for event in await stage.find(InboxEvent)}
    assert settled == len(names)
    assert states == dict.fromkeys(names, InboxState.HANDLED) | {"evt_1": InboxState.PARKED}


async def test_an_event_in_whose_way_somebody_is_for_a_while_is_not_set_aside(
    stage: Stage,
) -> None:
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([an_event("evt_1"), an_event("evt_2")])
    world = replace(stage.world, webhooks=cast("Any", Reader(IN_THE_WAY, times=6)))

    settled = await intake.drain(world, limit=100)

    assert settled == 2
    assert {event.state for event in await stage.find(InboxEvent)} == {InboxState.HANDLED}


class Locks:
    """A transaction that remembers what was locked."""

    def __init__(self, tx: MemoryTransaction) -> None:
        self.tx, self.locked = tx, set[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tx, name)

    async def lock(self, account_id: str, keys: Any) -> None:
        self.locked |= set(keys)


async def test_an_invoice_without_a_customer_is_locked_in_company_too(stage: Stage) -> None:
    touched = Touched()
    nameless = an_invoice(invoice_id="in_9", customer_id=None, subscription_id=None)
    touched.add(notice(K.INVOICE_FAILED, snapshot=nameless))
    touched.add(notice(K.INVOICE_FAILED))

    async with stage.store.transaction("mer_1") as tx:
        watched = Locks(tx)
        await load_touched(cast("Any", watched), "acc_1", touched)

    assert watched.locked == {"cus_1", "in_9"}


async def test_a_key_refused_a_second_time_is_told_a_second_time(stage: Stage) -> None:
    await pause_account(stage.world, "mer_1", "acc_1", "revoked")
    (known,) = await stage.find(Alert)
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([replace(known, resolved_at=MONDAY)])

    await pause_account(stage.world, "mer_1", "acc_1", "revoked again")

    assert [one.resolved_at for one in await stage.find(Alert)] == [None]


async def test_a_subscription_whose_later_invoice_is_paid_is_left_alone(stage: Stage) -> None:
    later = an_invoice(
        **OWN | {"invoice_id": "in_2", "status": InvoiceStatus.PAID, "created_at": on_day(20)}
    )
    async with stage.store.transaction("mer_1") as tx:
        await tx.save([later])

    await stage.passes(days=32)

    assert (await stage.case()).state is CaseState.EXHAUSTED
    assert [call[1] for call in stage.bank.calls if call[0] == "end"] == []


def test_the_join_of_a_payment_may_come_after_a_later_report_of_it() -> None:
    book = Book()
    charge = a_payment(MONDAY, invoice_id=None, seen_at=on_day(0, hours=1))
    join = a_payment(MONDAY, seen_at=MONDAY, charge_id=None, customer_id=None)

    hear(book, notice(K.PAYMENT_SUCCEEDED, on_day(0, hours=1), snapshot=charge))
    hear(book, notice(K.PAYMENT_SUCCEEDED, MONDAY, snapshot=join))

    (known,) = book.all(Payment)
    assert (known.invoice_id, known.customer_id) == ("in_1", "cus_1")
    assert known.seen_at == on_day(0, hours=1)


def test_a_subscription_that_ended_does_not_come_back_in_the_same_second() -> None:
    book = Book()
    ended = a_subscription(status="canceled", seen_at=MONDAY)
    active = a_subscription(status="active", seen_at=MONDAY)

    hear(book, notice(K.SUBSCRIPTION_ENDED, snapshot=ended, subscription="sub_1"))
    hear(book, notice(K.SUBSCRIPTION_CHANGED, snapshot=active, subscription="sub_1"))

    assert [known.status for known in book.all(Subscription)] == ["canceled"]


def test_an_update_that_shows_the_invoice_void_ends_the_case() -> None:
    book = Book()
    void = an_invoice(status=InvoiceStatus.VOID, seen_at=on_day(1))

    hear(book, notice(K.INVOICE_FAILED), notice(K.INVOICE_UPDATED, on_day(1), snapshot=void))

    assert [known.status for known in book.all(Invoice)] == [InvoiceStatus.VOID]
    assert [case.state for case in book.all(Case)] == [CaseState.STOPPED]


async def test_a_payment_put_to_another_invoice_stands_in_nobodys_way(stage: Stage) -> None:
    # given a payment that was entered for one renewal, and another that had failed as well
    stage.clock.instant = at = on_day(1)
    stage.is_paid("ch_paid")
    await stage.hears(a_payment_notice(at))
    await stage.works()
    other = an_invoice(invoice_id="in_2", seen_at=MONDAY)
    await stage.hears(notice(K.INVOICE_FAILED, MONDAY, snapshot=other))

    # when a refund of it names the other
    moved = a_payment(at, charge_id="ch_paid", invoice_id="in_2", refunded_minor=100)
    about = {"invoice": "in_2", "payment": "pi_1", "charge": "ch_paid", "customer": "cus_1"}
    await stage.hears(notice(K.PAYMENT_REFUNDED, on_day(31), snapshot=moved, **about))

    refs = [attempt.provider_ref for attempt in await stage.find(Attempt)]
    assert refs.count("ch_paid") == 1
    assert [line[:2] for line in await stage.ledger()] == [("recovered", 3000), ("refunded", -100)]
