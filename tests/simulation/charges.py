"""What must hold before a charge is sent."""

from typing import Protocol

from app.domain.dunning import IN_DOUBT, Attempt, Case, CaseState, Trigger
from app.domain.holds import is_barred
from app.domain.merchants import ProviderAccount
from app.providers.sandbox.world import World
from tests.simulation.erasures import Gone
from tests.simulation.house import Estate
from tests.simulation.people import Requires

OURS = frozenset({Trigger.HOLDFAST, Trigger.OPERATOR})
NEVER_AGAIN = frozenset({"lost_card", "stolen_card"})


class Charging(Requires, Protocol):
    """`rules.Rules`, as far as it is needed here."""

    asked: set[str]
    forgiven: set[tuple[str, str]]
    gone: Gone

    def attempts(self, case_id: str) -> list[Attempt]:
        """All of a case."""


def may_be_charged(
    rules: Charging, estate: Estate, invoice: str, key: str, method: str | None
) -> None:
    """No charge without an intent, none after a stop, none beside another in doubt, none through
    another merchant's account, none of somebody who was erased."""
    ledger = rules.house.ledger
    attempt = next((a for a in ledger.rows(Attempt) if a.key == key), None)
    if attempt is None:
        rules.require(False, "I1", "a charge without a committed intent")
        return
    case: Case = ledger.row(Case, attempt.case_id)
    rules.asked.add(key)
    there = case.account_id == attempt.account_id == estate.account_id
    rules.require(there, "I13", "a charge through the account of another merchant")
    rules.require(attempt.state in IN_DOUBT, "I1", f"a charge of an attempt {attempt.state}")
    rules.require(case.invoice_id == invoice, "I13", "a charge of another case's invoice")
    rules.require(case.state is CaseState.ACTIVE, "I2", f"a charge of a {case.state} case")
    rules.require(case.driven or attempt.trigger not in OURS, "I2", "a charge beside theirs")
    by_link = attempt.link_id is not None
    rules.require(not is_barred(case, by_link=by_link), "I2", "a charge of a case on hold")
    kept: ProviderAccount = ledger.row(ProviderAccount, case.account_id)
    rules.require(kept.paused_reason is None, "I2", "a charge through a paused account")
    rules.require(not rules.gone.has(case), "I2", "a charge of somebody who was erased or deleted")
    _not_beside(rules, case, attempt)
    forgiven = (case.account_id, case.invoice_id) in rules.forgiven
    rules.require(not forgiven, "I12", "a charge of what was forgiven when the customer left")
    _not_a_dead_card(rules, case, method)


def _not_beside(rules: Charging, case: Case, attempt: Attempt) -> None:
    bank = rules.house.bank_of(case)
    late = bank.under_way.get(case.invoice_id, set())
    # one whose key was answered since is only given that answer again
    under_way = {key for key in late if bank.world.get(f"answer:{key}") is None} - {attempt.key}
    rules.require(not under_way, "I1", "a second key while the first is still under way")
    others = [a for a in rules.attempts(case.case_id) if a.attempt_id != attempt.attempt_id]
    doubts = [a.number for a in others if a.state in IN_DOUBT]
    rules.require(not doubts, "I1", f"a charge while {doubts} are in doubt")


def _not_a_dead_card(rules: Charging, case: Case, method: str | None) -> None:
    charged = method or _default_method(rules.house.bank_of(case).world, case.invoice_id)
    for attempt in rules.attempts(case.case_id):
        code = (attempt.decline or {}).get("code")
        dead = code in NEVER_AGAIN and attempt.method_id == charged
        rules.require(not dead, "I2", f"a charge of a card that was refused as {code}")


def _default_method(world: World, invoice_id: str) -> str | None:
    invoice = world.get(invoice_id) or {}
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = world.get(details.get("subscription") or "") or {}
    customer = world.get(invoice.get("customer") or "") or {}
    found = (
        invoice.get("default_payment_method"),
        subscription.get("default_payment_method"),
        (customer.get("invoice_settings") or {}).get("default_payment_method"),
    )
    return next((one for one in found if one), None)
