"""Whose a payment was: ours that is in doubt, the provider's own retry, or the customer's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.dunning import IN_DOUBT, Attempt, AttemptState, Case, CaseKind, Trigger
from app.domain.ids import derive_id
from app.domain.messages import LinkEvent, PaymentLink
from app.domain.mirror import Invoice, Payment
from app.domain.records import Book
from app.domain.terms import Terms

# The provider stamps whole seconds and its clock is not ours: a charge this much earlier than
# our intent may still be ours.
CLOCK_SLACK = timedelta(minutes=2)
OPENED_BY = timedelta(minutes=10)  # the report of a refusal, and with it a case, follows so soon
Refs = frozenset[str]


def payment_ref(payment: Payment) -> str:
    """What names a movement in attempts and ledger: the charge, else the payment."""
    return payment.charge_id or payment.payment_id


def uncharged_ref(payment_id: str, number: int) -> str:
    """What names an attempt that was refused before there was a charge: several of them stand on
    one payment, so the payment's own id would not tell them apart."""
    return f"{payment_id}:{number}"


def known(attempts: Sequence[Attempt], payment: Payment) -> Attempt | None:
    """The attempt that is recorded as this payment already, by charge or, without one, as the
    latest of those refused on the same payment."""
    ref = payment_ref(payment)
    if exact := next((a for a in attempts if a.provider_ref == ref), None):
        return exact
    if payment.charge_id is not None:
        return None
    alike = [a for a in attempts if a.provider_ref == uncharged_ref(payment.payment_id, a.number)]
    return max(alike, key=lambda a: a.number, default=None)


def tries_of_the_provider(
    attempts: Sequence[Attempt], invoice: Invoice, payments: Sequence[Payment]
) -> Refs:
    """Which of these payments, in their order, are the provider's own retries although they look
    like a charge of ours that is in doubt.

    After the first attempt nothing but the provider's own retries raises an invoice's
    `attempt_count` (its API reference). So as many payments as it rose since our intent, beyond
    those on record, are not ours: the newest, because a request of ours left at its intent. Seeds
    10329 and 21334 took such a refusal for the answer to a request whose key kept a 500.
    """
    doubted = [a for a in attempts if a.state in IN_DOUBT and a.attempt_count is not None]
    if not doubted:
        return frozenset()
    first = min(doubted, key=lambda a: a.number)
    since = first.intent_at.replace(microsecond=0)
    on_record = sum(a.trigger is Trigger.PROVIDER and a.intent_at >= since for a in attempts)
    more = invoice.attempt_count - (first.attempt_count or 0) - on_record
    alike = [p for p in payments if known(attempts, p) is None and in_doubt(attempts, p)]
    return frozenset(payment_ref(payment) for payment in alike[-more:] if more > 0)


def in_doubt(attempts: Sequence[Attempt], payment: Payment) -> Attempt | None:
    """The attempt of ours in doubt that this payment may have been."""
    doubted = (a for a in attempts if a.state in IN_DOUBT and a.provider_ref is None)
    return next((attempt for attempt in doubted if may_be(attempt, payment)), None)


def may_be(attempt: Attempt, payment: Payment) -> bool:
    """Whether this payment may be what our request made."""
    if attempt.method_id and payment.method_id and payment.method_id != attempt.method_id:
        return False  # somebody paid with another card meanwhile
    if 0 < payment.amount_minor < attempt.amount_minor:
        return False  # somebody paid a part; ours asks for all that is owed
    at = payment.occurred_at
    return at is None or at >= attempt.intent_at - CLOCK_SLACK


def by_another(
    book: Book,
    attempts: Sequence[Attempt],
    case: Case,
    invoice: Invoice,
    payment: Payment,
    terms: Terms,
) -> Attempt:
    """A new attempt for a payment that was none of ours: the provider's own retry, or the
    customer's."""
    number = max((a.number for a in attempts), default=0) + 1
    at = payment.occurred_at or terms.now
    automatic = _is_automatic(attempts, case, invoice, payment, at)
    automatic = automatic and case.kind is CaseKind.PAYMENT
    page, link = _link_used(book, case, at)
    by_itself = automatic and page != "invoice"  # on the page of a card nothing is paid
    return Attempt(
        attempt_id=derive_id("attempt", at, case.case_id, number),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        case_id=case.case_id,
        number=number,
        trigger=Trigger.PROVIDER if by_itself else Trigger.CUSTOMER,
        state=AttemptState.SENT,
        currency=payment.currency,
        amount_minor=payment.amount_minor,
        intent_at=at,
        link_id=None if by_itself else link,
    )


def _is_automatic(
    attempts: Sequence[Attempt], case: Case, invoice: Invoice, payment: Payment, at: datetime
) -> bool:
    """Whether a payment is one that the invoice's `attempt_count` tells of.

    The provider counts tries that it does not make: on a card that was refused for good, or where
    there is none to be charged. What it had counted when we began a try, or when all tries were on
    record (`counted`), was none that came after; and what opened the case may have been no charge.
    """
    theirs = [a.intent_at for a in attempts if a.trigger is Trigger.PROVIDER]
    none_opened = min([at, *theirs]) > case.opened_at + OPENED_BY and payment.status == "succeeded"
    known = max((a.attempt_count or 0 for a in attempts if a.intent_at < at), default=0)
    more = invoice.attempt_count > max(len(theirs) + none_opened, known)
    return more if attempts else not none_opened


def counted(attempts: Sequence[Attempt], invoice: Invoice) -> Attempt | None:
    """The newest of others' tries with how often the provider says it tried, now that all are on
    record; None where that is known."""
    others = (a for a in attempts if a.trigger in {Trigger.PROVIDER, Trigger.CUSTOMER})
    newest = max(others, key=lambda a: a.intent_at, default=None)
    if newest is None or newest.attempt_count == invoice.attempt_count:
        return None
    return replace(newest, attempt_count=invoice.attempt_count)


def _link_used(book: Book, case: Case, at: datetime) -> tuple[str | None, str | None]:
    """The page of the provider that the customer went to last within a day, and the payment link
    that led there. A link of another case of theirs counts where it led to the page of this
    invoice."""
    links = {link.link_id: link for link in book.all(PaymentLink)}
    went = [
        event
        for event in book.all(LinkEvent)
        if event.link_id in links
        and _led_to(links[event.link_id], event, case)
        and at - timedelta(days=1) <= event.at <= at + CLOCK_SLACK
    ]
    if not went:
        return None, None
    last = max(went, key=lambda event: event.at)
    return (last.data or {}).get("page"), last.link_id


def _led_to(link: PaymentLink, event: LinkEvent, case: Case) -> bool:
    invoice = (event.data or {}).get("invoice")
    here = invoice == case.invoice_id if invoice else link.case_id == case.case_id
    return event.kind == "went_to_provider" and link.account_id == case.account_id and here
