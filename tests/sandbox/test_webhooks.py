"""Webhooks: signed, in the endpoint's version, in order, and again after a failure."""

import json
import threading

import pytest
import stripe

from tests.sandbox.stand import (
    DAY,
    START,
    a_subscription,
    a_world,
    ask,
    behaves,
    default_card,
    serve,
)

# The SDK hands bodies to httpx in a way httpx is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def an_endpoint(client, listener, *, version=None, events=("*",)):
    params = {"url": listener.url, "enabled_events": list(events)}
    if version:
        params["api_version"] = version
    return client.v1.webhook_endpoints.create(params)


def test_a_webhook_verifies_with_the_official_sdk(served, listener):
    client = served.client()
    endpoint = an_endpoint(client, listener)

    client.v1.customers.create({"email": "ada@x.example"})
    served.control("deliver")

    event, signature, body = listener.heard[0]
    assert stripe.WebhookSignature.verify_header(body.decode(), signature, endpoint.secret)
    assert event["type"] == "customer.created"
    assert event["data"]["object"]["email"] == "ada@x.example"


def test_while_a_secret_is_rolled_both_sign_and_after_a_day_only_the_new(served, listener):
    client = served.client()
    endpoint = an_endpoint(client, listener)
    fresh = served.control(f"webhook_endpoints/{endpoint.id}/roll")["secret"]

    client.v1.customers.create({"email": "a@x.example"})
    served.control("deliver")
    served.advance(days=1.5)
    client.v1.customers.create({"email": "b@x.example"})
    served.control("deliver")

    (_, both, body), (_, one, _) = listener.heard
    assert both.count("v1=") == 2
    for secret in (endpoint.secret, fresh):
        assert stripe.WebhookSignature.verify_header(body.decode(), both, secret)
    assert one.count("v1=") == 1


def test_an_endpoint_hears_only_what_it_asked_for(served, listener):
    client = served.client()
    an_endpoint(client, listener, events=["product.created"])

    client.v1.customers.create({"email": "a@x.example"})
    client.v1.products.create({"name": "Pro"})
    served.control("deliver")

    assert listener.types() == ["product.created"]


