"""Comparisons over the API: listed, asked for, shown line by line, and to nobody else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.comparing import ComparedLine, Comparison, LineKind, LineState
from app.domain.merchants import Merchant, ProviderAccount, Scope
from tests.api.stage import NOW, Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATH = "/v1/finance/reconciliation/comparisons"


def a_comparison(account: ProviderAccount, nth: int = 1, **told: Any) -> Comparison:
    made = Comparison(
        comparison_id=f"cmp_{nth:032x}",
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        asked_by="night",
        since=NOW - timedelta(days=2),
        until=NOW - timedelta(hours=1),
        began_at=NOW - timedelta(minutes=nth),
        ended_at=NOW,
        lines=3,
        differing=2,
        totals={"usd": {"paid": [3, 400, 300]}},
    )
    return replace(made, **told)


def a_line(of: Comparison, ref: str, ours: int, theirs: int | None) -> ComparedLine:
    return ComparedLine(
        comparison_id=of.comparison_id,
        kind=LineKind.PAID,
        ref=ref,
        merchant_id=of.merchant_id,
        account_id=of.account_id,
        invoice_id="in_1",
        payment_id=None,
        currency="usd",
        ours_minor=ours,
        theirs_minor=theirs,
        state=LineState.AGREES if ours == theirs else LineState.DIFFERS,
        looked_at=NOW,
    )


class Asker:
    """A merchant's software with a key, and the merchant's account."""

    def __init__(
        self, stage: Stage, merchant: Merchant, account: ProviderAccount, headers: dict[str, str]
    ) -> None:
        self.stage, self.merchant, self.account = stage, merchant, account
        self.headers = headers

    async def asks(self, path: str = "", **asked: Any) -> httpx.Response:
        return await self.stage.client.get(f"{PATH}{path}", params=asked, headers=self.headers)

    async def orders(self, **body: Any) -> httpx.Response:
        told = {"account": self.account.account_id} | body
        return await self.stage.client.post(PATH, json=told, headers=self.headers)


@pytest.fixture
async def asker(stage: Stage) -> Asker:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    return Asker(stage, merchant, account, await stage.key(merchant))


async def test_a_comparison_tells_its_totals_and_what_differs(stage: Stage, asker: Asker) -> None:
    known = a_comparison(asker.account, 7_001)
    await stage.holds(
        asker.merchant,
        known,
        a_line(known, "ch_1", 200, 200),
        a_line(known, "ch_2", 100, None),
        a_line(known, "ch_3", 100, 101),
    )

    (told,) = (await asker.asks()).json()["comparisons"]
    shown = (await asker.asks(f"/{told['id']}")).json()
    lines = (await asker.asks(f"/{told['id']}/lines")).json()
    every = (await asker.asks(f"/{told['id']}/lines", state=["agrees", "differs"])).json()

    assert shown == told
    assert told["totals"] == [
        {"currency": "usd", "kind": "paid", "lines": 3, "ours_minor": 400, "theirs_minor": 300}
    ]
    assert [(one["ref"], one["difference_minor"]) for one in lines["lines"]] == [
        ("ch_2", 100),
        ("ch_3", -1),
    ]
    assert len(every["lines"]) == 3


async def test_lists_go_on_behind_their_cursor(stage: Stage, asker: Asker) -> None:
    known = [a_comparison(asker.account, 7_100 + n) for n in range(3)]
    await stage.holds(asker.merchant, *known, *(a_line(known[0], f"ch_{n}", 1, 2) for n in "abc"))

    first = (await asker.asks(limit=2)).json()
    rest = (await asker.asks(limit=2, cursor=first["next"])).json()
    path = f"/{known[0].comparison_id}/lines"
    lines = (await asker.asks(path, limit=2)).json()
    others = (await asker.asks(path, limit=2, cursor=lines["next"])).json()

    ids = [one["id"] for page in (first, rest) for one in page["comparisons"]]
    assert ids == [one.comparison_id for one in known]
    assert rest["next"] is others["next"] is None
    refs = [one["ref"] for page in (lines, others) for one in page["lines"]]
    assert refs == ["ch_a", "ch_b", "ch_c"]


async def test_a_comparison_that_is_asked_for_twice_is_one_and_has_no_figures_yet(
    asker: Asker,
) -> None:
    first, second = await asker.orders(), await asker.orders()

    told = first.json()
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == told
    assert (told["ended_at"], told["lines"], told["totals"]) == (None, 0, [])


@pytest.mark.parametrize(
    "span",
    [
        {"since": "2024-01-01T00:00:00Z"},
        {"since": "2026-03-02T11:30:00Z"},
        {"until": "0001-01-01T00:00:00Z"},
        {"since": "9999-12-31T23:59:59Z"},
        {"since": "0001-01-01T00:00:00Z", "until": "0001-01-02T00:00:00Z"},
    ],
)
async def test_a_span_that_is_none_is_refused_by_name(asker: Asker, span: dict[str, str]) -> None:
    refused = await asker.orders(**span)

    assert refused.status_code == 422
    assert where_it_is_wrong(refused) == ["body.since"]


@pytest.mark.parametrize("cursor", ["paid", "paid:\x00", "gone:ch_1", "paid:", "paid:ü"])
async def test_a_cursor_that_is_none_is_refused(asker: Asker, cursor: str) -> None:
    refused = await asker.asks(f"/cmp_{1:032x}/lines", cursor=cursor)

    assert refused.status_code == 422


async def test_what_another_merchant_compared_does_not_exist(stage: Stage, asker: Asker) -> None:
    other = await stage.merchant()
    account = await stage.account(other)
    theirs = a_comparison(account, 7_200)
    await stage.holds(other, theirs)

    answers = [
        await asker.asks(f"/{theirs.comparison_id}"),
        await asker.asks(f"/{theirs.comparison_id}/lines"),
        await asker.orders(account=account.account_id),
        await asker.asks("/cmp_of_nobody"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await asker.asks()).json()["comparisons"] == []


async def test_reading_and_asking_for_one_are_different_rights(stage: Stage) -> None:
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    reader = Asker(stage, merchant, account, await stage.key(merchant, Scope.FINANCE_READ))
    writer = Asker(stage, merchant, account, await stage.key(merchant, Scope.CASES_WRITE))

    assert (await reader.asks()).status_code == 200
    assert (await reader.orders()).status_code == 403
    assert (await writer.orders()).status_code == 202
    assert (await writer.asks()).status_code == 403
