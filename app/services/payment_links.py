"""Payment links: what the page shows, and where the button leads. A look changes nothing."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from app.domain.cancellations import CancelRequest
from app.domain.declines import DeclineKind
from app.domain.departures import is_let_go
from app.domain.dunning import Case, CaseKind, CaseState, Waits
from app.domain.ends_told import told_end
from app.domain.languages import language_for
from app.domain.lines import settled_minor
from app.domain.merchants import ProviderAccount
from app.domain.messages import LinkEvent, PaymentLink, link_event
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Subscription
from app.domain.mirroring import ENDED
from app.domain.records import Book
from app.domain.terms import Terms
from app.ports.store import Transaction
from app.ports.world import World
from app.services.books import account_terms, asks_for_terms, load_case, terms_from, write
from app.services.letters import reason_key, still_to_come
from app.services.shelves import keeping

TOKEN_AT_MOST = 200
OWED = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})
PAYABLE = frozenset({"open", "late"})
LEADS_ON = PAYABLE | {"card"}
PURPOSES = ["card", "pay"]


class LinkDead(Exception):
    """The link leads nowhere (any more); `status` is the view's: expired, paid, credited,
    ended, paused."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One overdue invoice: what it is for and what is owed on it."""

    invoice_number: str | None
    plan: str | None
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What a link leads to now: the case in front, all that are owed with it, and the terms."""

    status: str
    case: Case
    owed: tuple[Case, ...]
    book: Book
    terms: Terms

    @property
    def needs(self) -> str:
        """A card pays all at once, so it goes before a confirmation of one."""
        needs = [_needs(case) for case in self.owed or (self.case,)]
        return "card" if "card" in needs and self.status != "late" else _needs(self.case)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """What the page may show: no address of the customer, no ids.

    `status` is `open`, `paid`, `credited` (a credit note left nothing to pay), `late` (after our
    end: paying settles the debt only), `card` (nothing is owed, a card can be entered), `ended`,
    `expired` or `paused`; `needs` is `card`, `authenticate` or `pay`.

    `owed` are all overdue invoices of the customer, oldest first. A card pays all of them, and
    `amount_minor` is their sum in `currency`; the provider's page of an invoice pays that one.
    `after_end` says that the subscription has ended, `restart_to` where to ask for a new one.
    """

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
    owed: tuple[Owed, ...] = ()
    after_end: bool = False
    restart_to: str | None = None

    @property
    def is_of_debt(self) -> bool:
        """Whether it tells of an invoice at all."""
        return bool(self.amount_minor or self.plan or self.invoice_number)


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
    if link.case_id is None or link.revoked_at is not None:
        terms = await account_terms(tx, world, link.merchant_id, link.account_id)
        return await _card_view(tx, link, terms)
    sight = await _sight(tx, world, link, link.case_id)
    return None if sight is None else _shown(sight)


async def _sight(tx: Transaction, world: World, link: PaymentLink, case_id: str) -> Sight | None:
    asked = asks_for_terms([link.merchant_id], [link.account_id])
    book, case, also = await load_case(tx, case_id, also=asked)
    if case is None:
        return None
    cases = sorted(_of_customer(book, case), key=lambda c: (c.opened_at, c.case_id))
    terms = await keeping(tx, terms_from(world, *also)[link.account_id], cases)
    now = world.clock.now()
    named = {"subscription_id": {c.subscription_id for c in cases if c.subscription_id}}
    book.know(await tx.find(CancelRequest, where={"account_id": link.account_id} | named))
    standing = {c.case_id: _status(book, c, link, terms.account, now) for c in cases}
    status = standing[case.case_id]
    others = [standing[c.case_id] for c in cases]
    if status not in PAYABLE:  # this one is over; another may be owed
        status = next((s for s in ("open", "late", "paused") if s in others), status)
    owed = tuple(c for c in cases if standing[c.case_id] == status and status in PAYABLE)
    return Sight(status, owed[0] if owed else case, owed, book, terms)


def _of_customer(book: Book, case: Case) -> list[Case]:
    """The case of the link, and the customer's others that nobody holds back."""
    others = (c for c in book.all(Case) if case.customer_id and c.customer_id == case.customer_id)
    return [case, *(c for c in others if c is not case and c.waits is not Waits.ON_HOLD)]


def _invoice(book: Book, case: Case) -> Invoice | None:
    return book.get(Invoice, case.account_id, case.invoice_id)


def _shown(sight: Sight) -> LinkView:
    case, book, terms, status = sight.case, sight.book, sight.terms, sight.status
    invoice = _invoice(book, case)
    customer = book.get(Customer, case.account_id, case.customer_id)
    subscription = book.get(Subscription, case.account_id, case.subscription_id)
    is_open = status == "open"
    ended = subscription is not None and subscription.status in ENDED
    end_action, last_day = told_end(case, subscription, terms.policy_of(case))
    return LinkView(
        status=status,
        merchant_name=terms.merchant.name,
        language=language_for(customer.language if customer else None, terms.merchant.language),
        time_zone=terms.zone_of(customer).key,
        amount_minor=_amount(sight),
        currency=case.currency,
        reason_key=reason_key(case) if is_open else None,
        plan=_plan(book, case),
        invoice_number=invoice.number if invoice else None,
        next_retry_at=still_to_come(case, terms.now) if is_open else None,
        last_day=last_day if is_open else None,
        end_action=end_action if is_open else None,
        needs=sight.needs,
        paid_at=invoice.paid_at if invoice else None,
        owed=tuple(_owed(book, one) for one in sight.owed),
        after_end=ended,
        restart_to=_restart_to(sight) if ended or status == "late" else None,
    )


