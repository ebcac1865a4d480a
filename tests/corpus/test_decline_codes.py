"""Every code of the reference has its row, of the class the reference proposes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.domain.declines import MASTERCARD_NEVER, MASTERCARD_WAIT_HOURS, VISA_NEVER, DeclineKind
from app.providers.stripe.declines import KINDS

FILE = Path(os.environ["HOLDFAST_EVENT_CORPUS"]) / "decline_codes.json"
REFERENCE: dict[str, Any] = json.loads(FILE.read_text())
TABLES = ("card", "outcome_reasons_not_decline_codes", "local_payment_methods")
ROWS: list[dict[str, Any]] = [row for table in TABLES for row in REFERENCE[table]]

# What the reference retries later, we tell apart by what to wait for.
LATER = {
    DeclineKind.RETRY_LATER,
    DeclineKind.INSUFFICIENT_FUNDS,
    DeclineKind.LIMIT_EXCEEDED,
    DeclineKind.PROCESSOR_ERROR,
}
WAIT_HOURS = {"1 h": 1, "24 h": 24} | {f"{days} days": 24 * days for days in (2, 4, 6, 8, 10)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"])
def test_a_code_is_of_the_class_of_the_reference(row):
    kind = KINDS[row["code"]]

    if row["class"] == "retry_later":
        assert kind in LATER
    else:
        assert kind == row["class"]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.get("smart_retries_hard")], ids=lambda row: row["code"]
)
def test_what_stripe_never_retries_we_do_not_retry_blindly(row):
    assert KINDS[row["code"]] in {
        DeclineKind.NEVER,
        DeclineKind.NEW_METHOD,
        DeclineKind.CUSTOMER_AUTHENTICATE,
    }


def test_the_networks_words_are_those_of_the_reference():
    codes = REFERENCE["mastercard_network_advice_code"]
    waits = {
        c: words.removeprefix("retry after ")
        for c, words in codes.items()
        if c in MASTERCARD_WAIT_HOURS
    }

    assert frozenset(REFERENCE["visa_category_1"]) == VISA_NEVER
    assert frozenset({"03", "21"}) == MASTERCARD_NEVER
    assert {code: WAIT_HOURS[words] for code, words in waits.items()} == MASTERCARD_WAIT_HOURS
