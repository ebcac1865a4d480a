"""What Stripe counts as taken, given back and lost, as it stands now: list by list, or one by one.

Charges say in `amount_refunded` what is gone now, refunds that failed taken off. Refunds and
disputes are listed by when they were made, because what they are about may be much older.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from stripe import StripeClient, StripeObject

from app.domain.comparing import LineKind, Movement
from app.domain.merchants import ProviderAccount
from app.ports.movements import MovementPage
from app.ports.payments import ProviderRefused
from app.providers.stripe.connection import Connections, json_of
from app.providers.stripe.failures import MISSING, in_our_words
from app.providers.stripe.payments import invoice_of
from app.providers.stripe.reading import (
    Json,
    currency,
    first_ref,
    instant,
    ref,
    rows,
    table,
    text,
    whole,
)

Call = Callable[[StripeClient, Any], Awaitable[StripeObject]]
WITH_CHARGE: Any = {"expand": ["charge"]}
WITH_LATEST: Any = {"expand": ["latest_charge"]}
LISTS: Mapping[str, tuple[Call, Json]] = {
    "charge": (lambda client, asked: client.v1.charges.list_async(asked), {}),
    "refund": (
        lambda client, asked: client.v1.refunds.list_async(asked),
        {"expand": ["data.charge"]},
    ),
    "dispute": (
        lambda client, asked: client.v1.disputes.list_async(asked),
        {"expand": ["data.charge"]},
    ),
}
OF_DISPUTE = ("dp_", "du_")


class Moved:
    """`ports.movements.Movements` for Stripe: a part of `StripePayments`."""

    _connections: Connections

    async def list_movements(
        self,
        account: ProviderAccount,
        of: str,
        *,
        since: datetime,
        until: datetime,
        after: str | None,
        limit: int,
    ) -> MovementPage:
        """A page of one of `LISTS`, from new to old; the cursor is the last id seen. Raises
        `KeyError` for another list."""
        call, more = LISTS[of]
        span = {"gte": int(since.timestamp()), "lte": int(until.timestamp())}
        asked = {"created": span, "limit": limit, **more}
        if after:
            asked["starting_after"] = after
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(call(client, asked))
        listed = list(rows(obj))
        last = ref(listed[-1]) if listed else None
        return MovementPage(
            found=tuple(found for row in listed for found in _told_by(of, row)),
            next=last if obj.get("has_more") is True else None,
        )

    async def read_movements(self, account: ProviderAccount, ref: str) -> tuple[Movement, ...]:
        """The charge or dispute as it is, of a payment its latest charge."""
        client = self._connections.client(account)
        of = "dispute" if ref.startswith(OF_DISPUTE) else "charge"
        try:
            with in_our_words():
                obj = await json_of(_one(client, ref))
        except ProviderRefused as refused:
            if refused.code == MISSING:
                return ()
            raise
        return _told_by(of, table(obj.get("latest_charge")) or obj)

    async def read_part(self, account: ProviderAccount, payment: str, invoice: str) -> int | None:
        """What of an intent went to this invoice, by the invoice payments that were paid."""
        if not payment.startswith("pi_"):
            return None  # before there were intents a charge paid one invoice
        named = {"type": "payment_intent", "payment_intent": payment}
        asked: Any = {"payment": named, "invoice": invoice, "status": "paid"}
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(client.v1.invoice_payments.list_async(asked))
        paid = [whole(row.get("amount_paid")) for row in rows(obj)]
        return sum(one or 0 for one in paid) if paid else None


def _one(client: StripeClient, key: str) -> Awaitable[StripeObject]:
    if key.startswith(OF_DISPUTE):
        return client.v1.disputes.retrieve_async(key, WITH_CHARGE)
    if key.startswith("pi_"):
        return client.v1.payment_intents.retrieve_async(key, WITH_LATEST)
    return client.v1.charges.retrieve_async(key)


def _told_by(of: str, row: Json) -> tuple[Movement, ...]:
    if of == "dispute":
        return _of_dispute(row)
    return _of_charge(row if of == "charge" else table(row.get("charge")))


def _of_charge(charge: Json) -> tuple[Movement, ...]:
    """What it took and what of it is given back; nothing of one that took nothing."""
    key, code = ref(charge), currency(charge.get("currency"))
    if key is None or code is None or text(charge.get("status")) not in {"succeeded", "paid"}:
        return ()
    taken = whole(charge.get("amount_captured"))
    if taken is None:  # before 2020 a charge did not say
        taken = whole(charge.get("amount")) if charge.get("captured") is not False else 0
    sides = {
        LineKind.PAID: taken or 0,
        LineKind.GIVEN_BACK: whole(charge.get("amount_refunded")) or 0,
    }
    return tuple(
        Movement(
            kind=kind,
            ref=key,
            currency=code,
            minor=minor,
            at=instant(charge.get("created")),
            payment_id=first_ref(charge.get("payment_intent"), key),
            customer_id=ref(charge.get("customer")),
            invoice_id=invoice_of(charge),
        )
        for kind, minor in sides.items()
    )


def _of_dispute(row: Json) -> tuple[Movement, ...]:
    """What it took back for good: nothing while it is open, or once it was won."""
    key, code, charge = ref(row), currency(row.get("currency")), table(row.get("charge"))
    if key is None or code is None:
        return ()
    lost = text(row.get("status")) == "lost"
    return (
        Movement(
            kind=LineKind.LOST,
            ref=key,
            currency=code,
            minor=(whole(row.get("amount")) or 0) if lost else 0,
            at=instant(charge.get("created")),
            payment_id=first_ref(row.get("payment_intent"), charge.get("payment_intent"))
            or ref(row.get("charge")),
            customer_id=ref(charge.get("customer")),
            invoice_id=invoice_of(charge),
        ),
    )
