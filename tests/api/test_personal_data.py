"""What is held of a customer, and erasing one, over the API: of one's own merchant alone."""

from typing import Any

import httpx
import pytest

from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Customer
from tests.api.stage import Stage

pytestmark = pytest.mark.anyio
HELD = "/v1/customers/cus_1/personal-data"
ERASE = "/v1/customers/cus_1/erase"


async def known(stage: Stage, merchant: Merchant, account: ProviderAccount) -> None:
    row = Customer(
        merchant_id=merchant.merchant_id,
        account_id=account.account_id,
        customer_id="cus_1",
        name="Ada Lovelace",
        email="ada@example.com",
    )
    await stage.holds(merchant, row)


async def named(stage: Stage, merchant: Merchant, account: ProviderAccount) -> str | None:
    """The name that is stored."""
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        (row,) = await tx.load(Customer, [(account.account_id, "cus_1")])
    return row.name


async def test_one_is_handed_out_erased_and_handed_out_once_more(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await known(stage, merchant, account)
    headers = await stage.key(merchant)

    before = (await stage.client.get(HELD, headers=headers)).json()
    erased = (await stage.client.post(ERASE, headers=headers)).json()
    again = (await stage.client.post(ERASE, headers=headers)).json()
    after = (await stage.client.get(HELD, headers=headers)).json()

    of: dict[str, Any] = {"account": account.account_id, "customer": "cus_1"}
    assert before.items() >= (of | {"erased": False}).items()
    assert before["held"]["customer"][0]["name"] == "Ada Lovelace"
    assert erased.items() >= (of | {"stopped_cases": [], "overwritten": {"customer": 1}}).items()
    assert again["overwritten"] == {}
    assert (after["erased"], after["held"]["customer"][0]["name"]) == (True, None)


@pytest.mark.parametrize(("method", "path"), [("GET", HELD), ("POST", ERASE)])
async def test_another_merchants_customer_is_not_there(
    stage: Stage, method: str, path: str
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await known(stage, merchant, account)
    other = await stage.merchant()
    theirs = await stage.account(other)

    async def ask(**asked: str) -> httpx.Response:
        headers = await stage.key(other)
        return await stage.client.request(method, path, params=asked, headers=headers)

    for asked in ({}, {"account": account.account_id}, {"account": theirs.account_id}):
        assert (await ask(**asked)).status_code == 404
    assert await named(stage, merchant, account) == "Ada Lovelace"


@pytest.mark.parametrize(("method", "path"), [("GET", HELD), ("POST", ERASE)])
async def test_of_one_whom_several_accounts_know_the_account_is_asked(
    stage: Stage, method: str, path: str
) -> None:
    # given a customer of two accounts
    merchant = await stage.merchant()
    first = await stage.account(merchant, provider_ref="acct_1")
    second = await stage.account(merchant, provider_ref="acct_2")
    for account in (first, second):
        await known(stage, merchant, account)
    headers = await stage.key(merchant)

    # when it is not said which is meant, and when it is
    open_ = await stage.client.request(method, path, headers=headers)
    said = {"account": second.account_id}
    meant = await stage.client.request(method, path, params=said, headers=headers)

    # then nothing is done, and then it is done to that one alone
    assert open_.status_code == 409
    assert (meant.status_code, meant.json()["account"]) == (200, second.account_id)
    assert await named(stage, merchant, first) == "Ada Lovelace"
