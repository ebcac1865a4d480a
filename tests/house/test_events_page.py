"""docs/events.md is true: its catalogue is the code's, and what it tells people to run works."""

import textwrap
from collections.abc import Callable

import pytest

from app.domain.events_delivery import WAITS, body_of, headers_of
from tests.domain.builders import MONDAY
from tests.domain.events_examples import examples
from tests.house.events_page import MARK, PAGE, catalogue

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = MONDAY.timestamp()
BODY = body_of(examples()["dunning.case.opened"])
Check = Callable[[str, dict[str, str], bytes, float], bool]


@pytest.fixture(scope="module")
def is_ours() -> Check:
    """The function that the page shows, as anybody would copy it."""
    text = PAGE.read_text().partition("    import base64")[2].partition("\n`POST")[0]
    names: dict[str, Check] = {}
    exec(textwrap.dedent("    import base64" + text), names)  # noqa: S102 - it is our own page
    return names["is_ours"]


def test_the_catalogue_of_the_page_is_the_codes() -> None:
    told = MARK + PAGE.read_text().partition(MARK)[2]

    assert told == catalogue(), "run: python -m tests.house.events_page"


def test_the_schedule_of_the_page_is_the_codes() -> None:
    text = " ".join(PAGE.read_text().split())
    seconds = [int(wait.total_seconds()) for wait in WAITS]

    assert "5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in text
    assert seconds == [5, 300, 1800, *(hours * 3600 for hours in (2, 5, 10, 14, 20, 24))]


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_the_check_of_the_page_takes_what_we_send(is_ours: Check, secret: str) -> None:
    headers = headers_of("evt_1", BODY, [OTHER, SECRET], at=MONDAY)

    assert is_ours(secret, headers, BODY, NOW)


@pytest.mark.parametrize(
    ("secret", "change", "body", "now"),
    [
        pytest.param(OTHER, {}, BODY, NOW, id="another secret"),
        pytest.param(SECRET, {}, BODY + b" ", NOW, id="another body"),
        pytest.param(SECRET, {"webhook-id": "evt_2"}, BODY, NOW, id="another id"),
        pytest.param(SECRET, {}, BODY, NOW + 301, id="too late"),
        pytest.param(SECRET, {"webhook-timestamp": "1"}, BODY, 1.0, id="another instant"),
        pytest.param(SECRET, {"webhook-signature": "v1,"}, BODY, NOW, id="no signature"),
    ],
)
def test_the_check_of_the_page_takes_nothing_else(
    is_ours: Check, secret: str, change: dict[str, str], body: bytes, now: float
) -> None:
    headers = headers_of("evt_1", BODY, [SECRET], at=MONDAY) | change

    assert not is_ours(secret, headers, body, now)
