"""Answers to the one question over the API: page by page, filtered, and nobody else's."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.afterwards import ExitFeedback
from app.domain.cancellations import CancelRequest, Choice, RequestState, Source
from app.domain.merchants import Merchant, ProviderAccount, Scope
from tests.api.stage import NOW, Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATH = "/v1/exit-feedback"


@dataclass
class Desk:
    """Somebody who reads what those who left wrote."""

    stage: Stage
    merchant: Merchant
    account: ProviderAccount
    headers: dict[str, str]

    async def heard(self, nth: int, words: str | None = "too slow", **more: Any) -> None:
        """Somebody left on the n-th day and answered."""
        at = NOW - timedelta(days=100 - nth)
        request = CancelRequest(
            request_id=f"cxr_{self.merchant.merchant_id[-16:]}{nth:016x}",
            merchant_id=self.merchant.merchant_id,
            account_id=self.account.account_id,
            subscription_id=f"sub_{nth}",
            customer_id=f"cus_{nth}",
            source=Source.SESSION,
            choice=Choice.NOW,
            state=RequestState.ENDED,
            requested_at=at,
            ends_at=at,
            reason="not_using",
        )
        same = ("request_id", "merchant_id", "account_id", "subscription_id", "customer_id")
        about = {name: getattr(request, name) for name in same}
        said = ExitFeedback(**about, words=words, at=at, **more)
        async with self.stage.world.store.transaction(self.merchant.merchant_id) as tx:
            await tx.insert([request])
            await tx.insert([said])

    async def asks(self, **asked: Any) -> httpx.Response:
        return await self.stage.client.get(PATH, params=asked, headers=self.headers)

    async def lists(self, **asked: Any) -> list[str]:
        answer = await self.asks(**asked)
        assert answer.status_code == 200, answer.text
        return [line["subscription"] for line in answer.json()["exit_feedback"]]


async def of_merchant(stage: Stage, *scopes: Scope) -> Desk:
    merchant = await stage.merchant()
    key = await stage.key(merchant, *scopes)
    return Desk(stage, merchant, await stage.account(merchant), key)


@pytest.fixture
async def desk(stage: Stage) -> Desk:
    return await of_merchant(stage, Scope.SESSIONS_READ)


async def test_answers_come_page_by_page_the_newest_first(desk: Desk) -> None:
    for nth in range(1, 6):
        await desk.heard(nth)

    first = (await desk.asks(limit=3)).json()
    rest = (await desk.asks(limit=3, cursor=first["next"])).json()

    pages = [[line["subscription"] for line in page["exit_feedback"]] for page in (first, rest)]
    assert pages == [["sub_5", "sub_4", "sub_3"], ["sub_2", "sub_1"]]
    assert rest["next"] is None


async def test_an_answer_stands_beside_why_they_had_left(desk: Desk) -> None:
    await desk.heard(1, flags=("lawyer",))

    (line,) = (await desk.asks()).json()["exit_feedback"]

    assert (line["words"], line["reason"], line["flags"]) == ("too slow", "not_using", ["lawyer"])
    assert (line["customer"], line["session"]) == ("cus_1", None)


async def test_of_a_forgotten_answer_is_shown_that_there_was_one(desk: Desk) -> None:
    await desk.heard(1, None, forgotten_at=NOW)

    (line,) = (await desk.asks()).json()["exit_feedback"]

    assert line["words"] is None
    assert line["forgotten_at"] is not None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"customer": "cus_1"}, ["sub_1"]),
        ({"subscription": "sub_3"}, ["sub_3"]),
        ({"answered_from": (NOW - timedelta(days=98)).isoformat()}, ["sub_3", "sub_2"]),
        ({"answered_to": (NOW - timedelta(days=98)).isoformat()}, ["sub_1"]),
    ],
)
async def test_the_filters_hold(desk: Desk, asked: dict[str, str], found: list[str]) -> None:
    for nth in (1, 2, 3):
        await desk.heard(nth)

    assert await desk.lists(**asked) == found


async def test_the_answers_to_another_merchant_are_not_there(desk: Desk, stage: Stage) -> None:
    stranger = await of_merchant(stage, Scope.SESSIONS_READ)
    await stranger.heard(1)

    assert await desk.lists() == []
    assert await desk.lists(customer="cus_1") == []


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"customer": "cus 1"}, "query.customer"),
        ({"limit": "0"}, "query.limit"),
        ({"cursor": "bm8"}, "query.cursor"),
        ({"answered_from": "yesterday"}, "query.answered_from"),
        ({"merchant_id": "mer_2"}, "query.merchant_id"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(
    desk: Desk, asked: dict[str, str], where: str
) -> None:
    answer = await desk.asks(**asked)

    assert answer.status_code == 422
    assert where_it_is_wrong(answer) == [where]


async def test_who_may_not_read_sessions_may_not_read_what_was_answered(stage: Stage) -> None:
    finance = await of_merchant(stage, Scope.FINANCE_READ)

    assert (await finance.asks()).status_code == 403
    assert (await stage.client.get(PATH)).status_code == 401
