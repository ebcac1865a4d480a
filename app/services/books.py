"""Loading what a use case touches into a book, and writing the book back. Set-wise."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from app.domain.actions import Action
from app.domain.decisions import card_key_of
from app.domain.dunning import Attempt, CardUse, Case, CaseEvent
from app.domain.experiments import Assignment
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.messages import LinkEvent, Message, PaymentLink
from app.domain.mirror import Customer, Dispute, Invoice, Payment, PaymentMethod, Subscription
from app.domain.mrr import MrrMovement
from app.domain.notices import Notice
from app.domain.operations import Alert, AuditEntry
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.terms import Terms
from app.ports.store import Conflict, Transaction
from app.ports.world import World

# Parents before children, so that foreign keys hold.
WRITE_ORDER: tuple[type[Any], ...] = (
    Merchant,
    ProviderAccount,
    Customer,
    Subscription,
    PaymentMethod,
    Invoice,
    Payment,
    Case,
    Failure,
    Assignment,
    Attempt,
    CardUse,
    CaseEvent,
    RecoveryEntry,
    MrrMovement,
    Message,
    PaymentLink,
    LinkEvent,
    Action,
    Alert,
    AuditEntry,
)


# What must not be taken as written where somebody else wrote it: no charge without its intent.
ONCE = frozenset({Case, Attempt})


@dataclass(slots=True)
class Touched:
    """The provider ids that a use case is about."""

    customers: set[str] = field(default_factory=set)
    subscriptions: set[str] = field(default_factory=set)
    invoices: set[str] = field(default_factory=set)
    payments: set[str] = field(default_factory=set)
    charges: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)

    def add(self, notice: Notice) -> None:
        """What one notice touches; `orphans` are invoices and subscriptions named without their
        customer."""
        if notice.customer is None:
            _put(self.orphans, notice.invoice)
            _put(self.orphans, notice.subscription)
        _put(self.customers, notice.customer)
        _put(self.subscriptions, notice.subscription)
        _put(self.invoices, notice.invoice)
        _put(self.payments, notice.payment)
        _put(self.charges, notice.charge)
        _put(self.methods, notice.method)
        snapshot = notice.snapshot
        if isinstance(snapshot, Payment):
            _put(self.payments, snapshot.payment_id)
            _put(self.invoices, snapshot.invoice_id)
        elif isinstance(snapshot, PaymentMethod):
            _put(self.methods, snapshot.method_id)
        elif isinstance(snapshot, Dispute):
            _put(self.payments, snapshot.payment_id)
            _put(self.charges, snapshot.charge_id)


def _put(into: set[str], value: str | None) -> None:
    if value:
        into.add(value)


async def load_touched(tx: Transaction, account: str, touched: Touched) -> Book:
    """Lock the customers concerned, then load what they and the named objects consist of.

    A missing customer is found through the mirrors of invoice, subscription and payment; where
    nothing is known of it, the object's own id is the lock.
    """
    await _find_customers(tx, account, touched)
    alone = touched.invoices | touched.payments | touched.charges
    loose = touched.orphans if touched.customers else alone | touched.orphans
    await tx.lock(account, sorted(touched.customers | loose))
    book = Book()
    await _load(tx, book, Customer, account, touched.customers)
    await _load(tx, book, Subscription, account, touched.subscriptions)
    await _load(tx, book, Invoice, account, touched.invoices)
    await _load(tx, book, Payment, account, touched.payments)
    await _load(tx, book, PaymentMethod, account, touched.methods)
    if touched.charges:
        book.know(await _where(tx, Payment, account, "charge_id", touched.charges))
    await _load_cases(tx, book, account, touched)
    return book


async def _find_customers(tx: Transaction, account: str, touched: Touched) -> None:
    """Learn from the mirrors what the notices left out: the invoice of a payment (it never
    changes), the customer of an invoice or subscription. What is locked is loaded afresh later."""
    payments = await _by_key(tx, Payment, account, touched.payments)
    payments += await _where(tx, Payment, account, "charge_id", touched.charges)
    for payment in payments:
        _put(touched.invoices, payment.invoice_id)
        _put(touched.customers, payment.customer_id)
        if payment.customer_id is None:
            _put(touched.orphans, payment.invoice_id)
    for invoice in await _by_key(tx, Invoice, account, touched.orphans & touched.invoices):
        _put(touched.customers, invoice.customer_id)
        _put(touched.subscriptions, invoice.subscription_id)
    lost = touched.orphans & touched.subscriptions
    for subscription in await _by_key(tx, Subscription, account, lost):
        _put(touched.customers, subscription.customer_id)


async def _by_key(tx: Transaction, kind: type[Any], account: str, ids: Iterable[str]) -> list[Any]:
    keys = [(account, key) for key in sorted(ids)]
    return await tx.load(kind, keys) if keys else []


async def _load(
    tx: Transaction, book: Book, kind: type[Any], account: str, ids: Iterable[str]
) -> None:
    book.know(await _by_key(tx, kind, account, ids))


async def _where(
    tx: Transaction, kind: type[Any], account: str, name: str, values: Collection[str]
) -> list[Any]:
    if not values:
        return []
    return await tx.find(kind, where={"account_id": account, name: sorted(values)})


async def _load_cases(tx: Transaction, book: Book, account: str, touched: Touched) -> None:
    cases = await _where(tx, Case, account, "customer_id", touched.customers)
    known = {case.invoice_id for case in cases}
    cases += await _where(tx, Case, account, "invoice_id", touched.invoices - known)
    book.know(cases)
    book.know(await _where(tx, Failure, account, "invoice_id", touched.invoices))
    if not cases:
        return
    ids = sorted(case.case_id for case in cases)
    book.know(await tx.find(Attempt, where={"account_id": account, "case_id": ids}))
    book.know(await tx.find(RecoveryEntry, where={"account_id": account, "case_id": ids}))
    invoices = {case.invoice_id for case in cases} - touched.invoices
    await _load(tx, book, Invoice, account, invoices)
    await _load_links(tx, book, account, ids)


async def _load_links(tx: Transaction, book: Book, account: str, cases: list[str]) -> None:
    links = await tx.find(PaymentLink, where={"account_id": account, "case_id": cases})
    book.know(links)
    if links:
        ids = sorted(link.link_id for link in links)
        book.know(await tx.find(LinkEvent, where={"link_id": ids}))


async def load_case(
    tx: Transaction, case_id: str, method: PaymentMethod | None = None
) -> tuple[Book, Case | None]:
    """Everything about one case: its customer locked, letters, attempts, ledger, budgets."""
    found = await tx.load(Case, [(case_id,)])
    if not found:
        return Book(), None
    case = found[0]
    touched = Touched(invoices={case.invoice_id})
    _put(
        touched.customers if case.customer_id else touched.orphans,
        case.customer_id or case.invoice_id,
    )
    _put(touched.subscriptions, case.subscription_id)
    book = await load_touched(tx, case.account_id, touched)
    who = {"account_id": case.account_id, "customer_id": case.customer_id}
    one = {"account_id": case.account_id, "case_id": case_id}
    book.know(await tx.find(Message, where=who if case.customer_id else one))
    if case.customer_id:
        book.know(await tx.find(PaymentMethod, where=who))
    await _load_budgets(tx, book, case, method)
    return book, book.get(Case, case_id)


async def _load_budgets(
    tx: Transaction, book: Book, case: Case, method: PaymentMethod | None
) -> None:
    keys = {card_key_of(m) for m in [*book.all(PaymentMethod), method]} - {None}
    where = {"account_id": case.account_id, "card_key": sorted(k for k in keys if k)}
    if keys:
        book.know(await tx.find(CardUse, where=where))


async def write(tx: Transaction, book: Book) -> None:
    """Save what the book changed, parents first. Raises `Conflict` if a case of this invoice was
    opened, or the same attempt begun, by somebody else; the whole use case is then repeated."""
    added, changed = _by_kind(book.added()), _by_kind(book.changed())
    for kind in WRITE_ORDER:
        if rows := added.pop(kind, None):
            new = await tx.insert(rows)
            if kind in ONCE and len(new) < len(rows):
                raise Conflict(f"a {kind.__name__.lower()} like this was begun meanwhile")
        if rows := changed.pop(kind, None):
            await tx.save(rows)
    if added or changed:
        raise LookupError(f"no place in WRITE_ORDER for {[*added, *changed]}")


def _by_kind(rows: list[Any]) -> dict[type[Any], list[Any]]:
    kinds: dict[type[Any], list[Any]] = {}
    for row in rows:
        kinds.setdefault(type(row), []).append(row)
    return kinds


async def terms_for(
    tx: Transaction, world: World, accounts: Iterable[ProviderAccount]
) -> dict[str, Terms]:
    """The terms of each account, by account id."""
    accounts = list(accounts)
    merchants = await tx.load(Merchant, sorted({(a.merchant_id,) for a in accounts}))
    named = {merchant.merchant_id: merchant for merchant in merchants}
    policy: Policy = world.policy
    return {
        account.account_id: Terms(
            merchant=named[account.merchant_id],
            account=account,
            policy=policy,
            now=world.clock.now(),
        )
        for account in accounts
    }


async def account_terms(tx: Transaction, world: World, account_id: str) -> Terms:
    """The terms of one account."""
    accounts = await tx.load(ProviderAccount, [(account_id,)])
    return (await terms_for(tx, world, accounts))[account_id]
