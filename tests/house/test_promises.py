"""Every promise and every incident has tests that exist."""

import tomllib

import pytest

from tests.house.collecting import collected
from tests.house.sources import ROOT
from tests.simulation.incidents import INCIDENTS
from tests.simulation.planted import PLANTED

BOOKS = {
    book: tomllib.loads((ROOT / "tests" / f"{book}.toml").read_text())
    for book in ("promises", "incidents")
}
ENTRIES = [(book, key) for book, entries in BOOKS.items() for key in entries]


def test_no_promise_is_forgotten() -> None:
    assert list(BOOKS["promises"]) == [f"P{number}" for number in range(1, 15)]


@pytest.mark.parametrize(("book", "key"), ENTRIES, ids=[f"{b}-{k}" for b, k in ENTRIES])
def test_an_entry_is_proved(book: str, key: str) -> None:
    entry = BOOKS[book][key]

    assert entry["title"]
    assert entry["tests"]
    assert set(entry) <= {"title", "tests", "seen", "planted", "not_planted"}


@pytest.mark.parametrize("key", BOOKS["incidents"])
def test_an_incident_is_planted_in_the_simulation_or_says_why_not(key: str) -> None:
    incident = BOOKS["incidents"][key]

    assert bool(incident.get("planted")) is not bool(incident.get("not_planted"))
    assert set(incident.get("planted", ())) <= set(PLANTED)


def test_what_was_planted_for_an_incident_stands_with_it() -> None:
    named = {name for one in BOOKS["incidents"].values() for name in one.get("planted", ())}

    assert set(INCIDENTS) <= named


def test_every_named_test_is_collected() -> None:
    named = {
        test for entries in BOOKS.values() for entry in entries.values() for test in entry["tests"]
    }
    files = {test.partition("::")[0] for test in named}

    assert not [file for file in files if not (ROOT / file).is_file()]
    assert not named - collected(files, "--faults")
