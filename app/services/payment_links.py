"""Payment links: what the page shows, and where the button leads. A look changes nothing."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from app.domain.declines import DeclineKind
from app.domain.dunning import Case, CaseKind, CaseState
from app.domain.ids import derive_id
from app.domain.languages import language_for
from app.domain.merchants import ProviderAccount
from app.domain.messages import LinkEvent, PaymentLink
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Subscription
from app.domain.records import Book
from app.domain.terms import Terms
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.books import account_terms, asks_for_terms, load_case, terms_from, write
from app.services.letters import reason_key
from app.services.shelves import keeping

TOKEN_AT_MOST = 200
OWED = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})
PAYABLE = frozenset({"open", "late"})
LEADS_ON = PAYABLE | {"card"}
PURPOSES = ["card", "pay"]


class LinkDead(Exception):
    """The link leads nowhere (any more); `status` is the view's: expired, paid, ended, paused."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """What the page may show: no address, no ids. `status` is `open`, `paid`, `late` (after our
    end: paying settles the debt only), `card` (nothing is owed, a card can be entered), `ended`,
    `expired` or `paused`; `needs` is `card`, `authenticate` or `pay`."""

    status: str
    merchant_name: str
    language: str
    time_zone: str
    amount_minor: int
    currency: str
    reason_key: str | None
    plan: str | None
    invoice_number: str | None
    next_retry_at: datetime | None
    last_day: datetime | None
    end_action: str | None
    needs: str
    paid_at: datetime | None


async def look(world: World, token: str) -> LinkView | None:
    """The view of a token, or None for one that never was. Reads only."""
    async with world.store.system() as tx:
        link = await _find(tx, token)
        if link is None:
            return None
        await tx.act_for([link.merchant_id])
        return await _view(tx, world, link)


async def _find(tx: Transaction, token: str) -> PaymentLink | None:
    if not token or len(token) > TOKEN_AT_MOST:
        return None
    hashed = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    links = await tx.find(PaymentLink, where={"token_hash": hashed, "purpose": PURPOSES})
    return links[0] if links else None


async def _view(tx: Transaction, world: World, link: PaymentLink) -> LinkView | None:
    if link.case_id is None:
        terms = await account_terms(tx, world, link.merchant_id, link.account_id)
        return await _card_view(tx, link, terms)
    asked = asks_for_terms([link.merchant_id], [link.account_id])
    book, case, also = await load_case(tx, link.case_id, also=asked)
    if case is None:
        return None
    terms = await keeping(tx, terms_from(world, *also)[link.account_id], [case])
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    customer = book.get(Customer, case.account_id, case.customer_id)
    subscription = book.get(Subscription, case.account_id, case.subscription_id)
    status = _status(case, invoice, link, terms.account, world.clock.now())
    is_open = status == "open"
    return LinkView(
        status=status,
        merchant_name=terms.merchant.name,
        language=language_for(customer.language if customer else None, terms.merchant.language),
        time_zone=terms.zone_of(customer).key,
        amount_minor=case.due_minor if status in PAYABLE else case.amount_minor,
        currency=case.currency,
        reason_key=reason_key(case) if is_open else None,
        plan=(subscription.plan if subscription else None) or case.plan,
        invoice_number=invoice.number if invoice else None,
        next_retry_at=case.next_attempt_at if is_open else None,
        last_day=case.window_ends_at if is_open and case.driven else None,
        end_action=terms.policy_of(case).end.subscription if is_open and case.driven else None,
        needs=_needs(case),
        paid_at=invoice.paid_at if invoice else None,
    )


async def _card_view(tx: Transaction, link: PaymentLink, terms: Terms) -> LinkView:
    """The view of a link that asks for a card ahead of time: no debt is shown, there is none."""
    found = await tx.load(Customer, [(link.account_id, link.customer_id)])
    customer = found[0] if found else None
    gone = customer is None or customer.deleted or customer.erased
    expired = link.expires_at <= terms.now or link.revoked_at is not None
    status = "expired" if expired else "ended" if gone else "card"
    if status == "card" and terms.account.paused_reason:
        status = "paused"
    return LinkView(
        status=status,
        merchant_name=terms.merchant.name,
        language=language_for(customer.language if customer else None, terms.merchant.language),
        time_zone=terms.zone_of(customer).key,
        amount_minor=0,
        currency="usd",
        reason_key=None,
        plan=None,
        invoice_number=None,
        next_retry_at=None,
        last_day=None,
        end_action=None,
        needs="card",
        paid_at=None,
    )


def _status(
    case: Case,
    invoice: Invoice | None,
    link: PaymentLink,
    account: ProviderAccount,
    now: datetime,
) -> str:
    paid = invoice is not None and invoice.status is InvoiceStatus.PAID
    if case.state is CaseState.RECOVERED or paid:
        return "paid"
    if link.expires_at <= now or link.revoked_at is not None:
        return "expired"
    if case.state is CaseState.EXHAUSTED and invoice is not None and invoice.status in OWED:
        return "paused" if account.paused_reason else "late"
    if case.state not in {CaseState.ACTIVE, CaseState.PARKED}:
        return "ended"
    return "paused" if account.paused_reason else "open"


def _needs(case: Case) -> str:
    if case.state is CaseState.EXHAUSTED or case.kind is CaseKind.INVOICE:
        return "pay"
    if case.decline_kind is DeclineKind.CUSTOMER_AUTHENTICATE:
        return "authenticate"
    return "card"


async def go(world: World, token: str) -> str:
    """Make the provider's page now and return its URL; records that the customer went there.

    Raises `LinkDead` where there is nothing to pay, the provider's errors where it does not
    answer. Pressed twice it makes two pages and charges nothing: only the provider's page does.
    """
    async with world.store.system() as tx:
        link = await _find(tx, token)
        if link is None:
            raise LinkDead("unknown")
        await tx.act_for([link.merchant_id])
        view = await _view(tx, world, link)
        if view is None or view.status not in LEADS_ON:
            raise LinkDead(view.status if view else "unknown")
        ids = [(link.case_id,)] if link.case_id else []
        accounts, cases = await tx.ask(
            Ask(ProviderAccount, keys=[(link.account_id,)]), Ask(Case, keys=ids)
        )
        account, case = accounts[0], cases[0] if cases else None
    page, url = await _page(world, account, case, link, token)
    async with world.store.transaction(link.merchant_id) as tx:
        who = case.customer_id or case.invoice_id if case else link.customer_id
        await tx.lock(link.account_id, [who] if who else [])
        now = world.clock.now()
        book = Book()
        book.know([link])
        book.know([case] if case else [])
        went = LinkEvent(
            event_id=derive_id("link_event", now, link.link_id, page, url),
            merchant_id=link.merchant_id,
            link_id=link.link_id,
            kind="went_to_provider",
            at=now,
            data={"page": page},
        )
        book.add(went)
        await write(tx, book, at=now)
    return url


async def _page(
    world: World, account: ProviderAccount, case: Case | None, link: PaymentLink, token: str
) -> tuple[str, str]:
    customer = link.customer_id if case is None else case.customer_id
    if case is not None and (_needs(case) != "card" or customer is None):
        url = await world.payments.invoice_page(account, case.invoice_id)
        if url is None:
            raise LinkDead("ended")
        return "invoice", url
    if customer is None:
        raise LinkDead("unknown")
    url = await world.payments.card_page(
        account,
        customer=customer,
        return_url=f"{world.public_url}/p/{token}/done",
        link=link.link_id,
        currency=case.currency if case else (link.currency or "usd"),
    )
    return "card", url
