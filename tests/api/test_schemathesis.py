"""Schemathesis: whatever the document allows or forbids, over a database with things in it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from socket import socket

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings, target
from schemathesis.checks import not_a_server_error
from schemathesis.filters import HasAPIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
    use_after_free,
)

from tests.api.stage import a_case, open_stage
from tests.document import api_document

SCHEMA = schemathesis.openapi.from_dict(api_document())
MOST = 1_000_000
ASKED = httpx.Request("POST", "http://planted")
NUMBER = {"type": "integer", "minimum": 0, "maximum": MOST}
BODY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["a", "b", "c"],
    "properties": {"a": NUMBER, "b": NUMBER, "c": NUMBER},
}
PLANTED = schemathesis.openapi.from_dict(
    {
        "openapi": "3.1.0",
        "info": {"title": "three numbers", "version": "1"},
        "paths": {
            "/planted": {
                "post": {
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": BODY}},
                    },
                    "responses": {"200": {"description": "taken"}},
                }
            }
        },
    }
)["/planted"]["POST"]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    use_after_free,
]
BOUNDED = settings(
    max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
# Half of them are spent on climbing; one number or two need no more.
STEERED = settings(BOUNDED, max_examples=60, phases=[Phase.generate, Phase.target])


def numbers(value: object) -> Iterator[int]:
    """Every whole number of a query or a body."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        yield from (number for one in inner for number in numbers(one))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


@schemathesis.metric
def reach(asked: schemathesis.MetricContext) -> float:
    """How far what was taken goes towards the ends of its numbers."""
    if asked.response.status_code >= 400:
        return 0.0
    told = [*numbers(asked.case.query), *numbers(asked.case.body)]
    return float(min(sum(map(abs, told)), 2**60))


def steer(case: schemathesis.Case, response: schemathesis.Response) -> None:
    """Let the next examples go where these came furthest."""
    target(reach(schemathesis.MetricContext(case=case, response=response)), label="reach")


def has_numbers(context: HasAPIOperation) -> bool:
    """Whether an operation is asked with a number in its query."""
    asked = context.operation.definition.raw.get("parameters", ())
    return any("integer" in str(one["schema"]) for one in asked if one["in"] == "query")


class Announcing(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@dataclass(frozen=True)
class Site:
    """Where the service answers, with a key of a merchant who has cases."""

    url: str
    headers: dict[str, str]
    case_id: str


@pytest.fixture(scope="module")
def site(migrated_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app behind a real server, in a thread and an event loop of its own."""
    folder = tmp_path_factory.mktemp("schemathesis")
    ready, stopping = threading.Event(), threading.Event()
    sites: list[Site] = []

    async def serve() -> None:
        async with open_stage(migrated_database_url, folder, log_level="warning") as stage:
            merchant = await stage.merchant()
            account = await stage.account(merchant)
            cases = [a_case(account, f"in_{n}", amount_minor=n) for n in range(5)]
            await stage.holds(merchant, *cases)
            server = Announcing(uvicorn.Config(stage.app, port=0, lifespan="off", log_config=None))
            serving = asyncio.create_task(server.serve())
            await server.listens.wait()
            port = server.servers[0].sockets[0].getsockname()[1]
            key = await stage.key(merchant)
            sites.append(Site(f"http://127.0.0.1:{port}", key, cases[0].case_id))
            ready.set()
            await asyncio.to_thread(stopping.wait)
            server.should_exit = True
            await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield sites[0]
    stopping.set()
    thread.join()


@SCHEMA.parametrize()
@BOUNDED
def test_every_answer_is_one_that_the_document_names(case: schemathesis.Case, site: Site) -> None:
    response = case.call(base_url=site.url, headers=site.headers)

    assert response.status_code < 500
    case.validate_response(response, checks=CHECKS)


@SCHEMA.include(has_numbers).parametrize()
@STEERED
def test_where_numbers_are_asked_with_they_go_to_their_ends(
    case: schemathesis.Case, site: Site
) -> None:
    response = case.call(base_url=site.url, headers=site.headers)

    steer(case, response)
    assert response.status_code < 500
    case.validate_response(response, checks=CHECKS)


def test_steering_reaches_a_fault_that_stands_at_the_ends_of_three_numbers() -> None:
    sums, answer = list[int](), httpx.Response(200, request=ASKED)
    answer.elapsed = timedelta()
    taken = schemathesis.Response.from_any(answer)

    @settings(STEERED, max_examples=300)
    @given(case=PLANTED.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
    def ask(case: schemathesis.Case) -> None:
        sums.append(sum(numbers(case.body)))
        steer(case, taken)

    ask()

    assert max(sums) > 0.95 * 3 * MOST


def test_a_case_answers_as_the_document_says(site: Site) -> None:
    response = httpx.get(f"{site.url}/v1/cases/{site.case_id}", headers=site.headers)

    assert response.status_code == 200
    SCHEMA["/v1/cases/{case_id}"]["GET"].validate_response(response)
