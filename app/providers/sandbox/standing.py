"""Where a subscription stands: its status follows its latest invoice, and how it ends."""

from typing import Any

from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing

ENDED = frozenset({"canceled", "incomplete_expired"})

PAUSE_ATTRIBUTES = {"type": "pause_requested"}


def move(core: Core, subscription: Thing, **fields: Any) -> None:
    """Change a subscription and tell of it, once, with the former values."""
    former = core.change(subscription, **fields)
    if former:
        core.emit("customer.subscription.updated", subscription, former)


def subscription_of(core: Core, invoice: Thing) -> Thing | None:
    """The subscription an invoice is for."""
    detail = (invoice["parent"] or {}).get("subscription_details") or {}
    return core.get(detail.get("subscription") or "")


def after_payment(core: Core, invoice: Thing) -> None:
    """Money is in: the subscription whose latest invoice this is lives again."""
    subscription = subscription_of(core, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        core.schedule(subscription, expire=None)
        move(core, subscription, status="active")


def after_failure(core: Core, invoice: Thing) -> None:
    """A charge failed: the first invoice leaves `incomplete`, a later one `past_due`."""
    subscription = subscription_of(core, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if subscription["status"] in ("active", "trialing"):
        move(core, subscription, status="past_due")


def give_up(core: Core, invoice: Thing) -> None:
    """The last automatic retry failed: what the account's settings want happens."""
    if core.settings["invoice_end"] == "uncollectible":
        stamps = {**invoice["status_transitions"], "marked_uncollectible_at": core.now}
        core.change(
            invoice,
            status="uncollectible",
            status_transitions=stamps,
            status_details={"uncollectible": {"reason": "max_payment_attempts"}},
        )
        core.emit("invoice.marked_uncollectible", invoice)
    subscription = subscription_of(core, invoice)
    if subscription is None or subscription["status"] in ENDED:
        return
    if subscription["latest_invoice"] == invoice["id"]:
        ENDINGS[core.settings["end_action"]](core, subscription)


def _cancel(core: Core, subscription: Thing) -> None:
    end(core, subscription, reason="payment_failed")


def _unpaid(core: Core, subscription: Thing) -> None:
    move(core, subscription, status="unpaid")


def _leave(core: Core, subscription: Thing) -> None:
    return


def _pause(core: Core, subscription: Thing) -> None:
    pause(core, subscription, why="final_payment_failure")


ENDINGS = {"cancel": _cancel, "unpaid": _unpaid, "past_due": _leave, "pause": _pause}


def pause(core: Core, subscription: Thing, *, why: str) -> None:
    """The real pause: no invoices until resumed."""
    core.schedule(subscription, renew=None, upcoming=None, trial_will_end=None)
    core.change(
        subscription,
        status="paused",
        status_details={"paused": {"subscription": {"type": why}}},
    )
    core.emit("customer.subscription.paused", subscription)


def end(core: Core, subscription: Thing, *, reason: str | None, status: str = "canceled") -> None:
    """End a subscription now. Its open invoices stay payable, but are collected no more."""
    details = {**subscription["cancellation_details"], "reason": reason}
    core.change(
        subscription,
        status=status,
        canceled_at=subscription["canceled_at"] or core.now,
        ended_at=core.now,
        cancellation_details=details,
    )
    nothing_due = dict.fromkeys(subscription["sandbox"].get("due", {}))
    core.schedule(subscription, **nothing_due)
    for invoice in core.all("invoice", subscription["customer"]):
        if invoice["status"] in ("draft", "open") and subscription_of(core, invoice) is (
            subscription
        ):
            core.schedule(invoice, collect=None, finalize=None)
            core.change(invoice, auto_advance=False, next_payment_attempt=None)
    core.emit("customer.subscription.deleted", subscription)
