"""Recorded and derived events of many API versions read as their index says.

Nothing of the collection stands here: the files are read where `HOLDFAST_EVENT_CORPUS` says.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from app.domain.mirror import Invoice, InvoiceStatus, Payment, Subscription
from app.domain.notices import Notice, NoticeKind
from app.providers.stripe.envelope import open_event
from app.providers.stripe.known_types import is_known
from app.providers.stripe.translate import READER_OF, notices_of
from app.providers.stripe.translate_cli import describe_file, effective_kind

EVENTS = Path(os.environ["HOLDFAST_EVENT_CORPUS"]) / "stripe-events"
INDEX: list[dict[str, Any]] = json.loads((EVENTS / "index.json").read_text())
BY_FILE = {row["file"]: row for row in INDEX}
UNHEARD_OF = {"invoice.some_future_event"}


def raw(file: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((EVENTS / file).read_text())
    return body


def notice(file: str) -> Notice:
    (found,) = notices_of(open_event((EVENTS / file).read_bytes()))
    return found


def derived(name: str, nth: int = 1, version: str = "2026-10-28.endive") -> str:
    tail = f"__{nth}" if nth > 1 else ""
    return f"derived__{name}__{version}{tail}.json"


def test_the_index_names_every_file():
    files = {path.name for path in EVENTS.glob("*.json")} - {"index.json"}

    assert set(BY_FILE) == files


@pytest.mark.parametrize("file", sorted(BY_FILE))
def test_a_file_reads_as_its_index_says(file):
    row, line = BY_FILE[file], describe_file(str(EVENTS / file))

    assert line["api_version"] == row["api_version"]
    assert line["known"] is (row["type"] not in UNHEARD_OF)
    assert len(line["notices"]) == 1
    kind = line["notices"][0]["kind"]
    if row["type"] in READER_OF and not row["type"].endswith(("dispute.closed", "completed")):
        assert kind == READER_OF[row["type"]][1]


@pytest.mark.parametrize("file", sorted(BY_FILE))
def test_ids_amounts_and_instants_are_those_of_the_object(file):
    body, found = raw(file), notice(file)
    obj = body.get("data", {}).get("object", {})

    assert found.event == body["id"]
    assert found.object == obj.get("id")
    if isinstance(obj.get("customer"), str) and obj["object"] != "customer":
        assert found.customer == obj["customer"]
    if isinstance(obj.get("currency"), str) and obj["object"] in {"invoice", "charge"}:
        assert found.currency == obj["currency"]
    if isinstance(body["created"], int):
        assert int(found.occurred_at.timestamp()) == body["created"]


@pytest.mark.parametrize("file", [f for f in sorted(BY_FILE) if re.search(r"__invoice\.", f)])
def test_invoices_keep_their_subscription_wherever_it_stands(file):
    obj, found = raw(file)["data"]["object"], notice(file)
    new = (obj.get("parent") or {}).get("subscription_details") or {}

    if is_known(raw(file)["type"]):
        assert found.invoice == obj["id"]
        assert found.subscription == (new.get("subscription") or obj.get("subscription"))


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (derived("charge.failed", 2), "never"),
        (derived("charge.failed", 5), "customer_authenticate"),
        (derived("charge.failed", 7), "never"),
        (derived("charge.failed", 8), "insufficient_funds"),
        (derived("charge.failed", version="2024-06-20"), "insufficient_funds"),
        (derived("payment_intent.payment_failed"), "insufficient_funds"),
        ("ruby-mock__charge.failed__2020-08-27.json", "retry_few_and_ask"),
        ("ruby-mock__payment_intent.payment_failed__2020-08-27.json", "retry_few_and_ask"),
        ("zulip-webhook__charge.failed__2016-07-06.json", "unknown"),
    ],
)
def test_refusals_say_what_they_mean(file, kind):
    assert effective_kind(notice(file).decline) == kind


def test_the_wait_a_network_asks_for_is_read():
    decline = notice(derived("payment_intent.payment_failed")).decline

    assert decline is not None
    assert (decline.advice, decline.network_advice_code) == ("try_again_later", "24")


def test_a_failed_intent_names_its_invoice_by_the_order_reference():
    found = notice(derived("payment_intent.payment_failed"))

    assert (found.invoice, found.charge) == ("in_D1", "ch_D1")


def test_the_join_of_payment_and_invoice():
    found = notice(derived("invoice_payment.paid"))

    assert (found.payment, found.invoice, found.amount_minor) == ("pi_D1", "in_D1", 9500)


def test_a_refund_is_cumulative_and_names_no_invoice_any_more():
    found = notice(derived("charge.refunded"))

    assert (found.amount_minor, found.invoice) == (4000, None)
    assert isinstance(found.snapshot, Payment)
    assert found.snapshot.refunded_minor == 4000


def invoice_of(file: str) -> Invoice:
    snapshot = notice(file).snapshot
    assert isinstance(snapshot, Invoice)
    return snapshot


def test_a_customer_of_accounts_v2_is_null():
    assert invoice_of(derived("invoice.payment_failed", 6)).customer_id is None


def test_a_one_off_invoice_has_no_subscription():
    found = invoice_of(derived("invoice.payment_failed", 5))

    assert (found.subscription_id, found.billing_reason) == (None, "manual")


def test_an_invoice_we_drive_is_not_advanced():
    found = invoice_of(derived("invoice.payment_failed", version="2026-06-24.dahlia"))

    assert found.auto_advance is False
    assert found.next_attempt_at is None


def test_what_was_settled_elsewhere_is_no_money_of_the_provider():
    found = invoice_of(derived("invoice.paid", 2))

    assert (found.paid_minor, found.off_provider_minor) == (0, 9500)


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("invoice.voided", InvoiceStatus.VOID, None),
        ("invoice.marked_uncollectible", InvoiceStatus.UNCOLLECTIBLE, "max_payment_attempts"),
        ("invoice.paid", InvoiceStatus.PAID, None),
    ],
)
def test_how_an_invoice_ended(name, status, reason):
    found = invoice_of(derived(name))

    assert (found.status, found.closed_reason) == (status, reason)


def test_an_invoice_without_a_status_is_read_by_its_flags():
    found = invoice_of("zulip-webhook__invoice.payment_failed__2016-07-06.json")

    assert found.status is InvoiceStatus.OPEN


def subscription_of(file: str) -> Subscription:
    snapshot = notice(file).snapshot
    assert isinstance(snapshot, Subscription)
    return snapshot


UPDATED, DELETED, PAUSED = (
    f"customer.subscription.{what}" for what in ("updated", "deleted", "paused")
)


@pytest.mark.parametrize(
    ("file", "status"),
    [
        (derived(UPDATED), "past_due"),
        (derived(UPDATED, 2), "active"),
        (derived(UPDATED, 3), "unpaid"),
        (derived(UPDATED, 10), "incomplete_expired"),
        (derived(DELETED), "canceled"),
        (derived(PAUSED), "paused"),
    ],
)
def test_the_status_of_a_subscription(file, status):
    assert subscription_of(file).status == status


@pytest.mark.parametrize(
    ("nth", "flag", "scheduled"), [(4, True, True), (5, False, True), (6, False, False)]
)
def test_a_scheduled_end_is_seen_with_and_without_the_flag(nth, flag, scheduled):
    found = subscription_of(derived(UPDATED, nth))

    assert found.cancel_at_period_end is flag
    assert (found.cancel_at is not None) is scheduled


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (derived(DELETED), "payment_failed"),
        (derived(DELETED, 2), "cancellation_requested"),
        (derived(DELETED, 4), "cancellation_requested"),
        (derived(DELETED, version="2026-06-24.dahlia"), "canceled_by_retention_policy"),
    ],
)
def test_why_a_subscription_ended(file, reason):
    assert subscription_of(file).cancellation_reason == reason


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (derived(PAUSED), "pause_requested"),
        (derived(PAUSED, 2), "final_payment_failure"),
        (derived(PAUSED, version="2023-10-16"), "trial_end_without_payment_method"),
    ],
)
def test_why_a_subscription_was_paused(file, reason):
    assert subscription_of(file).pause_reason == reason


@pytest.mark.parametrize(
    ("file", "mrr"),
    [
        (derived(UPDATED), 2980),
        ("ruby-mock__customer.subscription.updated__2020-08-27.json", 1500),
        ("zulip-webhook__customer.subscription.created__2018-11-08__2.json", 6667),
    ],
)
def test_monthly_recurring_revenue(file, mrr):
    assert subscription_of(file).mrr_minor == mrr


def test_a_card_set_on_the_subscription_is_seen():
    found = notice(derived(UPDATED, 9))

    assert found.method is not None
    assert "default_payment_method" in found.previous


def test_a_thin_event_without_a_related_object_names_nobody():
    found = notice("derived__v1.invoice.upcoming__noversion.json")

    assert (found.kind, found.object, found.customer) == (NoticeKind.READ, None, None)


def test_an_unheard_of_event_starts_nothing():
    assert notice(derived("invoice.some_future_event", version="2027-03-31.foxglove")).kind == (
        NoticeKind.OTHER
    )
