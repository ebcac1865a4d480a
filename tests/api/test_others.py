"""Every route of the document, asked by a merchant about another's things: nothing is shown, and
nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.domain.actions import ActionKind, action_for
from app.domain.merchants import ApiKey, Merchant
from app.domain.mirror import Customer, Invoice, Subscription
from app.storage.registry import TABLES
from tests.api.sampling import Json, sample
from tests.api.stage import NOW, Stage, a_case
from tests.document import api_document

pytestmark = pytest.mark.anyio
DOCUMENT: Json = api_document()
CANARY = "a-secret-of-another"
HOOK = "https://hook.example.com/their-secret"
# Named by everybody for themselves: the same name is another thing with each merchant.
OWN_NAMES = {
    "name": "standard",
    "template": "final_notice",
    "language": "en",
    "reason": "too_expensive",
}
# What the smallest allowed body cannot say by itself.
BODIES = {"/v1/cases/{case_id}/policy": {"policy": "default@1"}}
# Whoever lets people in is told to let in those whom nobody knows.
UNKNOWN_IS_TOLD = "/v1/customers/{customer}/access"


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    body: Any
    tokens: frozenset[str]

    @property
    def refusal(self) -> set[int]:
        """How it answers about what is another's: as if that did not exist, or, where a token
        is asked for, as to somebody without one."""
        if self.path == UNKNOWN_IS_TOLD:
            return {200}
        return {404} if "ApiKey" in self.tokens else {401}

    @property
    def names(self) -> set[str]:
        return {part[1:-1] for part in self.path.split("/") if part.startswith("{")}


def routes() -> Iterator[Route]:
    """Those that ask who is asking."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            tokens = frozenset(name for one in operation.get("security", ()) for name in one)
            told = operation.get("requestBody", {}).get("content", {})
            schema = told.get("application/json", {}).get("schema")
            body = BODIES.get(path) or (sample(schema, DOCUMENT) if schema else None)
            if tokens:
                yield Route(method, path, body, tokens)


ROUTES = list(routes())


@dataclass
class Neighbours:
    """Two merchants, one with many things, and the keys of both."""

    stage: Stage
    rich: Merchant
    keys: dict[str, dict[str, str]]
    ids: dict[str, str]

    async def asks(self, who: str, route: Route) -> httpx.Response:
        path = route.path.format(**self.ids)
        headers = self.keys[who] | {"Idempotency-Key": f"{who}-{hash(route.path)}"}
        return await self.stage.client.request(route.method, path, headers=headers, json=route.body)

    async def everything(self) -> dict[str, list[str]]:
        """All rows of the rich one, as they are. When a key was used is not theirs to keep."""
        kinds = [kind for kind in TABLES if kind is not ApiKey]
        async with self.stage.world.store.transaction(self.rich.merchant_id) as tx:
            return {
                kind.__name__: sorted(repr(row) for row in await tx.find(kind, where={}))
                for kind in kinds
            }


@pytest.fixture(scope="module")
async def neighbours(running: Stage) -> Neighbours:
    """The rich one's things were made over the API, as far as it makes them."""
    stage = running
    rich, poor = await stage.merchant(), await stage.merchant()
    account = await stage.account(rich)
    await stage.account(poor)
    keys = {"rich": await stage.key(rich), "poor": await stage.key(poor)}
    own: dict[str, Any] = {"merchant_id": rich.merchant_id, "account_id": account.account_id}
    case = a_case(account, customer_id="cus_rich", subscription_id="sub_rich")
    await stage.holds(
        rich,
        Customer(**own, customer_id="cus_rich", email=f"{CANARY}@example.com", name=CANARY),
        Subscription(**own, subscription_id="sub_rich", customer_id="cus_rich", plan=CANARY),
        Invoice(**own, invoice_id="in_1", customer_id="cus_rich", currency="usd", label=CANARY),
        case,
        action_for(ActionKind.WATCH, subject=case.case_id, case_id=case.case_id, due_at=NOW, **own),
    )
    ids = OWN_NAMES | {
        "case_id": case.case_id,
        "customer": "cus_rich",
        "subscription": "sub_rich",
        "session_id": "ses_" + "0" * 32,
        "comparison_id": "cmp_" + "0" * 32,
        "event_id": "evt_" + "0" * 32,
    }
    return Neighbours(stage, rich, keys, ids | await _made(stage, keys["rich"], account.account_id))


async def _made(stage: Stage, key: dict[str, str], account_id: str) -> dict[str, str]:
    async def post(path: str, body: Json) -> Json:
        answer = await stage.client.post(path, headers=key, json=body)
        assert answer.status_code in (200, 201), answer.text
        told: Json = answer.json()
        return told

    endpoint = await post("/v1/event-endpoints", {"url": HOOK, "description": CANARY})
    token = await post("/v1/customer-token-keys", {"provider_account": account_id, "name": CANARY})
    asked = {"recipient": f"{CANARY}@example.com"}
    suppressed = await post("/v1/suppressions", asked)
    return {
        "endpoint_id": endpoint["id"],
        "key_id": token["id"],
        "suppression_id": suppressed["id"],
    }


async def test_nobody_sees_or_changes_what_is_anothers(neighbours: Neighbours) -> None:
    before = await neighbours.everything()

    answers = [(route, await neighbours.asks("poor", route)) for route in ROUTES]

    shown = [r.path for r, answer in answers if CANARY in answer.text or HOOK in answer.text]
    wrong = [
        (route.method, route.path, answer.status_code, answer.text[:200])
        for route, answer in answers
        if answer.status_code >= 500
        or (route.names - set(OWN_NAMES) and answer.status_code not in route.refusal)
    ]
    assert shown == []
    assert wrong == [], "\n".join(map(str, wrong))
    assert await neighbours.everything() == before


async def test_nobody_comes_in_without_a_token(neighbours: Neighbours) -> None:
    client = neighbours.stage.client
    answers = {
        (route.method, route.path): await client.request(
            route.method, route.path.format(**neighbours.ids), json=route.body
        )
        for route in ROUTES
    }

    assert {key: a.status_code for key, a in answers.items() if a.status_code != 401} == {}
