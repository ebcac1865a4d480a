"""What we hold of one person, gathered from every table: to be handed out, or to be overwritten."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from app.domain.access import AccessState
from app.domain.actions import Action
from app.domain.afterwards import ExitFeedback, MailPermission
from app.domain.cancellations import CancelRequest
from app.domain.churn import ChurnRecord
from app.domain.correspondence import MessageEvent, Suppression, folded, spellings
from app.domain.declarations import Declaration
from app.domain.dunning import Attempt, Case, CaseEvent
from app.domain.evidence import Evidence
from app.domain.experiments import Assignment
from app.domain.first_payments import FirstPayment
from app.domain.ids import derive_id
from app.domain.imports import ImportedSession
from app.domain.merchants import Merchant
from app.domain.messages import LinkEvent, Message, PaymentLink
from app.domain.mirror import Customer, Dispute, Invoice, Payment, PaymentMethod, Subscription
from app.domain.mrr import MrrMovement
from app.domain.personal import is_veiled, veiled
from app.domain.records import key_of
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.redemptions import Redemption, RedemptionStep
from app.domain.saves import SaveStep
from app.domain.sessions import CancelSession
from app.domain.survey import SurveyAnswer
from app.domain.takings import Taking
from app.domain.usage import UsageFact
from app.domain.withdrawals import Consent
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.access import AmbiguousCustomer
from app.services.audit import audit

# The parts of an export by the names they have there.
SECTIONS: Mapping[str, type[Any]] = {
    "customer": Customer,
    "subscriptions": Subscription,
    "invoices": Invoice,
    "payment_methods": PaymentMethod,
    "payments": Payment,
    "disputes": Dispute,
    "cases": Case,
    "attempts": Attempt,
    "case_events": CaseEvent,
    "failures": Failure,
    "recovery_entries": RecoveryEntry,
    "first_payments": FirstPayment,
    "takings": Taking,
    "churn_records": ChurnRecord,
    "mrr_movements": MrrMovement,
    "access_states": AccessState,
    "assignments": Assignment,
    "cancel_sessions": CancelSession,
    "survey_answers": SurveyAnswer,
    "save_steps": SaveStep,
    "redemptions": Redemption,
    "redemption_steps": RedemptionStep,
    "cancel_requests": CancelRequest,
    "evidence": Evidence,
    "consents": Consent,
    "exit_feedback": ExitFeedback,
    "imported_sessions": ImportedSession,
    "declarations": Declaration,
    "usage_facts": UsageFact,
    "mail_permissions": MailPermission,
    "messages": Message,
    "message_events": MessageEvent,
    "suppressions": Suppression,
    "payment_links": PaymentLink,
    "link_events": LinkEvent,
    "actions": Action,
}
# Found by the customer, by their subscriptions, and by their invoices: each as its indexes allow.
BY_CUSTOMER: tuple[type[Any], ...] = (
    Subscription, Invoice, PaymentMethod, Payment, Dispute, Case, ChurnRecord, MrrMovement,
    Redemption, UsageFact, MailPermission, Message, PaymentLink, ImportedSession, Action,
)  # fmt: skip
BY_SUBSCRIPTION: tuple[type[Any], ...] = (
    AccessState, CancelSession, CancelRequest, Evidence, Consent, ImportedSession,
)  # fmt: skip
BY_INVOICE: tuple[type[Any], ...] = (Failure, RecoveryEntry, FirstPayment, Taking)
# What opens a door, and so is handed out to nobody.
SECRET = frozenset({"token_hash", "outcome_key"})

R = TypeVar("R")


class UnknownCustomer(LookupError):
    """The merchant has no such customer."""


@dataclass(slots=True)
class Held:
    """All rows about one customer of an account. `addresses` are theirs, as suppressions compare
    them."""

    merchant: Merchant
    customer: Customer
    rows: dict[type[Any], dict[Any, Any]] = field(default_factory=dict)

    def know(self, rows: Iterable[Any]) -> None:
        """Take rows in; one that is known already stays one."""
        for row in rows:
            self.rows.setdefault(type(row), {})[key_of(row)] = row

    def of(self, kind: type[R]) -> list[R]:
        """The rows of one kind."""
        return list(self.rows.get(kind, {}).values())

    def values(self, kind: type[Any], name: str) -> list[str]:
        """What stands in a field of the rows of one kind, sorted, each once."""
        found = (getattr(row, name) for row in self.of(kind))
        return sorted({value for value in found if value is not None})

    @property
    def addresses(self) -> list[str]:
        """The addresses and numbers they were or may be written to, open and veiled."""
        known = {self.customer.email, self.customer.phone}
        known |= {*self.values(Invoice, "customer_email"), *self.values(Message, "recipient")}
        plain = {one for address in known if address for one in spellings(address)}
        key = self.merchant.assignment_key
        return sorted(plain | {veiled(address, key) for address in plain})


async def customer_of(
    tx: Transaction, merchant_id: str, customer_id: str, account_id: str | None
) -> Customer:
    """The customer, whatever was erased of them. Raises `UnknownCustomer` and
    `AmbiguousCustomer`."""
    where = {"merchant_id": merchant_id, "customer_id": customer_id}
    if account_id is not None:
        where["account_id"] = account_id
    found = await tx.find(Customer, where=where)
    if not found:
        raise UnknownCustomer(customer_id)
    if len(found) > 1:
        raise AmbiguousCustomer(customer_id)
    return found[0]


async def gather(tx: Transaction, customer: Customer) -> Held:
    """Every row about a customer but the webhooks, in four sets of questions."""
    (merchant,) = await tx.load(Merchant, [(customer.merchant_id,)])
    held = Held(merchant=merchant, customer=customer)
    held.know([customer])
    mine = {"account_id": customer.account_id}
    whose = mine | {"customer_id": customer.customer_id}
    of_merchant = {"merchant_id": customer.merchant_id}
    await _ask(
        tx,
        held,
        *(Ask(kind, where=whose) for kind in BY_CUSTOMER),
        Ask(Assignment, where=of_merchant | {"customer_id": customer.customer_id}),
    )
    subscriptions = {"subscription_id": held.values(Subscription, "subscription_id")}
    invoices = {"invoice_id": held.values(Invoice, "invoice_id")}
    cases = {"case_id": held.values(Case, "case_id")}
    await _ask(
        tx,
        held,
        *(Ask(kind, where=mine | subscriptions) for kind in BY_SUBSCRIPTION),
        *(Ask(kind, where=mine | invoices) for kind in BY_INVOICE),
        Ask(Attempt, where=cases),
        Ask(CaseEvent, where=cases),
        Ask(PaymentLink, where=cases),
    )
    await _know_declarations(tx, held)
    sessions = {"session_id": held.values(CancelSession, "session_id")}
    requests = held.values(CancelRequest, "request_id")
    addresses = of_merchant | {"recipient": held.addresses}
    await _ask(
        tx,
        held,
        Ask(SurveyAnswer, where=sessions),
        Ask(SaveStep, where=sessions),
        Ask(RedemptionStep, where={"redemption_id": held.values(Redemption, "redemption_id")}),
        Ask(ExitFeedback, keys=[(request,) for request in requests]),
        Ask(LinkEvent, where={"link_id": held.values(PaymentLink, "link_id")}),
        Ask(MessageEvent, where=addresses),
        Ask(Suppression, where=addresses),
    )
    return held


async def _ask(tx: Transaction, held: Held, *questions: Ask) -> None:
    for rows in await tx.ask(*questions):
        held.know(rows)


async def _know_declarations(tx: Transaction, held: Held) -> None:
    """Those that were matched to the customer, and those of their address that were matched to
    nobody; and the letters that acknowledged them."""
    customer, mine = held.customer, {"merchant_id": held.merchant.merchant_id}
    whose = {"account_id": customer.account_id, "customer_id": customer.customer_id}
    veils = [one for one in held.addresses if is_veiled(one)]
    matched, by_address, unsaid = await tx.ask(
        Ask(Declaration, where=mine | whose),
        Ask(Declaration, where=mine | {"email_hash": veils, "customer_id": None}),
        Ask(Declaration, where=mine | {"email_hash": None, "customer_id": None}),
    )
    plain = {one for one in held.addresses if not is_veiled(one)}
    found = [*matched, *by_address, *(row for row in unsaid if folded(row.email) in plain)]
    held.know(found)
    letters = [derive_id("message", row.received_at, row.declaration_id) for row in found]
    held.know(await tx.load(Message, [(letter,) for letter in letters]))


async def export(
    world: World,
    merchant_id: str,
    customer_id: str,
    *,
    account_id: str | None = None,
    actor: str,
) -> dict[str, Any]:
    """All that is held of a customer, as one document: `account`, `customer`, `as_of`, and `held`
    with the rows of each of `SECTIONS`. Of webhooks, which are the provider's own words and kept
    for a month, it has what was taken in of them. What opens a door is left out.

    Leaves a line in the audit log, and changes nothing else. Raises `UnknownCustomer` and
    `AmbiguousCustomer`.
    """
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        customer = await customer_of(tx, merchant_id, customer_id, account_id)
        held = await gather(tx, customer)
        line = audit(
            actor=actor, action="customer.exported", subject=customer_id, at=now, after=customer
        )
        await tx.insert([line])
    return {
        "account": customer.account_id,
        "customer": customer_id,
        "as_of": now.isoformat(),
        "erased": customer.erased,
        "held": {name: _rows(held.of(kind)) for name, kind in SECTIONS.items()},
    }


def _rows(rows: Collection[Any]) -> list[dict[str, Any]]:
    return [
        {name: _plain(value) for name, value in asdict(row).items() if name not in SECRET}
        for row in sorted(rows, key=key_of)
    ]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
