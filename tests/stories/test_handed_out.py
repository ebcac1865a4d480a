"""What somebody is told of themselves has what names them by their invoices alone."""

import json

import pytest

from app.domain.first_payments import FirstPayment
from app.domain.takings import Taking
from app.services import personal_data
from tests.stories.cards import APPROVES
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def test_what_they_paid_is_handed_out_too(stage: Stage) -> None:
    person, other = await stage.subscriber(APPROVES), await stage.subscriber(APPROVES)
    await stage.passes(days=35)

    merchant = stage.merchant.merchant_id
    document = await personal_data.export(stage.world, merchant, person.customer, actor="test")

    for name, kind in (("first_payments", FirstPayment), ("takings", Taking)):
        rows, every = document["held"][name], await stage.find(kind)
        assert 0 < len(rows) < len(every), name
        assert {row["subscription_id"] for row in rows} == {person.subscription}
    assert other.subscription not in json.dumps(document)
