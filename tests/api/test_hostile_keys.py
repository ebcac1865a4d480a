"""Names of fields that nobody means well: refused in words, kept nowhere and told to nobody."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from app.api import problems
from app.ports.store import RowRefused
from tests.api.sampling import sample
from tests.api.stage import Stage, where_it_is_wrong
from tests.api.test_hostile import DOCUMENT, WRITES, filled, routes, wrong_of

pytestmark = pytest.mark.anyio
SECRET = "ada@example.com"
KEYS = {"NUL": "\x00", "half a surrogate pair": "\ud800", "an address": SECRET, "long": "x" * 5_000}
Json = dict[str, Any]


def body_of(method: str, path: str) -> Json | None:
    """The schema of a route's JSON body."""
    body = DOCUMENT["paths"][path][method.lower()].get("requestBody", {})
    schema: Json | None = body.get("content", {}).get("application/json", {}).get("schema")
    while schema and "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def odd_bodies(schema: Json, key: str) -> Iterator[Json]:
    """The smallest body that fits with this name in it, and in each of its fields."""
    fits = sample(schema, DOCUMENT)
    yield fits | {key: "x"}
    for name in schema.get("properties", {}):
        for value in ("x", 30):
            yield fits | {name: {key: value}}
        yield fits | {name: [{key: "x"}]}


@pytest.mark.parametrize("named", KEYS)
async def test_no_name_of_a_field_is_a_fault_of_ours_or_told_again(
    stage: Stage, named: str
) -> None:
    merchant, asked, wrong = await stage.merchant(), 0, []
    headers = await stage.key(merchant) | {"Content-Type": "application/json"}
    for method, path in routes(stage, api=True):
        schema = body_of(method, path) if method in WRITES else None
        for body in odd_bodies(schema, KEYS[named]) if schema else ():
            content, asked = json.dumps(body), asked + 1
            url = filled(path, "x" * 8)
            answer = await stage.client.request(method, url, headers=headers, content=content)
            wrong.append(wrong_of(f"{method} {path} {content[:200]}", answer))
            assert answer.status_code < 300 or SECRET not in answer.text

    assert asked > 100
    assert [told for told in wrong if told] == []


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (
            "/v1/after-letters",
            {"win_back_days": {"\x00": 30}},
            "body.win_back_days.….[key]",
        ),
        (
            "/v1/after-letters",
            {"win_back_days": {"\ud800": 30}},
            "body.win_back_days.….[key]",
        ),
        ("/v1/after-letters", {"win_back_days": {"too_dear": 1}}, "body.win_back_days.too_dear"),
        ("/v1/cancel-reasons/x/mended", {"note": {"\ud800": "a"}}, "body.note.….[key]"),
        ("/v1/cancel-reasons/x/mended", {"note": {"it": "a"}}, "body.note.it.[key]"),
        ("/v1/cancel-reasons/x/mended", {"note": {"zh-Hans": " "}}, "body.note.zh-Hans"),
    ],
)
async def test_a_name_that_is_none_is_refused_by_its_place(
    stage: Stage, path: str, body: Json, where: str
) -> None:
    headers = await stage.key(await stage.merchant()) | {"Content-Type": "application/json"}
    method = "PUT" if path == "/v1/after-letters" else "POST"

    answer = await stage.client.request(method, path, headers=headers, content=json.dumps(body))

    assert answer.status_code == 422
    assert where in where_it_is_wrong(answer)


async def test_a_reason_may_be_named_as_flows_name_theirs(stage: Stage) -> None:
    headers = await stage.key(await stage.merchant())
    days = {"": 30, "too-dear": 60, "2nd_thoughts": 90}

    put = await stage.client.put("/v1/after-letters", headers=headers, json={"win_back_days": days})

    shown = await stage.client.get("/v1/after-letters", headers=headers)
    assert put.status_code == 200, put.text
    assert shown.json()["win_back_days"] == days


async def test_what_no_column_can_hold_is_refused_wherever_it_comes_in() -> None:
    # given a route that does not know what the database refuses
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    async def keep() -> None:
        raise RowRefused(f"{SECRET}: a value that no column can hold")

    client = AsyncClient(transport=ASGITransport(app), base_url="http://holdfast")

    with structlog.testing.capture_logs() as logs:
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-parameters")
    assert SECRET not in answer.text
    assert [line["event"] for line in logs] == ["row_refused"]
