"""What an offer costs is told before it can be accepted, wherever it is shown, and then charged."""

from typing import Any

import pytest

from app.domain.evidence import Evidence, EvidenceKind
from app.domain.redemptions import Redemption
from app.domain.sessions import CancelSession
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door, Leaver
from tests.stories.stage import PRICE

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
YEAR = 30000
KEY = {"Idempotency-Key": "k"}


async def publishes(door: Door, offer: Json) -> None:
    """The merchant makes this offer to whom it is too expensive."""
    when = {"reasons": ["too_expensive"]}
    made = {"id": "stay", "kind": "offer", "when": when, "offer": offer}
    ends = [{"id": "confirm", "kind": "confirm"}, {"id": "done", "kind": "success"}]
    flow = {"place": "DE", "steps": [{"id": "why", "kind": "survey"}, made, *ends]}
    put = await door.asks("PUT", "/v1/cancel-flows/default", door.backend(), flow)
    assert put.status_code == 200, put.text
    path = "/v1/cancel-flows/default/publish"
    done = await door.asks("POST", path, door.backend(), {"version": 1})
    assert done.status_code == 200, done.text


def a_year(door: Door) -> Json:
    """An offer of a year, for the price that subscribers of a story pay by the month."""
    monthly, yearly = door.stage.price("month", "usd", PRICE), door.stage.price("year", "usd", YEAR)
    return {"kind": "annual", "to": {monthly: yearly}}


async def asked(door: Door) -> Leaver:
    person = await door.stage.subscriber(APPROVES)
    await door.stage.passes(days=10)
    leaver = await door.opens(person)
    await leaver.does("answer", step="why", reason="too_expensive")
    return leaver


async def test_a_discount_is_told_by_api_and_page_and_is_what_is_then_charged(door: Door) -> None:
    stage = door.stage
    await publishes(door, {"kind": "discount", "percent": 50, "months": 3})
    leaver = await door.opens(await stage.subscriber(APPROVES))

    await leaver.does("answer", step="why", reason="too_expensive")
    shown = await door.client.get(f"/c/{leaver.seen['token']}")
    await leaver.asks("accept", {"step": "stay"}, **KEY)
    await stage.passes(days=31)

    (session,) = await stage.find(CancelSession)
    (line,) = [e for e in await stage.find(Evidence) if e.kind is EvidenceKind.OFFER_SHOWN]
    charged = stage.there("charges", customer=session.customer_id)["data"][0]
    offer, says = leaver.seen["step"]["offer"], leaver.seen["screen"]["says"]
    assert (offer["now_minor"], offer["next_minor"], offer["then_minor"]) == (0, 1500, PRICE)
    assert charged["amount"] == offer["next_minor"]
    assert says == [
        "50% off for 3 months.",
        "Nothing is charged now.",
        "The next charge is $15.00, on Wednesday, October 21, 2026.",
        "From Monday, December 21, 2026 on it is $30.00.",
    ]
    assert all(sentence in shown.text for sentence in says)
    assert line.data is not None
    assert line.data["quote"]["next_minor"] == charged["amount"]


async def test_of_yen_no_fraction_is_told_or_charged(door: Door) -> None:
    stage = door.stage
    await publishes(door, {"kind": "discount", "percent": 50, "months": 3})
    person = await stage.subscriber(APPROVES, currency="jpy", amount=1201)
    leaver = await door.opens(person)

    await leaver.does("answer", step="why", reason="too_expensive")
    offer, says = leaver.seen["step"]["offer"], leaver.seen["screen"]["says"]
    await leaver.asks("accept", {"step": "stay"}, **KEY)
    await stage.passes(days=31)

    charged = stage.there("charges", customer=person.customer)["data"][0]
    assert (charged["amount"], charged["currency"]) == (offer["next_minor"], "jpy")
    assert says[2].startswith(f"The next charge is ¥{offer['next_minor']}, on ")
    assert says[3].endswith("on it is ¥1,201.")


async def test_no_customer_learns_what_an_offer_may_cost_the_merchant(door: Door) -> None:
    budget = {"monthly_budget_minor": {"usd": 777_777}}
    await publishes(door, {"kind": "discount", "percent": 50, "months": 3} | budget)
    leaver = await door.opens(await door.stage.subscriber(APPROVES))

    seen = await leaver.does("answer", step="why", reason="too_expensive")

    assert seen["step"]["kind"] == "offer"
    assert "777777" not in str(seen)
    assert "cost_minor" not in seen["step"]["offer"]


