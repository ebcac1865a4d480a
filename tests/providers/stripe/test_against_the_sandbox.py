"""The production adapter against the sandbox, over real HTTP: no answer here is ours."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import pytest

from app.domain.declines import DeclineKind
from app.domain.mirror import InvoiceStatus
from app.domain.notices import NoticeKind
from app.domain.outcomes import Outcome
from app.ports.payments import ProviderRefused
from app.providers.stripe.admin import EVENTS, StripeAdmin
from app.providers.stripe.translate import translate
from app.providers.stripe.webhooks import StripeWebhooks
from tests.providers.stripe.wire import ACCOUNT, PaperSealer
from tests.sandbox.stand import Listener, Served, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as running:
        yield running


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listening:
        yield listening


@pytest.fixture
def account(served):
    return replace(ACCOUNT, api_key_sealed=f"sealed:{served.key}", api_base=served.url)


def post(served: Served, path: str, **form: Any) -> Any:
    answer = served.raw("POST", f"/v1/{path}", data=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(served: Served, path: str) -> Any:
    return served.raw("GET", f"/v1/{path}").json()


class Refused:
    """A customer whose renewal was refused, and the open invoice of it."""

    def __init__(self, served: Served, **behaviour: Any) -> None:
        self.customer = post(served, "customers", email="ada@x.example")["id"]
        self.card = post(served, "payment_methods/pm_card_visa/attach", customer=self.customer)[
            "id"
        ]
        default = {"invoice_settings[default_payment_method]": self.card}
        post(served, f"customers/{self.customer}", **default)
        product = post(served, "products", name="Pro")["id"]
        monthly = {"unit_amount": 2000, "currency": "usd", "recurring[interval]": "month"}
        price = post(served, "prices", product=product, **monthly)["id"]
        item = {"items[0][price]": price}
        self.subscription = post(served, "subscriptions", customer=self.customer, **item)["id"]
        refuses = {"kind": "decline", "code": "insufficient_funds", **behaviour}
        served.control("cards", {"payment_method": self.card, "behaviour": refuses})
        served.advance(days=31)
        found = get(served, f"invoices?customer={self.customer}&status=open")
        self.invoice = found["data"][0]["id"]


async def test_the_last_look_shows_the_refusal_and_the_card_to_be_charged(
    served, payments, account
):
    case = Refused(served)

    reading = await payments.read_invoice(account, case.invoice)

    assert reading.invoice.status is InvoiceStatus.OPEN
    assert (reading.invoice.remaining_minor, reading.invoice.currency) == (2000, "usd")
    assert reading.invoice.subscription_id == case.subscription
    assert reading.invoice.customer_id == case.customer
    assert reading.subscription_status == "past_due"
    assert reading.method is not None
    assert (reading.method.method_id, reading.method.brand) == (case.card, "visa")
    assert reading.method.fingerprint
    (payment,) = reading.payments
    assert payment.status == "failed"
    assert payment.charge_id is not None
    assert payment.decline is not None
    assert payment.decline["kind"] == DeclineKind.INSUFFICIENT_FUNDS


async def test_a_refused_charge_is_declined_and_its_repeat_is_the_same_charge(
    served, payments, account
):
    case = Refused(served)

    first = await payments.pay(account, case.invoice, key="case_1:1")
    again = await payments.pay(account, case.invoice, key="case_1:1")
    other = await payments.pay(account, case.invoice, key="case_1:2")

    assert first.outcome is again.outcome is other.outcome is Outcome.DECLINED
    assert first.decline is not None
    assert first.decline.kind is DeclineKind.INSUFFICIENT_FUNDS
    assert first.charge_id == again.charge_id != other.charge_id


async def test_a_new_card_pays_and_the_answer_names_the_charge_of_the_webhook(
    served, payments, account
):
    case = Refused(served)
    new = post(served, "payment_methods/pm_card_mastercard/attach", customer=case.customer)["id"]

    await payments.set_default_method(
        account,
        customer=case.customer,
        subscriptions=(case.subscription,),
        method=new,
        key="act_1",
    )
    answer = await payments.pay(account, case.invoice, key="case_1:1")
    reading = await payments.read_invoice(account, case.invoice)

    assert answer.outcome is Outcome.APPROVED
    assert answer.invoice is not None
    assert answer.invoice.status is InvoiceStatus.PAID
    assert reading.method is not None
    assert (reading.method.method_id, reading.subscription_default_method) == (new, new)
    paid = next(payment for payment in reading.payments if payment.status == "succeeded")
    assert (paid.payment_id, paid.charge_id) == (answer.payment_id, answer.charge_id)
    assert await payments.invoice_of_payment(account, paid.payment_id) == case.invoice


async def test_a_paid_invoice_is_not_paid_twice(served, payments, account):
    case = Refused(served, times=1)
    first = await payments.pay(account, case.invoice, key="case_1:1")

    second = await payments.pay(account, case.invoice, key="case_1:2")

    assert first.outcome is Outcome.APPROVED
    assert (second.outcome, second.code) == (Outcome.NOT_EXECUTED, "already_paid")


async def test_a_card_that_wants_authentication_asks_the_customer(served, payments, account):
    case = Refused(served)
    wary = "payment_methods/pm_card_authenticationRequired/attach"
    method = post(served, wary, customer=case.customer)["id"]

    answer = await payments.pay(account, case.invoice, key="case_1:1", method=method)

    assert answer.outcome is Outcome.ACTION_REQUIRED
    assert await payments.invoice_page(account, case.invoice)


async def test_an_answer_lost_after_the_charge_is_unknown_and_the_repeat_finds_it(
    served, payments, account
):
    case = Refused(served, times=1)
    fault = {"fault": "reset_after", "method": "POST", "path": f"/v1/invoices/{case.invoice}/pay"}
    served.control("faults", fault | {"times": 1})

    first = await payments.pay(account, case.invoice, key="case_1:1")
    second = await payments.pay(account, case.invoice, key="case_1:1")
    reading = await payments.read_invoice(account, case.invoice)

    assert first.outcome is Outcome.UNKNOWN
    assert second.outcome is Outcome.APPROVED
    assert [p.status for p in reading.payments].count("succeeded") == 1


async def test_stripes_own_retries_stop(served, payments, account):
    case = Refused(served)

    before = (await payments.read_invoice(account, case.invoice)).invoice
    after = await payments.stop_provider_retries(account, case.invoice)

    assert before.next_attempt_at is not None
    assert (after.next_attempt_at, after.auto_advance) == (None, False)


async def test_the_end_of_a_subscription_may_be_repeated(served, payments, account):
    case = Refused(served)

    for _ in range(2):
        await payments.end_subscription(
            account, case.subscription, how="cancel_now", key="case_1:end"
        )

    assert get(served, f"subscriptions/{case.subscription}")["status"] == "canceled"


@pytest.mark.parametrize("how", ["uncollectible", "void"])
async def test_the_end_of_an_invoice_may_be_repeated(served, payments, account, how):
    case = Refused(served)

    first = await payments.close_invoice(account, case.invoice, how=how, key="case_1:one")
    second = await payments.close_invoice(account, case.invoice, how=how, key="case_1:two")

    assert first.status == second.status == how


async def test_what_does_not_exist_is_refused(payments, account):
    with pytest.raises(ProviderRefused) as refused:
        await payments.read_invoice(account, "in_nowhere")

    assert refused.value.code == "resource_missing"


async def test_a_card_page_collects_a_card_and_brings_our_link_back(served, payments, account):
    case = Refused(served)

    url = await payments.card_page(
        account, customer=case.customer, return_url="https://a.example", link="l1", currency="usd"
    )
    session = url.rsplit("/", 1)[-1].partition("?")[0]
    act = {"act": "new_card", "card": "pm_card_mastercard", "checkout_session": session}
    served.control(f"customers/{case.customer}/acts", act)

    told = get(served, "events?limit=100")["data"]
    notices = [notice for event in told for notice in translate(orjson.dumps(event))]
    (collected,) = [n for n in notices if n.kind is NoticeKind.CARD_COLLECTED]
    assert (collected.customer, collected.link) == (case.customer, "l1")
    assert collected.method


async def test_objects_are_read_live(served, payments, account):
    case = Refused(served)
    (payment,) = (await payments.read_invoice(account, case.invoice)).payments
    at = datetime.fromisoformat("2026-11-01T00:00:00+00:00")

    async def read(own):
        (notice,) = await payments.read_object(account, type="", id=own, event="evt_1", at=at)
        return notice

    assert (await read(case.invoice)).kind is NoticeKind.INVOICE_FAILED
    assert (await read(case.subscription)).kind is NoticeKind.SUBSCRIPTION_CHANGED
    assert (await read(case.customer)).kind is NoticeKind.CUSTOMER_CHANGED
    assert (await read(case.card)).kind is NoticeKind.METHOD_CHANGED
    failed = await read(payment.payment_id)
    assert (failed.kind, failed.invoice) == (NoticeKind.PAYMENT_FAILED, case.invoice)


@pytest.mark.parametrize(
    "version", ["2020-08-27", "2024-06-20", "2025-11-17.clover", "2026-10-28.endive"]
)
async def test_webhooks_of_every_version_verify_and_tell_of_the_refusal(served, listener, version):
    hook = {"url": listener.url, "enabled_events[0]": "*", "api_version": version}
    secret = post(served, "webhook_endpoints", **hook)["secret"]

    case = Refused(served)

    hooks = StripeWebhooks()
    notices = []
    for _, header, body in listener.heard:
        stamp = int(header.partition("t=")[2].partition(",")[0])
        now = datetime.fromtimestamp(stamp).astimezone()
        hooks.verify(body, header.encode(), secrets=(secret,), now=now)
        notices += hooks.translate(body)
    failed = next(n for n in notices if n.kind is NoticeKind.INVOICE_FAILED)
    refusals = [n for n in notices if n.kind is NoticeKind.PAYMENT_FAILED]
    why = next(n for n in refusals if n.object == n.charge)
    assert (failed.invoice, failed.subscription) == (case.invoice, case.subscription)
    assert (failed.customer, failed.amount_minor) == (case.customer, 2000)
    assert why.decline is not None
    assert why.decline.kind is DeclineKind.INSUFFICIENT_FUNDS


async def test_connect_and_doctor_find_what_they_made(served, account):
    Refused(served)
    admin = StripeAdmin(PaperSealer())
    try:
        made, secret = await admin.create_webhook_endpoint(account, "https://a.example/hook")
        (endpoint,) = await admin.list_webhook_endpoints(account)
        seen = await admin.read_account(account)
        collisions = await admin.sample_collisions(account)
    finally:
        await admin.close()

    assert secret.startswith("whsec_")
    assert (endpoint.id, endpoint.faults()) == (made, [])
    assert set(endpoint.events) == set(EVENTS)
    assert seen.id.startswith("acct_")
    assert (collisions.sampled, len(collisions.scheduled)) == (1, 1)
