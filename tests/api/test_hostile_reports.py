"""Signed events whose contents nobody means well: read as far as they go, and in nobody's way."""

import json
from typing import Any

import pytest

from app.domain.dunning import Case
from app.domain.mirror import Customer, Invoice
from app.domain.operations import InboxState
from app.services import intake
from bench.events import OPEN_INVOICE, SUBSCRIPTION
from tests.api.stage import NOW, Stage, an_event

pytestmark = pytest.mark.anyio
LARGEST = 2**63 - 1
AMOUNTS = {
    "nothing": 0,
    "below nothing": -1,
    "the largest": LARGEST,
    "one more than the largest": 2**63,
    "beyond any number": 10**400,
    "a fraction": 0.1,
    "a text": "4900",
    "a truth": True,
    "missing": None,
}
CURRENCIES = {
    "without decimals": "jpy",
    "with three decimals": "kwd",
    "of nobody": "xxx",
    "in capitals": "EUR",
    "empty": "",
    "no word": "€€€",
    "ten thousand letters": "a" * 10_000,
    "a number": 978,
}
TEXTS = {
    "template": "{{7*7}}{% for x in range(10**9) %}",
    "markup": "<script>alert(1)</script>",
    "formula": '=HYPERLINK("https://evil.example")',
    "emoji": "👩‍👩‍👧‍👦" * 100,
    "right to left": "\u202egnp.exe",
    "NUL": "a\x00b",
    "line end": "Ada\r\nBcc: victim@example.org",
    "encoded word": "=?utf-8?q?A=0d=0aBcc=3a_v=40x.io?=",
    "line separator": "Ada\u2028Bcc: x",
    "half a surrogate pair": "\ud800",
    "ten thousand characters": "a" * 10_000,
    "two addresses": "a@b.example, c@d.example",
    "no locale": "xx-Klingon-\x00",
}


def told(number: int, thing: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An object of the provider, of a customer of this number."""
    text = json.dumps(thing).replace("@N@", f"h{number:07d}")
    made: dict[str, Any] = json.loads(text.replace('"@CREATED@"', str(int(NOW.timestamp()))))
    return made | changes


async def hears(stage: Stage, account: Any, name: str, kind: str, thing: dict[str, Any]) -> int:
    body = json.loads(an_event(f"evt_{name}", type=kind))
    body["data"] = {"object": thing}
    return (await stage.hears(account, json.dumps(body).encode())).status_code


async def among_good_ones(
    stage: Stage, kind: str, odd: dict[str, Any]
) -> tuple[list[int], list[InboxState], list[Case], list[Any]]:
    """An odd object between two good failures: answers, states in the inbox, cases, odd rows."""
    merchant = await stage.merchant()
    account = await stage.account(merchant)
    answers = []
    for number in (1, 3):
        known = told(number, SUBSCRIPTION)
        answers.append(
            await hears(stage, account, f"s{number}", "customer.subscription.updated", known)
        )
    failed = "invoice.payment_failed"
    answers.append(await hears(stage, account, "first", failed, told(1, OPEN_INVOICE)))
    answers.append(await hears(stage, account, "odd", kind, odd))
    answers.append(await hears(stage, account, "last", failed, told(3, OPEN_INVOICE)))
    while await intake.drain(stage.world):
        pass
    rows = await stage.inbox(merchant)
    async with stage.world.store.transaction(merchant.merchant_id) as tx:
        own = {"merchant_id": merchant.merchant_id}
        cases = await tx.find(Case, where=own)
        mirrored = [*await tx.find(Invoice, where=own), *await tx.find(Customer, where=own)]
    return answers, [row.state for row in rows], cases, mirrored


def good(cases: list[Case]) -> set[str]:
    return {case.invoice_id for case in cases} & {"in_h0000001", "in_h0000003"}


@pytest.mark.parametrize("named", AMOUNTS)
async def test_an_amount_that_is_none_keeps_nobody_elses_from_being_worked(
    stage: Stage, named: str
) -> None:
    odd = AMOUNTS[named]
    sums = dict.fromkeys(("amount_due", "amount_remaining", "amount_paid", "total"), odd)

    answers, states, cases, rows = await among_good_ones(
        stage, "invoice.payment_failed", told(2, OPEN_INVOICE, **sums)
    )

    assert set(answers) <= {200, 400}
    assert InboxState.PENDING not in states
    assert good(cases) == {"in_h0000001", "in_h0000003"}
    assert all(0 <= case.amount_minor <= LARGEST for case in cases)
    assert all(type(row.due_minor) is int for row in rows if isinstance(row, Invoice))


@pytest.mark.parametrize("named", CURRENCIES)
async def test_a_currency_that_is_none_keeps_nobody_elses_from_being_worked(
    stage: Stage, named: str
) -> None:
    answers, states, cases, rows = await among_good_ones(
        stage, "invoice.payment_failed", told(2, OPEN_INVOICE, currency=CURRENCIES[named])
    )

    found = [row.currency for row in rows if isinstance(row, Invoice)]
    assert set(answers) == {200}
    assert InboxState.PENDING not in states
    assert good(cases) == {"in_h0000001", "in_h0000003"}
    assert all(word == word.lower() and len(word) <= 8 for word in found)


@pytest.mark.parametrize("named", TEXTS)
async def test_a_text_of_the_provider_is_only_ever_a_text(stage: Stage, named: str) -> None:
    odd = TEXTS[named]
    customer = {
        "id": "cus_h0000002", "object": "customer", "created": int(NOW.timestamp()), "name": odd,
        "email": odd, "phone": odd, "preferred_locales": [odd], "metadata": {odd: odd},
        "address": {"country": odd, "postal_code": odd},
    }  # fmt: skip

    answers, states, cases, _ = await among_good_ones(stage, "customer.updated", customer)

    assert set(answers) <= {200, 400}
    assert InboxState.PENDING not in states
    assert good(cases) == {"in_h0000001", "in_h0000003"}
