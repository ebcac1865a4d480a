"""`/v1/policies`: drafts, publishing, going back, previews, and cases moved on command."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case, CaseEvent, CaseState
from app.domain.merchants import Merchant, Scope
from app.domain.mirror import Subscription
from app.domain.operations import AuditEntry
from app.domain.policies import PolicyState, PolicyVersion
from app.domain.records import R
from tests.api.stage import NOW, Stage, a_case, where_it_is_wrong

pytestmark = pytest.mark.anyio
PATIENT = {"retry": {"window_days": 40, "max_attempts": 4}}
HASTY = {"retry": {"window_days": 14, "max_attempts": 2}, "messages": [
    {"step": "final", "template": "final_notice", "when": {"before_end": 3}},
]}  # fmt: skip


class Desk:
    """A merchant at the API, with a key for everything."""

    def __init__(self, stage: Stage, merchant: Merchant, headers: dict[str, str]) -> None:
        self.stage, self.merchant, self.headers = stage, merchant, headers

    async def get(self, path: str = "", **params: Any) -> Any:
        return await self._asks("GET", path, params=params)

    async def puts(
        self, name: str, document: Any, *, read: int | None = None, status: int = 200
    ) -> Any:
        extra = {"If-Match": f'"{read}"'} if read else {}
        return await self._asks("PUT", f"/{name}", json=document, extra=extra, status=status)

    async def posts(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return await self._asks("POST", path, json=body, status=status)

    async def publishes(self, name: str, document: Any, *, read: int | None = None) -> int:
        version: int = (await self.puts(name, document, read=read))["version"]
        await self.posts(f"/{name}/publish", {"version": version})
        return version

    async def moves(self, case: Case, label: str, *, status: int = 200) -> Any:
        path = f"/v1/cases/{case.case_id}/policy"
        answer = await self.stage.client.post(path, json={"policy": label}, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def rows(self, kind: type[R], **where: Any) -> list[R]:
        mine = {"merchant_id": self.merchant.merchant_id, **where}
        async with self.stage.world.store.transaction(self.merchant.merchant_id) as tx:
            return await tx.find(kind, where=mine)

    async def case(self, case: Case) -> Case:
        (now,) = await self.rows(Case, case_id=case.case_id)
        return now

    async def audited(self) -> list[str]:
        return sorted(line.action for line in await self.rows(AuditEntry))

    async def _asks(
        self, method: str, path: str, *, status: int = 200, extra: Any = None, **more: Any
    ) -> Any:
        headers = {**self.headers, **(extra or {})}
        answer: httpx.Response = await self.stage.client.request(
            method, f"/v1/policies{path}", headers=headers, **more
        )
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
async def desk(stage: Stage) -> Desk:
    merchant = await stage.merchant()
    return Desk(stage, merchant, await stage.key(merchant))


async def test_the_deployments_policy_is_there_before_anybody_wrote_one(desk: Desk) -> None:
    listed, shown = await desk.get(), await desk.get("/default")

    assert listed["policies"] == [{"name": "default", "newest_version": 1, "version_in_force": 1}]
    assert shown["document"]["retry"]["window_days"] == 28
    assert shown["versions"][0]["made_by"] == "deployment"
    assert await desk.rows(PolicyVersion) == []


async def test_a_draft_is_in_force_once_it_is_published(desk: Desk) -> None:
    drafted = await desk.puts("patient", {**PATIENT, "applies_to": {"interval": ["year"]}})
    before = await desk.get("/patient")
    published = await desk.posts("/patient/publish", {"version": 1})

    assert (drafted["version"], drafted["state"]) == (1, "draft")
    assert before["version_in_force"] is None
    assert (published["state"], published["version_in_force"]) == ("published", 1)
    assert {"policy.drafted", "policy.published"} <= set(await desk.audited())


async def test_an_own_default_takes_the_place_of_the_deployments_and_gives_it_back(
    desk: Desk,
) -> None:
    version = await desk.publishes("default", PATIENT, read=1)
    own = await desk.get("/default")
    back = await desk.posts("/default/rollback", {"version": 1})

    assert (version, own["version_in_force"]) == (2, 2)
    assert back["version_in_force"] == 1
    states = {row.version: row.state for row in await desk.rows(PolicyVersion)}
    assert states == {1: PolicyState.PUBLISHED, 2: PolicyState.RETIRED}


async def test_every_command_may_come_twice(desk: Desk) -> None:
    await desk.publishes("patient", PATIENT)
    lines = await desk.audited()

    again = await desk.puts("patient", PATIENT)
    await desk.posts("/patient/publish", {"version": 1})
    await desk.posts("/patient/rollback", {"version": 1})
    retired = [await desk.posts("/patient/retire") for _ in range(2)]

    assert again["version"] == 1
    assert [one["version_in_force"] for one in retired] == [None, None]
    assert await desk.audited() == sorted([*lines, "policy.retired"])


async def test_who_did_not_read_the_newest_version_overwrites_nothing(desk: Desk) -> None:
    await desk.puts("patient", PATIENT)

    blind = await desk.puts("patient", HASTY, status=409)
    stale = await desk.puts("patient", HASTY, read=7, status=409)
    made = await desk.puts("patient", HASTY, read=1)

    assert blind["detail"] == "the newest version is 1: read it and name it."
    assert stale["type"] == "/problems/conflict"
    assert made["version"] == 2


async def test_a_document_is_never_changed(desk: Desk) -> None:
    await desk.publishes("patient", PATIENT)
    await desk.publishes("patient", HASTY, read=1)

    first = await desk.get("/patient", version=1)

    assert first["document"]["retry"]["window_days"] == 40
    assert first["state"] == "retired"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/patient/publish", {"version": 9}, 404),
        ("/nobody/publish", {"version": 1}, 404),
        ("/patient/rollback", {"version": 2}, 409),
        ("/patient/publish", {"version": 0}, 422),
        ("/patient/publish", {"version": "1; drop"}, 422),
        ("/patient/publish", {"version": 1, "force": True}, 422),
        ("/default/retire", None, 409),
        ("/nobody/retire", None, 404),
        ("/nobody/preview", {}, 404),
        ("/patient/preview", {"version": 9}, 404),
        ("/patient/preview", {"cursor": "nonsense"}, 422),
        ("/nobody/move", {}, 404),
        ("/Patient/publish", {"version": 1}, 422),
        ("/patient/preview", {"failure": {"time_zone": "Mars/Crater"}}, 422),
        ("/patient/preview", {"failure": {"amount_minor": 0}}, 422),
        ("/preview", {"document": {"retry": {"window_days": 0}}}, 422),
        ("/preview", {}, 422),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    desk: Desk, path: str, body: Any, status: int
) -> None:
    await desk.publishes("patient", PATIENT)
    await desk.puts("patient", HASTY, read=1)

    problem = await desk.posts(path, body, status=status)

    assert problem["status"] == status
    assert problem["detail"]


async def test_a_retired_version_comes_back_by_a_roll_back_only(desk: Desk) -> None:
    await desk.publishes("patient", PATIENT)
    await desk.publishes("patient", HASTY, read=1)

    refused = await desk.posts("/patient/publish", {"version": 1}, status=409)
    back = await desk.posts("/patient/rollback", {"version": 1})

    assert refused["detail"] == "a retired version comes back by a roll-back."
    assert back["version_in_force"] == 1


@pytest.mark.parametrize(
    ("name", "document", "where"),
    [
        ("patient", {"retry": {"max_attempts": 99}}, "body.retry.max_attempts"),
        ("patient", {"messages": []}, "body.messages"),
        ("patient", {"name": "other"}, "body.name"),
        ("patient", {"retrry": {}}, "body.retrry"),
        ("default", {"applies_to": {"currency": ["eur"]}}, "body.applies_to"),
        ("schema", {}, "body.name"),
    ],
)
async def test_a_wrong_document_is_refused_with_its_place(
    desk: Desk, name: str, document: Any, where: str
) -> None:
    problem = await desk.puts(name, document, status=422)

    assert where in [fault["where"] for fault in problem["errors"]]
    assert await desk.rows(PolicyVersion, name=name) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"null",
        b'"x"',
        b"[" * 20_000,
        b"\xff\xfe",
        b'{"applies_to": {"plans": ["\\ud800"]}}',
        b'{"retry": {"window_days": NaN}}',
        b'{"retry": {"window_days": 1' + b"0" * 5_000 + b"}}",
    ],
)
async def test_a_body_that_is_no_document_is_no_fault_of_ours(desk: Desk, body: bytes) -> None:
    headers = {**desk.headers, "Content-Type": "application/json"}

    answer = await desk.stage.client.put("/v1/policies/patient", content=body, headers=headers)

    assert answer.status_code in {400, 422}


async def test_policies_of_another_merchant_are_not_there(desk: Desk, stage: Stage) -> None:
    await desk.publishes("patient", PATIENT)
    stranger = await stage.merchant()
    other = Desk(stage, stranger, await stage.key(stranger))

    listed = await other.get()

    assert [policy["name"] for policy in listed["policies"]] == ["default"]
    await other.posts("/patient/publish", {"version": 1}, status=404)
    case = a_case(await stage.account(desk.merchant))
    await stage.holds(desk.merchant, case)
    await other.moves(case, "default@1", status=404)


async def test_writing_needs_its_own_scope(desk: Desk, stage: Stage) -> None:
    reader = Desk(stage, desk.merchant, await stage.key(desk.merchant, Scope.POLICIES_READ))

    refused = await reader.puts("patient", PATIENT, status=403)

    assert refused["type"] == "/problems/forbidden"


async def test_the_schema_is_published(desk: Desk) -> None:
    schema = await desk.get("/schema")

    assert schema["properties"]["retry"]["properties"]["window_days"]["maximum"] == 90


async def test_a_preview_tells_the_timeline_and_changes_nothing(desk: Desk) -> None:
    document = {**HASTY, "applies_to": {"plans": ["Team"]}}
    failure = {"at": "2026-03-02T12:00:00Z", "plan": "Team", "decline_kind": "expired"}

    wrong = await desk.posts("/preview", {"document": document, "failure": failure}, status=422)
    failure["decline_kind"] = "insufficient_funds"
    seen = await desk.posts("/preview", {"document": document, "failure": failure})

    assert "body.failure.decline_kind" in [fault["where"] for fault in wrong["errors"]]
    assert seen["applies"] is True
    assert [line["kind"] for line in seen["timeline"]].count("retry") == 2
    assert seen["timeline"][-1]["at"] == "2026-03-16T12:00:00Z"
    assert await desk.rows(PolicyVersion) == []


async def test_a_preview_tells_whom_of_todays_cases_a_version_would_touch(
    desk: Desk, stage: Stage
) -> None:
    # given three cases on two plans, one of them over, and a draft for the segment of one plan
    account = await stage.account(desk.merchant)
    gold = Subscription(
        merchant_id=desk.merchant.merchant_id,
        account_id=account.account_id,
        subscription_id="sub_gold",
        metadata={"tier": "gold"},
    )
    mine = a_case(account, "in_1", subscription_id="sub_gold")
    await stage.holds(
        desk.merchant,
        gold,
        mine,
        a_case(account, "in_2", subscription_id="sub_tin"),
        a_case(account, "in_3", subscription_id="sub_gold", state=CaseState.EXHAUSTED, waits=None),
    )
    await desk.puts("gold", {**PATIENT, "applies_to": {"segment": {"tier": ["gold"]}}})

    seen = await desk.posts("/gold/preview", {})

    assert [case["id"] for case in seen["touched"]["cases"]] == [mine.case_id]
    assert (seen["touched"]["scanned"], seen["touched"]["next"]) == (2, None)
    assert (await desk.case(mine)).policy == "default@1"


async def test_pages_of_touched_cases_leave_none_out(desk: Desk, stage: Stage) -> None:
    account = await stage.account(desk.merchant)
    cases = [a_case(account, f"in_{n}", opened_at=NOW - timedelta(days=n)) for n in range(5)]
    await stage.holds(desk.merchant, *cases)

    seen, cursor = [], None
    while True:
        asked = {"document": {"name": "default", **PATIENT}, "limit": 2, "cursor": cursor}
        page = (await desk.posts("/preview", asked))["touched"]
        seen += [case["id"] for case in page["cases"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == [case.case_id for case in cases]


async def test_publishing_moves_no_case_and_the_command_does(desk: Desk, stage: Stage) -> None:
    case = a_case(await stage.account(desk.merchant), amount_minor=3000)
    await stage.holds(desk.merchant, case)
    await desk.publishes("default", PATIENT, read=1)
    before = await desk.case(case)

    shown = await desk.moves(case, "default@2")
    again = await desk.moves(case, "default@2")

    after = await desk.case(case)
    assert before == case
    assert (shown["policy"], again["policy"]) == ("default@2", "default@2")
    assert after.window_ends_at == case.opened_at + timedelta(days=40)
    assert [event.text for event in await desk.rows(CaseEvent)] == [
        "moved from default@1 to default@2"
    ]
    kinds = sorted(action.kind for action in await desk.rows(Action))
    assert kinds == [ActionKind.ASSESS, ActionKind.END]
    assert (await desk.audited()).count("case.policy_moved") == 1


@pytest.mark.parametrize(
    ("told", "label", "status"),
    [
        pytest.param({"state": CaseState.RECOVERED, "waits": None}, "calm@1", 409, id="over"),
        pytest.param({"driven": True}, "calm@1", 409, id="driven, to a policy that only watches"),
        pytest.param({}, "calm@2", 409, id="a draft"),
        pytest.param({}, "calm@9", 404, id="no version"),
        pytest.param({}, "calm", 422, id="no label"),
        pytest.param({}, "calm@99999999999999999999", 422, id="no number"),
    ],
)
async def test_a_case_that_cannot_be_moved_stays(
    desk: Desk, stage: Stage, told: Any, label: str, status: int
) -> None:
    case = a_case(await stage.account(desk.merchant), **told)
    await stage.holds(desk.merchant, case)
    await desk.publishes("calm", {"collection": "observe"})
    await desk.puts("calm", PATIENT, read=1)

    await desk.moves(case, label, status=status)

    assert await desk.case(case) == case
    assert await desk.rows(Action) == []


async def test_a_bulk_move_goes_page_by_page_and_may_begin_anew(desk: Desk, stage: Stage) -> None:
    account = await stage.account(desk.merchant)
    cases = [a_case(account, f"in_{n}", opened_at=NOW - timedelta(days=n)) for n in range(5)]
    held = a_case(account, "in_held", opened_at=NOW - timedelta(days=9), driven=True)
    await stage.holds(desk.merchant, *cases, held)
    await desk.publishes("default", {"collection": "observe"}, read=1)

    first = await desk.posts("/default/move", {"limit": 2})
    rest = await desk.posts("/default/move", {"limit": 100, "cursor": first["next"]})
    again = await desk.posts("/default/move", {})

    assert first["moved"] == [case.case_id for case in cases[:2]]
    assert rest["moved"] == [case.case_id for case in cases[2:]]
    assert [one["case"] for one in rest["refused"]] == [held.case_id]
    assert (again["moved"], len(again["refused"])) == ([], 1)
    assert {row.policy for row in await desk.rows(Case)} == {"default@1", "default@2"}


async def test_a_wrong_precondition_is_named(desk: Desk) -> None:
    headers = {**desk.headers, "If-Match": "three"}

    answer = await desk.stage.client.put("/v1/policies/patient", json={}, headers=headers)

    assert where_it_is_wrong(answer) == ["header.If-Match"]
