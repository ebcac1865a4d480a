"""Setting an endpoint up, and looking whether it still serves."""

from dataclasses import replace
from typing import get_args

import pytest
import respx
from stripe.params._webhook_endpoint_create_params import WebhookEndpointCreateParams

from app.domain.notices import NoticeKind
from app.providers.stripe.admin import EVENTS, Endpoint, StripeAdmin
from app.providers.stripe.translate import READER_OF
from tests.providers.stripe.wire import ACCOUNT, API, PaperSealer, answers, form

pytestmark = pytest.mark.anyio
SOON = 1_790_000_000
ENDPOINTS = f"{API}/v1/webhook_endpoints"
GOOD = Endpoint(
    id="we_1",
    url="https://a.example/webhooks/stripe/acc_1",
    status="enabled",
    api_version="2026-10-28.endive",
    events=EVENTS,
)


@pytest.fixture
async def admin():
    made = StripeAdmin(PaperSealer())
    yield made
    await made.close()


def test_we_ask_for_what_we_read_and_never_hold_renewals_back():
    assert set(EVENTS) <= set(READER_OF)
    assert len(set(EVENTS)) == len(EVENTS)
    assert "*" not in EVENTS
    assert "invoice.created" not in EVENTS


def test_every_kind_of_notice_can_come_from_an_event_we_ask_for():
    asked = {READER_OF[name][1] for name in EVENTS}
    # Made of others: closed disputes, finished checkouts, refunds read live, thin events. The
    # first is never asked.
    otherwise = {
        NoticeKind.INVOICE_CREATED,
        NoticeKind.DISPUTE_WON,
        NoticeKind.DISPUTE_LOST,
        NoticeKind.REFUND_FAILED,
        NoticeKind.READ,
        NoticeKind.OTHER,
    }

    assert set(NoticeKind) - otherwise <= asked


def test_stripe_knows_every_event_we_ask_for():
    annotation = WebhookEndpointCreateParams.__annotations__["enabled_events"]
    words = str(annotation)

    assert [name for name in EVENTS if f"'{name}'" not in words] == []
    assert get_args(annotation) is not None


async def test_an_endpoint_is_made_with_pinned_version_and_listed_events(admin):
    with respx.mock:
        made = {"id": "we_1", "secret": "whsec_1"}
        route = respx.post(ENDPOINTS).mock(return_value=answers(made))
        endpoint = await admin.create_webhook_endpoint(ACCOUNT, "https://a.example/hook")

    sent = form(route)
    assert endpoint == ("we_1", "whsec_1")
    assert sent["api_version"] == "2026-10-28.endive"
    assert sent["url"] == "https://a.example/hook"
    assert {v for k, v in sent.items() if k.startswith("enabled_events")} == set(EVENTS)


async def test_endpoints_are_listed(admin):
    obj = {"id": "we_1", "url": "u", "status": "disabled", "enabled_events": ["*"]}
    with respx.mock:
        respx.get(ENDPOINTS).mock(return_value=answers({"data": [obj]}))
        (endpoint,) = await admin.list_webhook_endpoints(ACCOUNT)

    assert endpoint == Endpoint(
        id="we_1", url="u", status="disabled", api_version=None, events=("*",)
    )


def test_an_endpoint_as_we_make_it_has_no_faults():
    assert GOOD.faults() == []


@pytest.mark.parametrize(
    ("endpoint", "word"),
    [
        (replace(GOOD, status="disabled"), "disabled"),
        (replace(GOOD, api_version=None), "no version"),
        (replace(GOOD, api_version="2020-08-27"), "2020-08-27"),
        (replace(GOOD, events=("*",)), "every event"),
        (replace(GOOD, events=(*EVENTS, "invoice.created")), "hold renewals back"),
        (replace(GOOD, events=EVENTS[1:]), EVENTS[0]),
        (replace(GOOD, events=(*EVENTS, "payout.paid")), "payout.paid"),
    ],
)
def test_the_faults_of_an_endpoint_are_named(endpoint, word):
    assert word in " ".join(endpoint.faults())


async def test_the_account_behind_a_key(admin):
    obj = {"id": "acct_1", "country": "DE", "default_currency": "eur"}
    with respx.mock:
        respx.get(f"{API}/v1/account").mock(return_value=answers(obj))
        seen = await admin.read_account(ACCOUNT)

    assert (seen.id, seen.country, seen.currency) == ("acct_1", "DE", "eur")


async def test_invoices_that_stripe_retries_itself_are_found(admin):
    listed = [
        {"id": "in_1", "next_payment_attempt": SOON, "auto_advance": True, "attempt_count": 1},
        {"id": "in_0", "next_payment_attempt": SOON, "auto_advance": True, "attempt_count": 0},
        {"id": "in_2", "next_payment_attempt": None, "auto_advance": True},
        {"id": "in_3", "next_payment_attempt": None, "auto_advance": False},
    ]
    with respx.mock:
        respx.get(f"{API}/v1/invoices").mock(return_value=answers({"data": listed}))
        found = await admin.sample_collisions(ACCOUNT)

    assert (found.sampled, found.scheduled) == (4, ("in_1",))
    assert found.auto_advancing == ("in_1", "in_0", "in_2")