async def test_a_year_costs_what_was_told_half_an_hour_before(door: Door) -> None:
    stage = door.stage
    await publishes(door, a_year(door))
    leaver = await asked(door)
    told = leaver.seen["step"]["offer"]
    await stage.passes(hours=0.5)

    done = await leaver.asks("accept", {"step": "stay"}, **KEY)

    (session,) = await stage.find(CancelSession)
    charged = stage.there("charges", customer=session.customer_id)["data"][0]
    assert (done.status_code, done.json()["state"]) == (200, "saved")
    assert charged["amount"] == told["now_minor"] == YEAR - PRICE * 20 // 30
    assert told["next_minor"] == YEAR


async def test_what_was_told_long_ago_is_told_anew_before_it_is_charged(door: Door) -> None:
    # given a customer who was told the price of a year and comes back in the evening
    stage = door.stage
    await publishes(door, a_year(door))
    leaver = await asked(door)
    former = leaver.seen["step"]["offer"]["now_minor"]
    await stage.passes(hours=9)

    # when they accept, they are shown what it costs by now, and accept that
    early = await leaver.asks("accept", {"step": "stay"}, **KEY)
    anew = (await leaver.looks())["step"]["offer"]["now_minor"]
    late = await leaver.asks("accept", {"step": "stay"}, **KEY)

    # then nothing was charged before it was told
    (session,) = await stage.find(CancelSession)
    charged = [c["amount"] for c in stage.there("charges", customer=session.customer_id)["data"]]
    assert (early.status_code, late.status_code) == (409, 200)
    assert charged == [anew, PRICE]
    assert former < anew
    assert len(await stage.find(Redemption)) == 1


async def test_a_renewal_drafted_between_look_and_click_is_told_before_the_offer_is_accepted(
    door: Door,
) -> None:
    # given somebody who was told, in the last hour of a month, that nothing is charged now
    stage = door.stage
    await publishes(door, {"kind": "discount", "percent": 50, "months": 3})
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=29, hours=23.6)
    leaver = await door.opens(person)
    await leaver.does("answer", step="why", reason="too_expensive")
    before = leaver.seen["step"]["offer"]["now_minor"]

    await stage.passes(hours=0.6)
    first = await leaver.asks("accept", {"step": "stay"}, **KEY)
    anew = (await leaver.looks())["step"]["offer"]["now_minor"]
    second = await leaver.asks("accept", {"step": "stay"}, **{"Idempotency-Key": "k2"})
    await stage.passes(hours=2)

    charges = stage.there("charges", customer=person.customer)["data"]
    assert (before, anew) == (0, PRICE)
    assert (first.status_code, second.status_code) == (409, 200)
    assert [charge["amount"] for charge in charges] == [PRICE, PRICE]


async def test_a_year_for_more_seats_than_were_told_is_told_anew(door: Door) -> None:
    # given a year that was told for one seat, and a colleague who takes two more meanwhile
    stage = door.stage
    await publishes(door, a_year(door))
    leaver = await asked(door)
    (session,) = await stage.find(CancelSession)
    path = f"subscriptions/{session.subscription_id}"
    item = stage.there(path)["items"]["data"][0]["id"]
    stage.call(path, **{"items[0][id]": item, "items[0][quantity]": 3}, proration_behavior="none")

    # when it is accepted twice
    early = await leaver.asks("accept", {"step": "stay"}, **KEY)
    anew = (await leaver.looks())["step"]["offer"]["now_minor"]
    late = await leaver.asks("accept", {"step": "stay"}, **KEY)

    # then the second time it is known what it costs
    charges = stage.there("charges", customer=session.customer_id)["data"]
    assert (early.status_code, late.status_code) == (409, 200)
    assert [charge["amount"] for charge in charges] == [anew, PRICE]


async def test_an_offer_whose_money_nobody_can_tell_is_not_made(door: Door) -> None:
    stage = door.stage
    await publishes(door, {"kind": "discount", "percent": 50, "months": 3})
    leaver = await door.opens(await stage.subscriber(APPROVES))
    stage.fault("500", "/v1/invoices/create_preview", times=9)

    seen = await leaver.does("answer", step="why", reason="too_expensive")

    assert seen["step"]["kind"] == "confirm"
