"""No file that is kept holds a secret."""

import random
import string

import pytest

from tests.house.secrets import kept_files, secrets_in
from tests.house.sources import name

# Drawn once to be public; nothing opens with them.
KNOWN = {
    "tests/domain/test_events_delivery.py": "the secret that Standard Webhooks prints, and another",
    "tests/house/test_events_page.py": "the secrets of the page's example",
    "tests/operations/test_logs.py": "keys that must not reach a line of a log",
}


def drawn(length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(random.Random(7).choices(alphabet, k=length))


def test_no_kept_file_holds_a_secret() -> None:
    found: dict[str, list[str]] = {}
    for path in kept_files():
        if secrets := list(secrets_in(path.read_bytes().decode("utf-8", "replace"))):
            found[name(path)] = secrets

    assert {file: found[file] for file in found if file not in KNOWN} == {}
    assert set(KNOWN) <= set(found)


@pytest.mark.parametrize(
    "planted",
    [
        f"STRIPE_KEY=sk_live_{drawn(24)}",
        f"key: rk_live_{drawn(99)}",
        f"'whsec_{drawn(32)}'",
        f"Authorization: Bearer hf_live_{drawn(43)}",
        f"-----BEGIN PRIVATE KEY-----\n{drawn(64)}\n{drawn(64)}\n-----END PRIVATE KEY-----",
        f"eyJ{drawn(17)}.eyJ{drawn(40)}.{drawn(43)}",
        f"AKIA{drawn(16, string.ascii_uppercase + string.digits)}",
        f"ghp_{drawn(36)}",
        f"xoxb-{drawn(40)}",
    ],
    ids=lambda text: text[:24],
)
def test_a_secret_is_found_by_its_shape(planted: str) -> None:
    found = list(secrets_in(f"first line\n{planted}\n"))

    assert len(found) == 1
    assert found[0].endswith("in line 2")


@pytest.mark.parametrize(
    "harmless",
    ["sk_live_xxxxxxxxxxxxxxxxxxxxxxxx", "whsec_test_test_test_test_test_test", "hf_live_…"],
)
def test_what_only_stands_for_a_secret_is_none(harmless: str) -> None:
    assert list(secrets_in(harmless)) == []