def test_what_was_refused_comes_again_later(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    listener.refusals = 2
    client.v1.customers.create({"email": "a@x.example"})

    first = served.control("deliver")
    waiting = client.v1.events.list({"delivery_success": False}).data
    served.advance(days=1)

    assert (first["undelivered"], first["put_off"]) == (0, 1)
    assert [event.type for event in waiting] == ["customer.created"]
    assert listener.types() == ["customer.created"]
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_webhooks_can_be_lost_doubled_delayed_and_shuffled(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    for fault in ("lose", "double"):
        served.control("faults", {"fault": fault, "type": "customer.created"})
    served.control("faults", {"fault": "delay", "type": "product.*", "seconds": 600})

    client.v1.customers.create({"email": "a@x.example"})
    served.control("deliver")
    client.v1.customers.create({"email": "b@x.example"})
    client.v1.products.create({"name": "Pro"})
    at_once = served.control("deliver")
    served.advance(days=0.1)

    emails = [event["data"]["object"].get("email") for event, _, _ in listener.heard]
    assert emails == ["b@x.example", "b@x.example", None]
    assert at_once["put_off"] == 1


def test_shuffled_webhooks_all_come_but_not_in_their_order(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    made = [client.v1.products.create({"name": f"P{n}"}).id for n in range(8)]
    served.control("faults", {"fault": "shuffle"})

    served.control("deliver")

    heard = [event["data"]["object"]["id"] for event, _, _ in listener.heard]
    assert sorted(heard) == sorted(made)
    assert heard != sorted(made)


def test_an_event_can_be_sent_again(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    client.v1.customers.create({"email": "a@x.example"})
    served.control("deliver")

    served.control(f"events/{listener.heard[0][0]['id']}/resend")
    served.control("deliver")

    assert [event["id"] for event, _, _ in listener.heard] == [listener.heard[0][0]["id"]] * 2


def test_advancing_awaits_every_answer(served, listener):
    client = served.client()
    customer = client.v1.customers.create({"email": "a@x.example"})
    client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    an_endpoint(client, listener)

    told = served.advance(days=1)

    assert told["undelivered"] == 0


def test_webhooks_of_two_customers_are_under_way_at_once(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    listener.together = threading.Barrier(2)
    for name in "ab":
        client.v1.customers.create({"email": f"{name}@x.example"})

    told = served.control("deliver")

    assert (told["sent"], told["put_off"]) == (2, 0)


def test_one_customers_webhooks_come_in_their_order_whoever_is_told_beside(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    known = [client.v1.customers.create({"email": f"{name}@x.example"}).id for name in "abc"]
    for change in range(3):
        for customer in known:
            client.v1.customers.update(customer, {"name": f"{change}"})

    served.control("deliver")

    told = [event["data"]["object"] for event, _, _ in listener.heard]
    for customer in known:
        assert [t["name"] for t in told if t["id"] == customer] == [None, "0", "1", "2"]


def test_a_fault_meets_the_first_in_line_whoever_is_answered_sooner(served, listener):
    client = served.client()
    an_endpoint(client, listener)
    known = [client.v1.customers.create({"email": f"{n}@x.example"}).id for n in range(40)]
    served.control("faults", {"fault": "lose", "type": "customer.*"})

    served.control("deliver")

    heard = {event["data"]["object"]["id"] for event, _, _ in listener.heard}
    assert set(known) - heard == {min(known)}


def test_a_thin_destination_hears_only_where_to_look(served, listener):
    client = served.client()
    body = {
        "name": "thin",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["v1.customer.created"],
        "webhook_endpoint": {"url": listener.url},
    }
    answer = served.raw("POST", "/v2/core/event_destinations", json=body)

    made = client.v1.customers.create({"email": "a@x.example"})
    served.control("deliver")

    event = listener.heard[0][0]
    assert answer.status_code == 200
    assert (event["object"], event["type"]) == ("v2.core.event", "v1.customer.created")
    assert event["related_object"] == {
        "id": made.id,
        "type": "customer",
        "url": f"/v1/customers/{made.id}",
    }
    assert "data" not in event


VERSIONS = ("2020-08-27", "2024-06-20", "2025-11-17.clover", "2026-10-28.endive")


def bodies(kind):
    """The latest event of a kind in each version, after a refused and then a paid renewal."""
    world = a_world()
    for version in VERSIONS:
        ask(
            world,
            "POST",
            "/v1/webhook_endpoints",
            url=f"https://{version}.example",
            enabled_events=["*"],
            api_version=version,
        )
    subscription = a_subscription(world)
    card = default_card(world, subscription["customer"])
    behaves(world, card, kind="decline", code="insufficient_funds", times=1)
    world.advance_to(START + 34 * DAY)
    found = [json.loads(d["body"]) for d in world.all("delivery")]
    return {b["api_version"]: b for b in found if b["type"] == kind}


@pytest.mark.parametrize("version", VERSIONS[:2])
def test_before_basil_an_invoice_names_its_subscription_charge_and_intent(version):
    invoice = bodies("invoice.payment_failed")[version]["data"]["object"]

    assert invoice["subscription"].startswith("sub_")
    assert invoice["charge"].startswith("ch_")
    assert invoice["payment_intent"].startswith("pi_")
    assert (invoice["paid"], "parent" in invoice) == (False, False)
    line = invoice["lines"]["data"][0]
    assert (line["type"], line["proration"]) == ("subscription", False)
    assert line["price"]["unit_amount"] == 2000


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_since_basil_an_invoice_names_its_parent_only(version):
    invoice = bodies("invoice.payment_failed")[version]["data"]["object"]

    gone = {"subscription", "charge", "payment_intent", "paid", "discount", "payments"}
    assert invoice["parent"]["subscription_details"]["subscription"].startswith("sub_")
    assert not gone & set(invoice)
    assert "sandbox" not in invoice


def test_periods_moved_from_the_subscription_to_its_items_also_in_previous_attributes():
    told = bodies("customer.subscription.updated")
    renewed = {version: event["data"]["object"] for version, event in told.items()}

    assert "current_period_end" in renewed["2024-06-20"]
    assert "current_period_end" not in renewed["2025-11-17.clover"]
    item = renewed["2026-10-28.endive"]["items"]["data"][0]
    assert item["current_period_end"] == renewed["2020-08-27"]["current_period_end"]


def test_a_charge_lost_its_invoice_in_basil_and_its_refunds_before():
    told = {v: e["data"]["object"] for v, e in bodies("charge.failed").items()}

    assert told["2020-08-27"]["refunds"]["data"] == []
    assert told["2024-06-20"]["invoice"].startswith("in_")
    assert "refunds" not in told["2024-06-20"]
    assert "invoice" not in told["2025-11-17.clover"]
    assert told["2026-10-28.endive"]["outcome"]["network_decline_code"] == "51"


def test_an_intent_carried_its_charges_before_it_named_the_latest():
    told = {v: e["data"]["object"] for v, e in bodies("payment_intent.payment_failed").items()}

    assert told["2020-08-27"]["charges"]["data"][0]["status"] == "failed"
    assert told["2024-06-20"]["latest_charge"].startswith("ch_")


def test_the_upcoming_invoice_had_no_id_before_basil():
    told = {v: e["data"]["object"] for v, e in bodies("invoice.upcoming").items()}

    assert "id" not in told["2024-06-20"]
    assert told["2026-10-28.endive"]["id"].startswith("upcoming_in_")


def test_the_requested_version_shapes_the_api_answer():
    world = a_world()
    subscription = a_subscription(world)

    path = f"/v1/invoices/{subscription['latest_invoice']}"
    old = world.call("GET", path, {"expand": ["payment_intent"]}, api_version="2024-06-20").body

    assert old["payment_intent"]["status"] == "succeeded"
    assert (old["subscription"], old["paid"]) == (subscription["id"], True)


def test_a_running_sandbox_keeps_time_and_sends_by_itself(listener):
    time = {"now": START}
    with serve(mode="running", clock=lambda: time["now"]) as served:
        data = {"url": listener.url, "enabled_events[]": "customer.created"}
        served.raw("POST", "/v1/webhook_endpoints", data=data)
        time["now"] += 3 * DAY

        served.raw("POST", "/v1/customers", data={"email": "a@x.example"})

        assert listener.waits_for("customer.created")
        assert listener.heard[0][0]["created"] == START + 3 * DAY


def test_what_is_not_a_request_is_refused_in_the_providers_form(served):
    headers = {"content-type": "application/json"}

    answer = served.raw("POST", "/v2/core/event_destinations", content=b"{", headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