def _amount(sight: Sight) -> int:
    """What the button is about: with a card all that is owed in this currency, else one invoice."""
    case = sight.case
    if sight.status not in PAYABLE:
        return settled_minor(sight.book, case)
    if sight.needs != "card":
        return case.due_minor
    return sum(c.due_minor for c in sight.owed if c.currency == case.currency)


def _plan(book: Book, case: Case) -> str | None:
    subscription = book.get(Subscription, case.account_id, case.subscription_id)
    return (subscription.plan if subscription else None) or case.plan


def _owed(book: Book, case: Case) -> Owed:
    invoice = _invoice(book, case)
    return Owed(
        invoice_number=invoice.number if invoice else None,
        plan=_plan(book, case),
        amount_minor=case.due_minor,
        currency=case.currency,
    )


def _restart_to(sight: Sight) -> str | None:
    """Where to ask for a new subscription, if the policy offers one: the merchant's address."""
    if sight.terms.policy_of(sight.case).late_payment != "offer_restart":
        return None
    return sight.terms.merchant.reply_to or sight.terms.merchant.sender_email


async def _card_view(tx: Transaction, link: PaymentLink, terms: Terms) -> LinkView:
    """The view of a link that asks for a card ahead of time: no debt is shown, there is none. Nor
    is one by a link of somebody who was erased."""
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
    book: Book,
    case: Case,
    link: PaymentLink,
    account: ProviderAccount,
    now: datetime,
) -> str:
    if link.revoked_at is not None:
        return "expired"
    invoice = _invoice(book, case)
    paid = invoice is not None and invoice.status is InvoiceStatus.PAID
    if case.state is CaseState.RECOVERED:
        return "paid"
    if paid:
        return "credited" if invoice is not None and invoice.is_credited_away else "paid"
    if link.expires_at <= now:
        return "expired"
    if case.state is CaseState.EXHAUSTED and _is_owed(book, invoice):
        return "paused" if account.paused_reason else "late"
    if case.state not in {CaseState.ACTIVE, CaseState.PARKED}:
        return "ended"
    return "paused" if account.paused_reason else "open"


def _is_owed(book: Book, invoice: Invoice | None) -> bool:
    """Whether a debt is left after our end: not where they left since, and it was forgiven."""
    return invoice is not None and invoice.status in OWED and not is_let_go(book, invoice)


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
        account, sight, status = await _whereto(tx, world, link)
        if status not in LEADS_ON:
            raise LinkDead(status)
    case = sight.case if sight else None
    page, url = await _page(world, account, sight, link, token)
    async with world.store.transaction(link.merchant_id) as tx:
        who = case.customer_id or case.invoice_id if case else link.customer_id
        await tx.lock(link.account_id, [who] if who else [])
        now = world.clock.now()
        book = Book()
        book.know([link])
        book.know([case] if case else [])
        about = {"invoice": case.invoice_id} if case and page == "invoice" else {}
        book.add(link_event(link, "went_to_provider", now, page, url, page=page, **about))
        await write(tx, book, at=now)
    return url


async def opened(world: World, token: str) -> bool:
    """A person has the page before them. Noted once for each link; False for one that never was.

    Nothing follows from it: the look itself, which scanners take as well, is noted nowhere.
    """
    async with world.store.system() as tx:
        link = await _find(tx, token)
        if link is None:
            return False
        await tx.act_for([link.merchant_id])
        await tx.lock(link.account_id, [link.customer_id or link.link_id])
        known = {"link_id": link.link_id, "kind": "opened"}
        if not await tx.find(LinkEvent, where=known):
            await tx.insert([link_event(link, "opened", world.clock.now())])
    return True


async def _whereto(
    tx: Transaction, world: World, link: PaymentLink
) -> tuple[ProviderAccount, Sight | None, str]:
    """The account, what is owed (None where a card alone is asked for), and the view's status."""
    if link.case_id is None:
        terms = await account_terms(tx, world, link.merchant_id, link.account_id)
        return terms.account, None, (await _card_view(tx, link, terms)).status
    sight = await _sight(tx, world, link, link.case_id)
    if sight is None:
        raise LinkDead("unknown")
    return sight.terms.account, sight, sight.status


async def _page(
    world: World, account: ProviderAccount, sight: Sight | None, link: PaymentLink, token: str
) -> tuple[str, str]:
    case = sight.case if sight else None
    customer = link.customer_id if case is None else case.customer_id
    if sight is not None and case is not None and (sight.needs != "card" or customer is None):
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
