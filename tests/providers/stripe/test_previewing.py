"""What Stripe is asked to imagine of a charge that lies further ahead than its next one."""

import pytest

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
