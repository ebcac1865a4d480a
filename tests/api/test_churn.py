"""Churn records over the API: page by page, filtered, as of an instant, and nobody else's."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind, ChurnRecord
from app.domain.merchants import Merchant, ProviderAccount, Scope
from tests.api.stage import NOW, Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATH = "/v1/churn-records"


@dataclass
class Finance:
    """Somebody of finance, and the ledger of their merchant."""

    stage: Stage
    merchant: Merchant
    account: ProviderAccount
    headers: dict[str, str]

    async def has(self, nth: int, **more: Any) -> ChurnRecord:
        """A line of the n-th day."""
        at = NOW - timedelta(days=100 - nth)
        facts: dict[str, Any] = {
            "record_id": f"chu_{self.merchant.merchant_id[-16:]}{nth:016x}",
            "merchant_id": self.merchant.merchant_id,
            "account_id": self.account.account_id,
            "subscription_id": f"sub_{nth}",
            "customer_id": f"cus_{nth}",
            "entry": ChurnEntry.CHURNED,
            "kind": ChurnKind.VOLUNTARY,
            "cause": ChurnCause.REQUESTED,
            "currency": "usd",
            "mrr_minor": 3000,
            "count": 1,
            "source": f"evt_{nth}",
            "occurred_at": at,
            "recorded_at": at,
        }
        record = ChurnRecord(**(facts | more))
        async with self.stage.world.store.transaction(self.merchant.merchant_id) as tx:
            await tx.insert([record])
        return record

    async def asks(self, **asked: Any) -> httpx.Response:
        return await self.stage.client.get(PATH, params=asked, headers=self.headers)

    async def lists(self, **asked: Any) -> list[str]:
        answer = await self.asks(**asked)
        assert answer.status_code == 200, answer.text
        return [line["subscription"] for line in answer.json()["churn_records"]]


async def of_merchant(stage: Stage, *scopes: Scope) -> Finance:
    merchant = await stage.merchant()
    key = await stage.key(merchant, *scopes)
    return Finance(stage, merchant, await stage.account(merchant), key)


@pytest.fixture
async def finance(stage: Stage) -> Finance:
    return await of_merchant(stage, Scope.FINANCE_READ)


async def test_lines_come_page_by_page_what_happened_last_first(finance: Finance) -> None:
    for nth in range(1, 6):
        await finance.has(nth)

    first = (await finance.asks(limit=3)).json()
    rest = (await finance.asks(limit=3, cursor=first["next"])).json()

    pages = [[line["subscription"] for line in page["churn_records"]] for page in (first, rest)]
    assert pages == [["sub_5", "sub_4", "sub_3"], ["sub_2", "sub_1"]]
    assert rest["next"] is None


async def test_a_line_says_what_it_means(finance: Finance) -> None:
    lost = {"reason": "not_using", "plan": "Team", "tenure_days": 40, "segment": "smb"}
    record = await finance.has(1, while_past_due=True, **lost)

    (line,) = (await finance.asks()).json()["churn_records"]

    assert {name: line[name] for name in lost} == lost
    assert (line["id"], line["kind"], line["mrr_minor"]) == (record.record_id, "voluntary", 3000)
    assert (line["while_past_due"], line["trial"], line["count"]) == (True, False, 1)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"kind": "involuntary"}, ["sub_2"]),
        ({"entry": ["reversed", "pending"]}, ["sub_3"]),
        ({"cause": "unpaid"}, ["sub_2"]),
        ({"customer": "cus_1"}, ["sub_1"]),
        ({"subscription": "sub_3"}, ["sub_3"]),
        ({"plan": "Team"}, ["sub_1"]),
        ({"reason": "other"}, ["sub_1"]),
        ({"trial": "true"}, ["sub_3"]),
        ({"currency": "eur"}, ["sub_2"]),
        ({"occurred_from": (NOW - timedelta(days=98)).isoformat()}, ["sub_3", "sub_2"]),
        ({"occurred_to": (NOW - timedelta(days=98)).isoformat()}, ["sub_1"]),
        ({"as_of": (NOW - timedelta(days=98)).isoformat()}, ["sub_2", "sub_1"]),
    ],
)
async def test_the_filters_hold_together(
    finance: Finance, asked: dict[str, Any], found: list[str]
) -> None:
    await finance.has(1, plan="Team", reason="other")
    unpaid = {"kind": ChurnKind.INVOLUNTARY, "cause": ChurnCause.UNPAID, "currency": "eur"}
    await finance.has(2, **unpaid)
    back = {"entry": ChurnEntry.REVERSED, "count": -1, "mrr_minor": -3000, "trial": True}
    await finance.has(3, **back)

    assert await finance.lists(**asked) == found


async def test_the_lines_of_another_merchant_are_not_there(finance: Finance, stage: Stage) -> None:
    stranger = await of_merchant(stage, Scope.FINANCE_READ)
    await stranger.has(1)

    assert await finance.lists() == []
    assert await finance.lists(subscription="sub_1") == []


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"kind": "x' or 1=1 --"}, "query.kind.0"),
        ({"entry": ""}, "query.entry.0"),
        ({"customer": "cus 1"}, "query.customer"),
        ({"plan": "a\x00b"}, "query.plan"),
        ({"limit": "0"}, "query.limit"),
        ({"limit": "201"}, "query.limit"),
        ({"cursor": "bm8"}, "query.cursor"),
        ({"occurred_from": "yesterday"}, "query.occurred_from"),
        ({"merchant_id": "mer_2"}, "query.merchant_id"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(
    finance: Finance, asked: dict[str, str], where: str
) -> None:
    answer = await finance.asks(**asked)

    assert answer.status_code == 422
    assert where_it_is_wrong(answer) == [where]


async def test_a_cursor_of_other_filters_is_refused(finance: Finance) -> None:
    for nth in (1, 2):
        await finance.has(nth)
    cursor = (await finance.asks(limit=1)).json()["next"]

    answer = await finance.asks(limit=1, cursor=cursor, kind="voluntary")

    assert answer.status_code == 422


async def test_who_may_not_read_finance_may_not_read_churn(stage: Stage) -> None:
    support = await of_merchant(stage, Scope.CASES_READ)

    assert (await support.asks()).status_code == 403
    assert (await stage.client.get(PATH)).status_code == 401
