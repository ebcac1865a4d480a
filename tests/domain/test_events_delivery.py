"""The form of Standard Webhooks: bodies, signatures, waits."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events_delivery import (
    LONGEST_ASKED,
    LONGEST_REST,
    WAITS,
    body_of,
    headers_of,
    rest_after,
    signature,
    wait_after,
)
from tests.domain.builders import MONDAY
from tests.domain.events_examples import examples

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def test_a_signature_is_the_one_that_the_reference_libraries_make() -> None:
    # the vector that the specification's own libraries are tested with
    made = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_body_says_what_when_and_in_which_place() -> None:
    event = replace(examples()["dunning.case.recovered"], sequence=7)

    document = json.loads(body_of(event))

    assert list(document) == [
        "id",
        "type",
        "version",
        "timestamp",
        "subject",
        "sequence",
        "data",
    ]
    assert document["timestamp"] == "2026-01-10T10:00:00Z"
    assert document["sequence"] == 7
    assert document["data"]["recovered_minor"] == 3000


def test_a_body_is_the_same_bytes_in_whatever_order_a_database_gives_the_payload() -> None:
    event = examples()["dunning.case.opened"]

    turned = replace(event, data=dict(reversed(event.data.items())))

    assert body_of(turned) == body_of(event)
    assert len(body_of(event)) < 2000


def test_each_secret_signs_once_the_newest_first() -> None:
    headers = headers_of("evt_1", b"{}", [SECRET, OTHER], at=MONDAY)

    seconds = int(MONDAY.timestamp())
    assert headers["webhook-timestamp"] == str(seconds)
    assert headers["webhook-signature"].split(" ") == [
        signature(SECRET, "evt_1", seconds, b"{}"),
        signature(OTHER, "evt_1", seconds, b"{}"),
    ]


@given(st.text(), st.integers(min_value=0, max_value=2**40), st.binary(max_size=50))
def test_a_signature_is_in_form_and_never_of_another_body(
    event_id: str, seconds: int, body: bytes
) -> None:
    made = signature(SECRET, event_id, seconds, body)

    assert made.startswith("v1,")
    assert len(made) == 47
    assert made != signature(SECRET, event_id, seconds, body + b"x")


@given(st.integers(min_value=1, max_value=len(WAITS)), st.text(max_size=20))
def test_a_wait_is_the_schedules_and_at_most_a_quarter_more(tries: int, key: str) -> None:
    wait = wait_after(tries, None, key=key)

    assert wait is not None
    assert WAITS[tries - 1] <= wait <= WAITS[tries - 1] * 1.25


def test_ten_tries_over_three_days_are_all() -> None:
    assert wait_after(len(WAITS) + 1, None, key="x") is None
    assert sum(WAITS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    assert all(a < b for a, b in pairwise(WAITS))


@pytest.mark.parametrize(
    ("asked_s", "at_least"),
    [(None, 5), (-1.0, 5), (60.0, 60), (1e12, LONGEST_ASKED.total_seconds())],
)
def test_what_an_endpoint_asks_for_is_kept_up_to_a_day(
    asked_s: float | None, at_least: float
) -> None:
    wait = wait_after(1, asked_s, key="x")

    assert wait is not None
    assert timedelta(seconds=at_least) <= wait <= LONGEST_ASKED


@given(st.integers(min_value=1, max_value=10_000))
def test_a_failing_endpoint_is_asked_about_once_an_hour_at_least(failures: int) -> None:
    assert timedelta(seconds=5) <= rest_after(failures, None, key="x") <= LONGEST_REST * 1.25
