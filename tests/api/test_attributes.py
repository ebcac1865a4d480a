"""Attributes over the API: named by the merchant, kept in place of the former, counted."""

from typing import Any

import httpx
import pytest

from app.domain.attributes import MOST_ATTRIBUTES
from app.domain.merchants import Scope
from app.domain.operations import AuditEntry
from tests.api.stage import Stage, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATH = "/v1/attributes"
Key = dict[str, str]


async def names(stage: Stage, key: Key, *asked: Any) -> httpx.Response:
    return await stage.client.put(PATH, headers=key, json={"names": list(asked)})


async def test_what_is_named_is_kept_and_what_was_is_remembered(stage: Stage) -> None:
    merchant = await stage.merchant()
    key = await stage.key(merchant, Scope.CONFIG_WRITE, Scope.FINANCE_READ)

    before = await stage.client.get(PATH, headers=key)
    named = await names(stage, key, "size", "channel")
    anew = await names(stage, key, "channel", "region")
    again = await names(stage, key, "region", "channel")

    assert before.json() == {"names": [], "past_names": []}
    assert named.json() == {"names": ["channel", "size"], "past_names": []}
    told = {"names": ["channel", "region"], "past_names": ["size"]}
    assert anew.json() == again.json() == told
    assert (await stage.client.get(PATH, headers=key)).json() == told
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        lines = await tx.find(AuditEntry, where={"action": "merchant.attributes_named"})
    assert len(lines) == 2


async def test_a_name_that_was_given_may_be_grouped_by_and_no_other(stage: Stage) -> None:
    key = await stage.key(await stage.merchant(), Scope.CONFIG_WRITE, Scope.FINANCE_READ)
    await names(stage, key, "size")
    path = "/v1/finance/churn?group_by=attribute."

    known = await stage.client.get(f"{path}size", headers=key)
    unknown = await stage.client.get(f"{path}sise", headers=key)

    assert known.json()["rows"] == []
    assert unknown.status_code == 422
    assert where_it_is_wrong(unknown) == ["query.group_by"]


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        pytest.param([f"n{n}" for n in range(MOST_ATTRIBUTES + 1)], "", id="many"),
        pytest.param(["size", "size"], "", id="twice"),
        pytest.param(["a b"], ".0", id="a blank"),
        pytest.param([""], ".0", id="none"),
    ],
)
async def test_names_that_cannot_be_kept_are_refused(
    stage: Stage, asked: list[str], where: str
) -> None:
    key = await stage.key(await stage.merchant(), Scope.CONFIG_WRITE)

    answer = await names(stage, key, *asked)

    assert answer.status_code == 422
    assert where_it_is_wrong(answer) == [f"body.names{where}"]


async def test_who_reads_finance_names_nothing(stage: Stage) -> None:
    key = await stage.key(await stage.merchant(), Scope.FINANCE_READ)

    assert (await names(stage, key, "size")).status_code == 403
