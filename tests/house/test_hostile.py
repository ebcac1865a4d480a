"""Every class of bad input is tried at every door where it may come, by tests that exist."""

import tomllib

from tests.house.collecting import collected
from tests.house.sources import ROOT

HOSTILE = tomllib.loads((ROOT / "tests" / "hostile.toml").read_text())
# What may come, and through which doors at least: for each the tests, or why it cannot come there.
DOORS = {
    "signature": {"webhooks", "mail reports"},
    "body": {"webhooks", "mail reports", "api", "pages", "imports"},
    "amount": {"webhooks", "api", "imports"},
    "mail address": {"webhooks", "letters", "api", "mail reports"},
    "name": {"webhooks", "letters", "pages", "desk", "exports"},
    "language and zone": {"webhooks", "letters", "api"},
    "address of a page": {"event endpoints", "letters", "pages", "desk"},
    "token": {"customer tokens", "desk"},
    "another merchant's ids": {"api"},
    "question": {"api"},
    "much": {"api"},
}


def test_every_class_names_every_door_it_may_come_through() -> None:
    missing = {
        f"{group}: {name}": sorted(lacking)
        for group, rows in HOSTILE.items()
        for name, doors in rows.items()
        if (lacking := DOORS[group] - set(doors)) or not all(doors.values())
    }

    assert set(HOSTILE) == set(DOORS)
    assert sum(map(len, HOSTILE.values())) >= 60
    assert missing == {}


def test_every_named_test_of_a_class_is_collected() -> None:
    named = {
        test
        for rows in HOSTILE.values()
        for doors in rows.values()
        for tried in doors.values()
        if isinstance(tried, list)
        for test in tried
    }

    assert not named - collected({test.partition("::")[0] for test in named}, "--faults")
