"""What must hold, asked over the API."""

import pytest

from app.domain.dunning import CaseState
from app.domain.invariants import INVARIANTS
from app.domain.merchants import Scope
from tests.api.stage import NOW, Stage, a_case

pytestmark = pytest.mark.anyio
PATH = "/v1/ops/invariants"


async def test_every_invariant_is_asked_and_holds_for_a_merchant_without_rows(stage: Stage) -> None:
    headers = await stage.key(await stage.merchant(), Scope.OPERATIONS_READ)

    told = (await stage.client.get(PATH, headers=headers)).json()

    assert told["holds"]
    assert told["last_round_at"] is None
    assert [one["name"] for one in told["invariants"]] == list(INVARIANTS)
    assert {one["violations"] for one in told["invariants"]} == {0}


async def test_what_is_broken_is_named_to_its_merchant_alone(stage: Stage) -> None:
    mine, other = await stage.merchant(), await stage.merchant()
    account = await stage.account(mine)
    bare, parked = a_case(account), a_case(account, "in_2", state=CaseState.PARKED, closed_at=NOW)
    await stage.holds(mine, bare, parked)

    told = (await stage.client.get(PATH, headers=await stage.key(mine))).json()
    elsewhere = (await stage.client.get(PATH, headers=await stage.key(other))).json()

    found = {one["name"]: one for one in told["invariants"] if one["violations"]}
    assert not told["holds"]
    assert set(found) == {"active_without_action", "case_parked"}
    assert [one["subject"] for one in found["case_parked"]["broken_by"]] == [parked.case_id]
    assert elsewhere["holds"]
