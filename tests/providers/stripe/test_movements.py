"""What was taken, given back and lost, as Stripe's lists and objects tell it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import respx

from app.domain.comparing import LineKind, Movement
from app.ports.payments import ProviderRefused, ProviderUnavailable
from tests.providers.stripe.wire import ACCOUNT, API, NOW, answers, refuses, stripe_payments

pytestmark = pytest.mark.anyio
SINCE = NOW - timedelta(days=1)
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "status": "succeeded",
    "amount": 3000,
    "amount_captured": 3000,
    "amount_refunded": 500,
    "currency": "usd",
    "created": int(NOW.timestamp()),
    "customer": "cus_1",
    "payment_intent": "pi_1",
}
DISPUTE: dict[str, Any] = {
    "id": "dp_1",
    "object": "dispute",
    "status": "lost",
    "amount": 2500,
    "currency": "usd",
    "charge": CHARGE,
    "payment_intent": "pi_1",
}


def listed(*rows: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(rows), "has_more": more}


async def lists(of: str, body: Any, after: str | None = None) -> Any:
    with respx.mock:
        route = respx.get(f"{API}/v1/{of}s").mock(return_value=answers(body))
        async with stripe_payments() as payments:
            page = await payments.list_movements(
                ACCOUNT, of, since=SINCE, until=NOW, after=after, limit=100
            )
    return page, dict(route.calls[0].request.url.params)


def sums(found: tuple[Movement, ...]) -> list[tuple[LineKind, str, int]]:
    return [(one.kind, one.ref, one.minor) for one in found]


BOTH = [(LineKind.PAID, "ch_1", 3000), (LineKind.GIVEN_BACK, "ch_1", 500)]


@pytest.mark.parametrize(
    ("of", "row", "told"),
    [
        ("charge", CHARGE, BOTH),
        ("refund", {"id": "re_1", "object": "refund", "charge": CHARGE}, BOTH),
        ("dispute", DISPUTE, [(LineKind.LOST, "dp_1", 2500)]),
        ("dispute", DISPUTE | {"status": "won"}, [(LineKind.LOST, "dp_1", 0)]),
        ("dispute", DISPUTE | {"status": "needs_response"}, [(LineKind.LOST, "dp_1", 0)]),
        ("charge", CHARGE | {"status": "failed"}, []),
        ("charge", CHARGE | {"status": "pending"}, []),
    ],
)
async def test_a_row_is_told_as_what_it_moved(
    of: str, row: dict[str, Any], told: list[tuple[LineKind, str, int]]
) -> None:
    page, asked = await lists(of, listed(row))

    assert sums(page.found) == told
    assert page.next is None
    assert (asked["created[gte]"], asked["created[lte]"]) == (
        str(int(SINCE.timestamp())),
        str(int(NOW.timestamp())),
    )
    assert all(one.at == datetime.fromtimestamp(CHARGE["created"], UTC) for one in page.found)
    assert all((one.payment_id, one.customer_id) == ("pi_1", "cus_1") for one in page.found)


async def test_a_page_leads_to_the_next_by_its_last_row() -> None:
    page, _ = await lists("charge", listed(CHARGE, CHARGE | {"id": "ch_0"}, more=True))
    _, asked = await lists("charge", listed(), after=page.next)

    assert page.next == "ch_0"
    assert asked["starting_after"] == "ch_0"


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"id": None, "status": "succeeded"},
        CHARGE | {"currency": 7},
        CHARGE | {"id": ["ch_1"]},
        CHARGE | {"status": {"succeeded": True}},
    ],
)
async def test_a_row_of_another_shape_is_left_out(row: dict[str, Any]) -> None:
    page, _ = await lists("charge", listed(row))
    of_disputes, _ = await lists("dispute", listed({"charge": row}))

    assert page.found == of_disputes.found == ()


async def test_odd_amounts_count_as_nothing_taken() -> None:
    page, _ = await lists("charge", listed(CHARGE | {"amount_captured": "1e9", "amount": -1}))

    assert [one.minor for one in page.found] == [0, 500]


@pytest.mark.parametrize(
    ("ref", "path", "body", "told"),
    [
        ("ch_1", "charges/ch_1", CHARGE, BOTH),
        ("dp_1", "disputes/dp_1", DISPUTE, [(LineKind.LOST, "dp_1", 2500)]),
        ("pi_1", "payment_intents/pi_1", {"id": "pi_1", "latest_charge": CHARGE}, BOTH),
    ],
)
@respx.mock
async def test_one_thing_is_read_by_its_id(
    ref: str, path: str, body: dict[str, Any], told: list[tuple[LineKind, str, int]]
) -> None:
    respx.get(f"{API}/v1/{path}").mock(return_value=answers(body))

    async with stripe_payments() as payments:
        assert sums(await payments.read_movements(ACCOUNT, ref)) == told


@respx.mock
async def test_what_the_provider_does_not_know_moved_nothing() -> None:
    respx.get(f"{API}/v1/charges/ch_9").mock(
        return_value=refuses(404, type="invalid_request_error", code="resource_missing")
    )

    async with stripe_payments() as payments:
        assert await payments.read_movements(ACCOUNT, "ch_9") == ()


@pytest.mark.parametrize(("status", "fault"), [(400, ProviderRefused), (503, ProviderUnavailable)])
@respx.mock
async def test_another_answer_is_no_word_about_money(status: int, fault: type[Exception]) -> None:
    respx.get(f"{API}/v1/charges/ch_9").mock(return_value=refuses(status, type="api_error"))

    async with stripe_payments() as payments:
        with pytest.raises(fault):
            await payments.read_movements(ACCOUNT, "ch_9")


@pytest.mark.parametrize(
    ("paid", "told"), [([1900], 1900), ([1000, 900], 1900), ([None], 0), ([], None)]
)
@respx.mock
async def test_what_of_a_payment_went_to_an_invoice_is_told_by_the_join(
    paid: list[int | None], told: int | None
) -> None:
    rows = [{"id": f"inpay_{n}", "amount_paid": part} for n, part in enumerate(paid)]
    route = respx.get(f"{API}/v1/invoice_payments").mock(return_value=answers(listed(*rows)))

    async with stripe_payments() as payments:
        assert await payments.read_part(ACCOUNT, "pi_1", "in_1") == told
        assert await payments.read_part(ACCOUNT, "ch_1", "in_1") is None  # of old accounts

    (asked,) = [dict(call.request.url.params) for call in route.calls]
    assert (asked["payment[payment_intent]"], asked["invoice"], asked["status"]) == (
        "pi_1",
        "in_1",
        "paid",
    )
