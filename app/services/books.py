"""Loading what a use case touches into a book, and writing the book back. Set-wise."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.absorb import may_open
from app.domain.access import AccessState, plan_looks
from app.domain.actions import Action
from app.domain.afterwards import plan_look_after
from app.domain.cancellations import CancelRequest
from app.domain.cards import card_key_of
from app.domain.churn import ChurnRecord
from app.domain.correspondence import MessageEvent, Suppression
from app.domain.declarations import Declaration
from app.domain.dunning import Attempt, CardUse, Case, CaseEvent
from app.domain.events_telling import TOLD, Move
from app.domain.evidence import Evidence
from app.domain.experiments import Assignment
from app.domain.first_payments import FirstPayment
from app.domain.imports import ImportedSession
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.messages import LinkEvent, Message, PaymentLink
from app.domain.mirror import Customer, Dispute, Invoice, Payment, PaymentMethod, Subscription
from app.domain.mrr import MrrMovement
from app.domain.notices import Notice
from app.domain.operations import Alert, AuditEntry
from app.domain.policies import PolicyVersion
from app.domain.records import Book, changed
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.redemptions import Redemption, RedemptionStep
from app.domain.saves import SaveStep
from app.domain.sessions import CancelSession
from app.domain.survey import SurveyAnswer
from app.domain.takings import Taking, enter_takings
from app.domain.terms import Terms
from app.domain.usage import UsageFact
from app.domain.withdrawals import Consent
from app.ports.store import Ask, Conflict, Transaction
from app.ports.world import World
from app.services.clearing import clear_ends
from app.services.events import tell_of
from app.services.merchants import raise_alert
from app.services.shelves import ask_for_policies, shelf_from

# Parents before children, so that foreign keys hold.
WRITE_ORDER: tuple[type[Any], ...] = (
    Merchant,
    ProviderAccount,
    Customer,
    Subscription,
    PaymentMethod,
    Invoice,
    Payment,
    Dispute,
    Case,
    Failure,
    FirstPayment,
    Taking,
    Assignment,
    Attempt,
    CardUse,
    CaseEvent,
    AccessState,
    CancelSession,
    SurveyAnswer,
    CancelRequest,
    Evidence,
    Declaration,
    Consent,
    UsageFact,
    RecoveryEntry,
    MrrMovement,
    ChurnRecord,
    Redemption,
    RedemptionStep,
    SaveStep,
    ImportedSession,
    Message,
    PaymentLink,
    LinkEvent,
    MessageEvent,
    Suppression,
    Action,
    Alert,
    AuditEntry,
)


# What must not be taken as written where somebody else wrote it: no charge without its intent.
ONCE = frozenset({Case, Attempt, Redemption})


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
    disputes: set[str] = field(default_factory=set)
    moving: set[str] = field(default_factory=set)
    movers: set[str] = field(default_factory=set)
    opens: bool = False

    def add(self, notice: Notice) -> None:
        """What one notice touches; `orphans` are invoices and subscriptions named without their
        customer, `moving` subscriptions whose ledgers may move, `movers` their customers; `opens`
        says that it may open a case."""
        if notice.customer is None:
            _put(self.orphans, notice.invoice)
            _put(self.orphans, notice.subscription)
        _put(self.customers, notice.customer)
        _put(self.subscriptions, notice.subscription)
        _put(self.invoices, notice.invoice)
        _put(self.payments, notice.payment)
        _put(self.charges, notice.charge)
        _put(self.methods, notice.method)
        self.opens = self.opens or may_open(notice)
        snapshot = notice.snapshot
        if isinstance(snapshot, Payment):
            _put(self.payments, snapshot.payment_id)
            _put(self.invoices, snapshot.invoice_id)
        elif isinstance(snapshot, PaymentMethod):
            _put(self.methods, snapshot.method_id)
        elif isinstance(snapshot, Subscription):
            _put(self.moving, snapshot.subscription_id)
            _put(self.movers, snapshot.customer_id or notice.customer)
        elif isinstance(snapshot, Dispute):
            _put(self.disputes, snapshot.dispute_id)
            _put(self.payments, snapshot.payment_id)
            _put(self.charges, snapshot.charge_id)

    def ends(self, subscription: str, customer: str | None) -> None:
        """A subscription whose end is at stake."""
        for into in (self.subscriptions, self.moving):
            into.add(subscription)
        for into in (self.customers, self.movers):
            _put(into, customer)


def _put(into: set[str], value: str | None) -> None:
    if value:
        into.add(value)


async def load_touched(tx: Transaction, account: str, touched: Touched) -> Book:
    """Lock the customers concerned, then load what they and the named objects consist of.

    A missing customer is found through the mirrors of invoice, subscription and payment; where
    nothing is known of it, the object's own id is the lock.
    """
    await _lock(tx, account, touched)
    book = Book()
    for rows in await tx.ask(*_about(account, touched)):
        book.know(rows)
    await _load_cases(tx, book, account, touched, set())
    return book


async def _lock(tx: Transaction, account: str, touched: Touched) -> None:
    await _find_customers(tx, account, touched)
    alone = touched.invoices | touched.payments | touched.charges
    loose = touched.orphans if touched.customers else alone | touched.orphans
    await tx.lock(account, sorted(touched.customers | loose))


def _about(account: str, touched: Touched) -> list[Ask]:
    """What is known of the named objects, and the cases of the customers and invoices."""
    return [
        _by_key(Customer, account, touched.customers),
        _by_key(Subscription, account, touched.subscriptions),
        _by_key(Invoice, account, touched.invoices),
        _by_key(Payment, account, touched.payments),
        _by_key(PaymentMethod, account, touched.methods),
        _where(Payment, account, charge_id=touched.charges),
        _by_key(Dispute, account, touched.disputes),
        _where(Dispute, account, customer_id=touched.customers if touched.opens else ()),
        _where(Redemption, account, customer_id=touched.customers if touched.opens else ()),
        _where(Case, account, customer_id=touched.customers),
        _where(Case, account, invoice_id=touched.invoices),
        _where(Failure, account, invoice_id=touched.invoices),
        _where(CancelRequest, account, subscription_id=touched.subscriptions),
        *_ledgers(account, touched),
    ]


def _ledgers(account: str, touched: Touched) -> list[Ask]:
    """What the ledgers say of the subscriptions that move, and of their customers' others: one
    may take the place of another."""
    mine, theirs = touched.moving, touched.movers
    return [
        _where(Subscription, account, customer_id=theirs),
        *(_where(kind, account, subscription_id=mine) for kind in (ChurnRecord, MrrMovement)),
        *(_where(kind, account, customer_id=theirs) for kind in (ChurnRecord, MrrMovement)),
    ]


async def _find_customers(tx: Transaction, account: str, touched: Touched) -> None:
    """Learn from the mirrors what the notices left out: the invoice of a payment (it never
    changes), the customer of an invoice or subscription. What is locked is loaded afresh later."""
    payments, paid, invoices, subscriptions = await tx.ask(
        _by_key(Payment, account, touched.payments),
        _where(Payment, account, charge_id=touched.charges),
        _by_key(Invoice, account, touched.orphans & touched.invoices),
        _by_key(Subscription, account, touched.orphans & touched.subscriptions),
    )
    nameless = _learn_of_payments(touched, [*payments, *paid])
    if nameless:
        invoices += await tx.load(Invoice, [(account, invoice) for invoice in sorted(nameless)])
    for invoice in invoices:
        _put(touched.customers, invoice.customer_id)
        _put(touched.subscriptions, invoice.subscription_id)
    for subscription in subscriptions:
        _put(touched.customers, subscription.customer_id)
        if subscription.subscription_id in touched.moving:
            _put(touched.movers, subscription.customer_id)


def _learn_of_payments(touched: Touched, payments: list[Payment]) -> set[str]:
    """Their invoices and customers; returns the invoices of those that name no customer."""
    nameless: set[str] = set()
    for payment in payments:
        _put(touched.invoices, payment.invoice_id)
        _put(touched.customers, payment.customer_id)
        if payment.customer_id is None:
            _put(nameless, payment.invoice_id)
    touched.orphans |= nameless
    return nameless


def _by_key(kind: type[Any], account: str, ids: Iterable[str]) -> Ask:
    return Ask(kind, keys=[(account, key) for key in sorted(ids)])


def _where(kind: type[Any], account: str, **fields: Collection[str]) -> Ask:
    return Ask(kind, where={"account_id": account, **{n: sorted(v) for n, v in fields.items()}})


async def _load_cases(
    tx: Transaction, book: Book, account: str, touched: Touched, cards: set[str]
) -> None:
    """What belongs to the cases in the book, and what these cards were used for."""
    cases = list(book.all(Case))
    ids, invoices = {case.case_id for case in cases}, {case.invoice_id for case in cases}
    unheard_of = touched.invoices - {invoice.invoice_id for invoice in book.all(Invoice)}
    for rows in await tx.ask(
        _where(Payment, account, invoice_id=unheard_of),
        _where(Attempt, account, case_id=ids),
        _where(RecoveryEntry, account, invoice_id=invoices),
        _by_key(Invoice, account, invoices - touched.invoices),
        _where(PaymentLink, account, case_id=ids),
        _where(CardUse, account, card_key=cards),
    ):
        book.know(rows)
    links = sorted(link.link_id for link in book.all(PaymentLink))
    if links:
        book.know(await tx.find(LinkEvent, where={"link_id": links}))


async def load_case(
    tx: Transaction, case_id: str, method: PaymentMethod | None = None, also: Sequence[Ask] = ()
) -> tuple[Book, Case | None, list[list[Any]]]:
    """Everything about one case: its customer locked, letters, attempts, ledger, budgets (of
    `method` too); and the answers to what was asked `also`, which wait for the lock as well."""
    found = await tx.load(Case, [(case_id,)])
    if not found:
        return Book(), None, await tx.ask(*also)
    case, account = found[0], found[0].account_id
    touched = Touched(invoices={case.invoice_id})
    _put(
        touched.customers if case.customer_id else touched.orphans,
        case.customer_id or case.invoice_id,
    )
    _put(touched.subscriptions, case.subscription_id)
    who = [case.customer_id] if case.customer_id else []
    by = {"customer_id": who} if who else {"case_id": [case_id]}
    await _lock(tx, account, touched)
    asked = [
        _where(Message, account, **by),
        _where(PaymentMethod, account, customer_id=who),
        # a look may show each of them anew: what is known of one is what it is entered against
        _where(Payment, account, invoice_id=[case.invoice_id]),
        *_about(account, touched),
    ]
    answers = await tx.ask(*asked, *also)
    book = Book()
    for rows in answers[: len(asked)]:
        book.know(rows)
    keys = {card_key_of(m) for m in [*book.all(PaymentMethod), method]}
    await _load_cases(tx, book, account, touched, {key for key in keys if key})
    return book, book.get(Case, case_id), answers[len(asked) :]


async def write(tx: Transaction, book: Book, *, at: datetime) -> None:
    """Save what the book changed, parents first, and tell the merchant's endpoints of it `at` this
    business instant; what a case's end made needless is dropped with it. Raises `Conflict` if a
    case of this invoice was opened, or the same attempt begun, or the same offer claimed, by
    somebody else; the whole use case is then repeated."""
    await clear_ends(tx, book, at)
    plan_looks(book, at)
    plan_look_after(book)
    _number_lines(book)
    await _enter_takings(tx, book, at)
    kinds = book.kinds()
    if unknown := set(kinds).difference(WRITE_ORDER):
        raise LookupError(f"no place in WRITE_ORDER for {unknown}")
    moves: list[Move] = []
    for kind in sorted(kinds, key=WRITE_ORDER.index):
        added, moved = book.added(kind), book.changed(kind)
        new = await _inserted(tx, kind, added)
        if kind in ONCE and len(new) < len(added):
            raise Conflict(f"a {kind.__name__.lower()} like this was begun meanwhile")
        if moved:
            await tx.save(moved)
        if kind in TOLD:
            moves += [Move(None, row, new=True) for row in new]
            moves += [Move(book.before(row), row) for row in moved]
    await tell_of(tx, moves, book, at=at)


async def _inserted(tx: Transaction, kind: type[Any], added: list[Any]) -> list[Any]:
    """Those of the rows that were not there; an alert that was there may open again."""
    if kind is not Alert:
        return await tx.insert(added) if added else []
    for row in added:
        await raise_alert(tx, row)
    return []


async def _enter_takings(tx: Transaction, book: Book, at: datetime) -> None:
    """What came in by the payments of a book; their invoices say for which subscription."""
    named = {(p.account_id, p.invoice_id) for p in book.changed(Payment) if p.invoice_id}
    if missing := sorted(key for key in named if book.get(Invoice, *key) is None):
        book.know(await tx.load(Invoice, missing))
    enter_takings(book, at)


def _number_lines(book: Book) -> None:
    """New lines of a timeline count on from the last one; the customer's lock keeps the count.
    A line that turns out to be known leaves a gap."""
    lines: dict[str, list[CaseEvent]] = {}
    for line in book.added(CaseEvent):
        lines.setdefault(line.case_id, []).append(line)
    for case_id, new in lines.items():
        case = book.get(Case, case_id)
        if case is not None:
            book.put(changed(case, lines=case.lines + len(new)))
            for seq, line in enumerate(new, start=case.lines + 1):
                book.put(changed(line, seq=seq))


def asks_for_terms(merchants: Collection[str], accounts: Collection[str]) -> tuple[Ask, ...]:
    """What `terms_from` needs to be told."""
    return (
        Ask(ProviderAccount, keys=[(account,) for account in sorted(accounts)]),
        Ask(Merchant, keys=[(merchant,) for merchant in sorted(merchants)]),
        ask_for_policies(merchants),
    )


def terms_from(
    world: World,
    accounts: list[ProviderAccount],
    merchants: list[Merchant],
    policies: list[PolicyVersion],
) -> dict[str, Terms]:
    """The terms of each account, by account id."""
    named = {merchant.merchant_id: merchant for merchant in merchants}
    shelves = {name: shelf_from(world.policy, name, policies) for name in named}
    return {
        account.account_id: Terms(
            merchant=named[account.merchant_id],
            account=account,
            policy=shelves[account.merchant_id][0],
            shelf=shelves[account.merchant_id][1],
            now=world.clock.now(),
        )
        for account in accounts
    }


async def account_terms(tx: Transaction, world: World, merchant: str, account: str) -> Terms:
    """The terms of one account."""
    return terms_from(world, *await tx.ask(*asks_for_terms([merchant], [account])))[account]
