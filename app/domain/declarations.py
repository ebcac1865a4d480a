"""A declaration: what somebody says on a public form, without signing in.

It counts the moment it is submitted. Whether it names a contract that we know is found out
afterwards, and nobody who declares is told: who is no customer gets the same answer.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar

from app.domain.addresses import sendable
from app.domain.cancellations import GONE
from app.domain.dunning import IllegalMove
from app.domain.mirror import Customer, Invoice, Subscription
from app.domain.survey import own_words

LONGEST_NAME, LONGEST_REFERENCE, LONGEST_ADDRESS = 120, 80, 254
KEPT_FOR = timedelta(days=30)  # the page of the receipt


class DeclarationKind(StrEnum):
    """To leave at the end of the period, to leave at once for a reason of weight, or to withdraw
    from the contract within 14 days."""

    ORDINARY = "ordinary"
    EXTRAORDINARY = "extraordinary"
    WITHDRAWAL = "withdrawal"


class DeclarationState(StrEnum):
    """`RECEIVED` until it was carried out (`DONE`) or waits for a person (`WAITING`), who then
    carries it out or puts it away (`SETTLED`)."""

    RECEIVED = "received"
    WAITING = "waiting"
    DONE = "done"
    SETTLED = "settled"


# The whole life of a declaration.
MOVES: Mapping[DeclarationState, frozenset[DeclarationState]] = {
    DeclarationState.RECEIVED: frozenset({DeclarationState.WAITING, DeclarationState.DONE}),
    DeclarationState.WAITING: frozenset(
        {DeclarationState.RECEIVED, DeclarationState.DONE, DeclarationState.SETTLED}
    ),
    DeclarationState.DONE: frozenset(),
    DeclarationState.SETTLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a form was filled in with. `wished_for` is a day as `2026-12-31`; None: as early as
    possible."""

    kind: DeclarationKind
    name: str
    email: str
    reference: str
    reason: str | None = None
    wished_for: str | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One declaration. `reference` is what the declarer calls the contract, `once` names the sheet
    it was written on: the same sheet sent twice is one declaration. `email_hash` stands for the
    address, so that it can be found by it; what a release before it wrote has none. Account,
    customer and subscription are known once it is matched; `note` says why it waits, or what a
    person did."""

    KEY: ClassVar = ("declaration_id",)
    UNIQUE: ClassVar = (("merchant_id", "once"),)
    declaration_id: str
    merchant_id: str
    once: str
    kind: DeclarationKind
    name: str
    email: str
    reference: str
    reason: str | None = None
    wished_for: str | None = None
    language: str = "en"
    received_at: datetime
    state: DeclarationState = DeclarationState.RECEIVED
    account_id: str | None = None
    customer_id: str | None = None
    subscription_id: str | None = None
    request_id: str | None = None
    note: str | None = None
    settled_at: datetime | None = None
    settled_by: str | None = None
    email_hash: str | None = None

    def moved(
        self,
        state: DeclarationState,
        *,
        at: datetime,
        note: str | None = None,
        by: str = "holdfast",
    ) -> "Declaration":
        """The declaration in another state. Raises `IllegalMove` where `MOVES` has none."""
        if state not in MOVES[self.state]:
            raise IllegalMove(f"the declaration is {self.state} and cannot become {state}")
        over = state in {DeclarationState.DONE, DeclarationState.SETTLED}
        moved = replace(self, state=state, note=note)
        return replace(moved, settled_at=at, settled_by=by) if over else moved

    def of(self, subscription: Subscription) -> "Declaration":
        """The declaration, matched to a contract."""
        return replace(
            self,
            account_id=subscription.account_id,
            customer_id=subscription.customer_id,
            subscription_id=subscription.subscription_id,
        )

    def says(self, given: Given) -> bool:
        """Whether this is what was filled in."""
        return all(getattr(self, name) == getattr(given, name) for name in Given.__slots__)

    @property
    def wish(self) -> date | None:
        """The day it is to end on; None: as early as possible."""
        return date.fromisoformat(self.wished_for) if self.wished_for else None


class NotFilledIn(ValueError):
    """Something that is needed is missing or cannot be: `fields` name it."""

    def __init__(self, *fields: str) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


def filled_in(given: Given) -> Given:
    """What was filled in, bounded and without control characters or card numbers. Raises
    `NotFilledIn` with every field that is missing or cannot be."""
    name = one_line_of(given.name, LONGEST_NAME)
    email = one_line_of(given.email, LONGEST_ADDRESS).replace(" ", "")
    reference = one_line_of(given.reference, LONGEST_REFERENCE)
    faults = [field for field, value in (("name", name), ("reference", reference)) if not value]
    if not _is_address(email):
        faults.append("email")
    if given.wished_for and not _is_day(given.wished_for):
        faults.append("wished_for")
    if given.kind is DeclarationKind.EXTRAORDINARY and not own_words(given.reason):
        faults.append("reason")
    if faults:
        raise NotFilledIn(*faults)
    return replace(
        given,
        name=name,
        email=email,
        reference=reference,
        reason=own_words(given.reason),
        wished_for=given.wished_for or None,
    )


def next_sheet(once: str, given: Given) -> str:
    """The sheet for something else that was written on the sheet `once`: the same for the same, so
    that sent twice it is one declaration as well."""
    told = "\0".join([once, *(str(getattr(given, name)) for name in Given.__slots__)])
    return urlsafe_b64encode(sha256(told.encode()).digest()[:24]).decode()


def one_line_of(text: str, longest: int) -> str:
    """A text on one line, bounded, without control characters or card numbers."""
    return " ".join((own_words(text) or "").split())[:longest]


def _is_address(text: str) -> bool:
    """Whether our acknowledgement can go there: by the rule of the mail itself."""
    return sendable(text) is not None and "." in text.rpartition("@")[2]


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).year < 2200
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What we know by the reference that was given: contracts of that id, those of invoices of
    that number, and their customers."""

    subscriptions: tuple[Subscription, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    customers: Mapping[tuple[str, str], Customer] = field(default_factory=dict)


def matching(given: Declaration, known: Known) -> Subscription | None:
    """The one contract that a declaration means: its reference is the contract's own, that of its
    customer or of one of its invoices, and the address is the customer's. None where none is, or
    several are: a person decides then."""
    billed = {(one.account_id, one.subscription_id) for one in known.invoices}
    found = {
        (one.account_id, one.subscription_id): one
        for one in known.subscriptions
        if _is_theirs(given, one, known)
        and (
            given.reference in (one.subscription_id, one.customer_id)
            or (one.account_id, one.subscription_id) in billed
        )
    }
    living = [one for one in found.values() if one.status not in GONE]
    return living[0] if len(living) == 1 else None


def _is_theirs(given: Declaration, subscription: Subscription, known: Known) -> bool:
    owner = known.customers.get((subscription.account_id, subscription.customer_id or ""))
    address = owner.email if owner and not owner.erased else None
    return bool(address) and same_address(address or "", given.email)


def same_address(one: str, other: str) -> bool:
    """Whether two mail addresses are one, however they are written."""
    return one.strip().casefold() == other.strip().casefold()
