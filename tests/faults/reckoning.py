"""Whether two sides agree when all has come to rest: what we say, and what the provider has."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from aiosmtpd.smtp import Envelope

from app.domain.cancellations import CancelRequest
from app.domain.dunning import Case, CaseState
from app.domain.operations import InboxEvent, InboxState
from app.domain.recovery import Failure
from app.ports.world import World
from tests.faults.company import Company, Thing


async def contradictions(
    world: World, merchant_id: str, company: Company, letters: Sequence[Envelope]
) -> dict[str, int]:
    """How often each of what must not be was found; empty where the two sides agree."""
    async with world.store.transaction(merchant_id) as tx:
        cases = await tx.find(Case, where={"merchant_id": merchant_id})
        left = await tx.find(CancelRequest, where={"merchant_id": merchant_id})
        inbox = await tx.find(InboxEvent, where={"merchant_id": merchant_id})
        failures = await tx.find(Failure, where={"merchant_id": merchant_id})
    truth = company.world
    known = {case.invoice_id for case in cases} | {f.invoice_id for f in failures if f.exclusion}
    found = {
        "charged_twice": sum(_charged_twice(truth)),
        "charged_after_leaving": sum(_charged_after(truth)),
        "failed_without_case": len(_failed(truth) - known),
        "case_unlike_invoice": sum(_is_unlike(case, truth) for case in cases),
        "money_unlike": int(_recovered(cases) != _paid(truth, {c.invoice_id for c in cases})),
        "left_and_not_ended": sum(_goes_on(one, truth) for one in left),
        "letters_twice": sum(n - 1 for n in _letters(letters).values()),
        "events_lost": len(_told(truth) - {row.event_id for row in inbox}),
        "events_unhandled": sum(row.state is not InboxState.HANDLED for row in inbox),
    }
    return {name: count for name, count in found.items() if count}


def _charged_twice(truth: Any) -> Iterator[int]:
    """Charges of a customer beyond their paid invoices."""
    charges = Counter(one["customer"] for one in truth.all("charge") if one["paid"])
    paid = Counter(one["customer"] for one in truth.all("invoice") if one["status"] == "paid")
    for customer, count in charges.items():
        yield max(count - paid[customer], 0)


def _charged_after(truth: Any) -> Iterator[int]:
    ended = {
        one["customer"]: one["canceled_at"]
        for one in truth.all("subscription")
        if one["status"] == "canceled"
    }
    for charge in truth.all("charge"):
        at = ended.get(charge["customer"])
        yield int(at is not None and charge["paid"] and charge["created"] > at)


def _failed(truth: Any) -> set[str]:
    refused = (one for one in truth.all("event") if one["type"] == "invoice.payment_failed")
    return {one["data"]["object"]["id"] for one in refused}


def _is_unlike(case: Case, truth: Any) -> bool:
    invoice: Thing = truth.get(case.invoice_id)
    return (case.state is CaseState.RECOVERED) is not (invoice["status"] == "paid")


def _recovered(cases: Sequence[Case]) -> int:
    return sum(case.recovered_minor for case in cases)


def _paid(truth: Any, invoices: set[str]) -> int:
    return sum(truth.get(invoice)["amount_paid"] for invoice in invoices)


def _goes_on(request: CancelRequest, truth: Any) -> bool:
    there: Thing = truth.get(request.subscription_id)
    return there["status"] != "canceled" and not there["cancel_at_period_end"]


def _letters(letters: Sequence[Envelope]) -> Counter[str]:
    """By what names a letter: whoever sends one twice gives it the same id."""
    heads = (str(one.content).split("Message-ID:", 1)[1] for one in letters)
    return Counter(head.split(">", 1)[0] for head in heads)


def _told(truth: Any) -> set[str]:
    """The events of an endpoint since it is there."""
    (endpoint,) = truth.all("webhook_endpoint")
    wanted = set(endpoint["enabled_events"])
    return {
        one["id"]
        for one in truth.all("event")
        if one["type"] in wanted and one["created"] > endpoint["created"]
    }
