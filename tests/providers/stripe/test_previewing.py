"""What Stripe is asked to imagine of a charge that lies further ahead than its next one."""

import pytest

from app.ports.payments import ProviderUnavailable
from tests.providers.stripe.test_changing import a_standing, foreseen, line
from tests.providers.stripe.wire import ACCOUNT, API, answers, form

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("left", "asked"),
    [
        pytest.param(None, {}, id="all"),
        pytest.param(("di_1",), {"discounts[0][discount]": "di_1"}, id="one of them"),
        pytest.param((), {"discounts": ""}, id="none"),
    ],
)
async def test_discounts_that_will_be_over_are_left_out_of_a_preview(payments, wire, left, asked):
    route = wire.post(f"{API}/v1/invoices/create_preview")
    route.mock(return_value=answers(foreseen(3000, line(3000))))
    standing = a_standing()

    await payments.preview_change(ACCOUNT, standing, (), discounts=left)

    assert form(route) == {"subscription": standing.subscription_id, **asked}


async def test_a_preview_of_many_lines_is_read_to_its_end(payments, wire):
    shown = foreseen(36_000, *(line(3000) for _ in range(10))) | {"id": "upcoming_in_1"}
    shown["lines"] |= {"has_more": True, "total_count": 12}
    wire.post(f"{API}/v1/invoices/create_preview").mock(return_value=answers(shown))
    every = {"data": [line(3000) for _ in range(12)], "has_more": False}
    route = wire.get(f"{API}/v1/invoices/upcoming_in_1/lines").mock(return_value=answers(every))

    forecast = await payments.preview_change(ACCOUNT, a_standing(), ())

    assert (forecast.due_minor, forecast.regular_minor) == (36_000, 36_000)
    assert dict(route.calls[0].request.url.params) == {"limit": "100"}


async def test_a_preview_whose_lines_are_not_all_told_is_none(payments, wire):
    shown = foreseen(36_000, line(3000)) | {"id": "upcoming_in_1"}
    shown["lines"] |= {"has_more": True, "total_count": 12}
    wire.post(f"{API}/v1/invoices/create_preview").mock(return_value=answers(shown))
    some = {"data": [line(3000)], "has_more": False}
    wire.get(f"{API}/v1/invoices/upcoming_in_1/lines").mock(return_value=answers(some))

    with pytest.raises(ProviderUnavailable):
        await payments.preview_change(ACCOUNT, a_standing(), ())
