"""`/v1/customers/{id}/access`: what a customer may use, until when, and why."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.dunning import Case
from app.domain.merchants import Merchant, ProviderAccount, Scope
from app.domain.mirror import Subscription
from tests.api.stage import NOW, Stage, a_case

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


def a_subscription(account: ProviderAccount, name: str = "sub_1", **told: Any) -> Subscription:
    return Subscription(
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        subscription_id=name,
        **({"customer_id": "cus_1", "status": "past_due", "plan": "Studio"} | told),
    )


def overdue(account: ProviderAccount, days: float, **told: Any) -> Case:
    given: dict[str, Any] = {
        "customer_id": "cus_1",
        "subscription_id": "sub_1",
        "opened_at": NOW - days * DAY,
    }
    money = {"amount_minor": 4900, "due_minor": 4900, "currency": "eur"}
    return a_case(account, **(given | money | told))


async def asks(stage: Stage, merchant: Merchant, customer: str = "cus_1", **query: str) -> Any:
    key = await stage.key(merchant, Scope.CASES_READ)
    return await stage.client.get(f"/v1/customers/{customer}/access", headers=key, params=query)


async def test_access_tells_the_level_until_when_and_why(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    case = overdue(account, 9)
    await stage.holds(merchant, a_subscription(account), case)

    answer = (await asks(stage, merchant)).json()

    assert (answer["level"], answer["advice"]) == ("grace", None)
    assert answer["subscriptions"] == [
        {
            "subscription": "sub_1",
            "provider_account": account.account_id,
            "plan": "Studio",
            "level": "grace",
            "since": "2026-02-28T12:00:00Z",
            "until": "2026-03-07T12:00:00Z",
            "reason": "9 days since the first failure, by the policy default@1",
            "case": case.case_id,
            "next": {"level": "restricted", "at": "2026-03-07T12:00:00Z"},
        }
    ]


async def test_an_answer_is_right_though_no_job_ever_ran(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    await stage.holds(merchant, a_subscription(account), overdue(account, 0))

    stage.moves_to(NOW + 30 * DAY)

    assert (await asks(stage, merchant)).json()["level"] == "blocked"


async def test_each_subscription_stands_for_itself_and_the_mildest_for_the_customer(
    stage: Stage,
) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    rows = (a_subscription(account), a_subscription(account, "sub_2", status="active"))
    await stage.holds(merchant, *rows, overdue(account, 15))

    answer = (await asks(stage, merchant)).json()

    assert [one["level"] for one in answer["subscriptions"]] == ["restricted", "full"]
    assert answer["level"] == "full"


@pytest.mark.parametrize("customer", ["cus_nobody", "x", "%2e%2e", "cus_'or'1'='1'--"])
async def test_an_unknown_customer_is_let_in(stage: Stage, customer: str) -> None:
    response = await asks(stage, await stage.merchant(), customer)

    assert (response.status_code, response.json()["level"]) == (200, "unknown")
    assert "Let them in" in response.json()["advice"]


async def test_a_customer_of_another_merchant_is_unknown(stage: Stage) -> None:
    one, other = await stage.merchant(), await stage.merchant()
    account = await stage.account(one)
    await stage.holds(one, a_subscription(account), overdue(account, 9))

    assert (await asks(stage, other)).json()["level"] == "unknown"
    named = await asks(stage, other, account=account.account_id)
    assert named.json()["level"] == "unknown"


async def test_an_id_that_two_accounts_know_needs_the_account(stage: Stage) -> None:
    merchant = await stage.merchant()
    one = await stage.account(merchant, provider_ref="acct_1")
    other = await stage.account(merchant, provider_ref="acct_2")
    await stage.holds(merchant, a_subscription(one), a_subscription(other, status="canceled"))

    response = await asks(stage, merchant)
    named = await asks(stage, merchant, account=other.account_id)

    assert (response.status_code, response.json()["type"]) == (409, "/problems/conflict")
    assert named.json()["level"] == "ended"
