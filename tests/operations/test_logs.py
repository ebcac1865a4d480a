"""P12: no secret, card number or mail address in logs, whoever writes them."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.logs import configure_logging, redact

CANARIES = [
    pytest.param("sk_live_4eC39HqLyjWDarjtT1zdp7dc", id="provider key"),
    pytest.param("rk_test_4eC39HqLyjWDarjtT1zdp7dc", id="restricted key"),
    pytest.param("whsec_abc/+123canary==", id="webhook secret"),
    pytest.param("hf_live_" + "a1B2" * 10 + "xyz", id="our key"),
    pytest.param("Bearer eyJhbGciOi.canary", id="bearer"),
    pytest.param("postgresql://me:canary@db/x", id="database login"),
    pytest.param("redis://:canary@cache:6379/0", id="redis login"),
    pytest.param("ann.o'hara+x@example.co.uk", id="address"),
    pytest.param("root@localhost", id="local address"),
    pytest.param("müller@exämple.de", id="international address"),
    pytest.param("4242424242424242", id="card"),
    pytest.param("4242 4242 4242 4242", id="card, spaced"),
    pytest.param("3782-822463-10005", id="card, dashed"),
    pytest.param("4000 0566 5566 5556 123", id="card, with its code"),
    pytest.param("/p/Zm9vYmFyYmF6cXV4Zm9v", id="link token"),
    pytest.param("v1.0a1b2c3d.c2VhbGVkY2FuYXJ5", id="sealed"),
]


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(level="info")
    yield capsys
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("canary", CANARIES)
def test_no_secret_reaches_a_line_by_any_way(logs: pytest.CaptureFixture[str], canary: str) -> None:
    ours, library = structlog.stdlib.get_logger("ours"), logging.getLogger("library")
    ours.info(f"in the text {canary}", reason=canary, case={"deep": [canary]}, odd=canary)
    ours.info("as a name", **{canary: 1})
    library.warning("an argument %s", canary)
    try:
        raise ValueError(canary)
    except ValueError:
        ours.exception("in a traceback")
        library.exception("in a library's traceback")

    lines = logs.readouterr().err.splitlines()

    assert len(lines) == 5
    assert canary not in "\n".join(
        json.dumps(json.loads(line), ensure_ascii=False) for line in lines
    )


def test_a_line_has_its_fields_and_leaves_out_what_is_not_allowed(
    logs: pytest.CaptureFixture[str],
) -> None:
    structlog.stdlib.get_logger("room").info("drained", count=3, ms=1.5, body="{}", name="Ann")

    line = json.loads(logs.readouterr().err)

    del line["timestamp"]
    assert line == {
        "event": "drained",
        "logger": "room",
        "level": "info",
        "count": 3,
        "ms": 1.5,
        "left_out": "body name",
    }


@pytest.mark.parametrize(
    "text",
    [
        "case_019cae6b6600744abac0ce97de79a7a4",
        "in_1Nv0FGQ9RKHgCVdK waits 26 h",
        "4242424242424241",
        "2026-03-02T12:00:00+00:00",
        "http://127.0.0.1:8200/docs",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


@given(st.text(max_size=300))
def test_any_text_can_be_logged(text: str) -> None:
    assert isinstance(redact(text), str)


def test_a_flood_is_cut() -> None:
    assert len(redact("x" * 1_000_000)) < 10_000
