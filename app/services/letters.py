"""What a letter about a case says, gathered from the mirror at sending time."""

from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.correspondence import Letterhead, Suppression, TemplateVersion, folded, spellings
from app.domain.declines import DeclineKind
from app.domain.dunning import Case, CaseKind
from app.domain.ends_told import told_end
from app.domain.languages import written
from app.domain.lines import settled_minor
from app.domain.merchants import Merchant
from app.domain.messages import AlsoOpen, Letter, Look, Message, Wording
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Subscription
from app.domain.personal import veiled
from app.ports.store import Ask, Transaction
from app.services.work import Desk

REASON_KEYS = {
    DeclineKind.NEW_METHOD: "bank_declined",
    DeclineKind.FIX_DATA: "card_data",
    DeclineKind.CUSTOMER_AUTHENTICATE: "authentication",
    DeclineKind.NO_PAYMENT_METHOD: "no_method",
    DeclineKind.INSUFFICIENT_FUNDS: "insufficient_funds",
    DeclineKind.LIMIT_EXCEEDED: "limit",
    DeclineKind.PROCESSOR_ERROR: "temporary",
    DeclineKind.RETRY_LATER: "temporary",
    DeclineKind.RECONCILE_FIRST: "temporary",
    DeclineKind.RETRY_FEW_AND_ASK: "bank_declined",
    DeclineKind.NEVER: "bank_declined",
}
NOT_CHARGED_AGAIN = frozenset({DeclineKind.NEVER, DeclineKind.CUSTOMER_AUTHENTICATE})


def reason_key(case: Case) -> str:
    """Which plain words a letter uses for the refusal; loss, theft and fraud look like any."""
    if case.kind is CaseKind.INVOICE:
        return "overdue"
    if (case.decline or {}).get("code") == "expired_card":
        return "card_expired"
    return REASON_KEYS.get(case.decline_kind or DeclineKind.UNKNOWN, "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stationery:
    """What a merchant's letters are written on, and to whom not at all."""

    look: Look
    wording: Wording | None
    suppressions: list[Suppression]


async def stationery_for(tx: Transaction, message: Message, of: Merchant) -> Stationery:
    """The look, the merchant's own wording and the suppressions for one message, those too that
    were kept when somebody of this address was erased."""
    merchant = {"merchant_id": message.merchant_id}
    about = {"template": message.template, "language": written(message.language) or "en"}
    address = folded(message.recipient)
    plain = spellings(address)
    names = [*plain, *(veiled(one, of.assignment_key) for one in plain)]
    to = {"recipient": names, "channel": message.channel}
    heads, versions, suppressions = await tx.ask(
        Ask(Letterhead, keys=[(message.merchant_id,)]),
        Ask(TemplateVersion, where=merchant | about),
        Ask(Suppression, where=merchant | to),
    )
    newest = max(versions, key=lambda row: row.version, default=None)
    return Stationery(
        look=heads[0].look if heads else Look(),
        wording=newest.wording if newest else None,
        suppressions=[replace(row, recipient=address) for row in suppressions],
    )


def letter_of(
    at: Desk, message: Message, link: str, also: list[Case], status: str | None = None
) -> Letter:
    """The letter of a message about the case on the desk, and `also` about other open ones.
    `status` is that of its subscription, where it was read live."""
    case, merchant = at.case, at.terms.merchant
    end_action, last_day = end_of(at, status)
    invoice = at.book.get(Invoice, case.account_id, case.invoice_id)
    customer = at.book.get(Customer, case.account_id, case.customer_id)
    paid = invoice is not None and invoice.status is InvoiceStatus.PAID
    return Letter(
        template=message.template,
        language=message.language,
        time_zone=at.terms.zone_of(customer).key,
        merchant_name=merchant.name,
        customer_name=customer.name if customer else None,
        plan=_plan_name(at, case),
        invoice_number=invoice.number if invoice else None,
        amount_minor=settled_minor(at.book, case) if paid else case.due_minor,
        currency=case.currency,
        reason_key=reason_key(case),
        link=None if paid or _nothing_owed(invoice) else link,
        next_retry_at=still_to_come(case, at.terms.now),
        last_day=last_day,
        end_action=end_action,
        paid_at=invoice.paid_at if invoice and paid else None,
        also=tuple(_also(at, other) for other in also),
    )


def end_of(at: Desk, status: str | None) -> tuple[str | None, datetime | None]:
    """What is told of the end of the case on the desk."""
    subscription = at.book.get(Subscription, at.case.account_id, at.case.subscription_id)
    return told_end(at.case, subscription, at.policy, status=status)


def _also(at: Desk, case: Case) -> AlsoOpen:
    invoice = at.book.get(Invoice, case.account_id, case.invoice_id)
    return AlsoOpen(
        amount_minor=case.due_minor,
        currency=case.currency,
        invoice_number=invoice.number if invoice else None,
        plan=_plan_name(at, case),
        last_day=end_of(at.beside(case.case_id), None)[1],
    )


def still_to_come(case: Case, now: datetime) -> datetime | None:
    """The next try that a customer is told of. One that an outage put off has no instant that could
    be told; of a card refused for good, or that the bank wants confirmed, the provider plans tries
    that it does not make."""
    at = case.next_attempt_at
    in_name_alone = not case.driven and case.decline_kind in NOT_CHARGED_AGAIN
    return None if at is None or at <= now or in_name_alone else at


def _nothing_owed(invoice: Invoice | None) -> bool:
    return invoice is not None and invoice.status in {InvoiceStatus.VOID, InvoiceStatus.DELETED}


def _plan_name(at: Desk, case: Case) -> str | None:
    subscription = at.book.get(Subscription, case.account_id, case.subscription_id)
    return (subscription.plan if subscription else None) or case.plan
