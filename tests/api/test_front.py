"""What every answer has in common: problems, limits, headers, and what is never said."""

from collections.abc import AsyncIterator

import pytest

from app.api.problems import KINDS
from tests.api.stage import Stage

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        pytest.param("GET", "/nowhere", None, "not-found", id="no such path"),
        pytest.param("DELETE", "/v1/cases", None, "method-not-allowed", id="wrong method"),
        pytest.param(
            "GET", "/webhooks/stripe/acc_1", None, "method-not-allowed", id="webhook, GET"
        ),
        pytest.param("POST", "/v1/cases", b"x" * 65537, "body-too-large", id="large body"),
        pytest.param("POST", "/v1/cases", b"a=b", "unsupported-media-type", id="no JSON"),
        pytest.param("GET", "/v1/cases", None, "unauthenticated", id="no key"),
    ],
)
async def test_whatever_is_wrong_is_told_in_a_problem_document(
    stage: Stage, method: str, path: str, body: bytes | None, problem: str
) -> None:
    response = await stage.client.request(method, path, content=body)

    document = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (document["type"], response.status_code) == (
        f"/problems/{problem}",
        KINDS[problem].status,
    )
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("name", KINDS)
async def test_every_type_of_problem_explains_itself(stage: Stage, name: str) -> None:
    response = await stage.client.get(f"/problems/{name}")

    assert (response.status_code, response.json()["status"]) == (200, KINDS[name].status)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
async def test_what_needs_no_key_answers_with_safe_headers(stage: Stage, path: str) -> None:
    response = await stage.client.get(path)

    assert response.status_code == 200
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


async def test_a_body_is_counted_when_no_length_is_announced(stage: Stage) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1024

    response = await stage.client.post("/v1/cases", content=chunks())

    assert response.status_code == 413


@pytest.mark.parametrize("given", ["short", "x" * 65, "two words here", "semi;colon1"])
async def test_an_odd_request_id_is_replaced(stage: Stage, given: str) -> None:
    response = await stage.client.get("/healthz", headers={"X-Request-Id": given})

    assert response.headers["x-request-id"] != given


async def test_a_sensible_request_id_is_kept(stage: Stage) -> None:
    response = await stage.client.get("/nowhere", headers={"X-Request-Id": "trace-0815"})

    assert response.headers["x-request-id"] == response.json()["request_id"] == "trace-0815"


async def test_a_fault_of_ours_says_nothing_of_our_inside(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    @stage.app.get("/fault")
    async def fault() -> None:
        raise ZeroDivisionError("sk_live_canary0123456789 of bob@example.com")

    response = await stage.client.get("/fault")

    assert (response.status_code, response.json()["type"]) == (500, "/problems/internal-error")
    assert "canary" not in response.text
    assert "canary" not in capsys.readouterr().err


async def test_the_page_of_the_api_names_every_route(stage: Stage) -> None:
    page = (await stage.client.get("/docs")).text

    for path in (await stage.client.get("/openapi.json")).json()["paths"]:
        assert path in page
