"""What must hold of who was erased, or deleted at the provider: nothing names them any more, and
nobody charges them or writes to them."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from app.domain.dunning import Case, CaseState
from app.domain.messages import Message, MessageState, PaymentLink
from app.domain.mirror import Customer
from app.domain.movements import is_ending
from app.domain.operations import InboxEvent, InboxState
from app.domain.recovery import RecoveryEntry
from tests.simulation.ledger import Written
from tests.simulation.people import Requires

Whom = tuple[str, str]  # account and customer


@dataclass
class Gone:
    """Who was erased or deleted. `words` tell who somebody erased was, by merchant; `left` are the
    letters that were on their way to them at that moment."""

    erased: set[Whom] = field(default_factory=set)
    deleted: set[Whom] = field(default_factory=set)
    words: dict[str, set[str]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    def has(self, row: Any) -> bool:
        """Whether a row is about one of them."""
        return (row.account_id, row.customer_id) in self.erased | self.deleted


class Silent(Requires, Protocol):
    """`rules.Rules`, as far as it is needed here."""

    gone: Gone


def keeps_silent(rules: Silent, written: Written) -> None:
    """After a commit: no row tells anything of who was erased, and no case of theirs goes on."""
    for before, row in written:
        if isinstance(row, Customer) and before is not None:
            _notes(rules, before, row, written)
    gone = rules.gone
    if not (gone.erased or gone.deleted):
        return
    for _, row in written:
        _tells_nothing(rules, row)
        if isinstance(row, Case) and gone.has(row):
            goes_on = row.state is CaseState.ACTIVE and not is_ending(row)
            rules.require(not goes_on, "I16", "a case of who was erased or deleted is active")


def _notes(rules: Silent, before: Customer, row: Customer, written: Written) -> None:
    gone, whom = rules.gone, (row.account_id, row.customer_id)
    if row.deleted:
        gone.deleted.add(whom)
    if not row.erased or before.erased:
        return
    gone.erased.add(whom)
    gone.words.setdefault(row.merchant_id, set()).update(filter(None, (before.email, before.name)))
    gone.left |= {
        letter.message_id
        for letter in rules.house.ledger.rows(Message)
        if (letter.account_id, letter.customer_id) == whom and letter.state is MessageState.SENDING
    }
    for former, now in written:
        money = isinstance(now, RecoveryEntry)
        if isinstance(now, Case) and former is not None:
            money = money or now.recovered_minor != former.recovered_minor
        rules.require(not money, "I16", "somebody was erased, and money moved")


def _tells_nothing(rules: Silent, row: Any) -> None:
    words = rules.gone.words.get(row.merchant_id)
    waits = isinstance(row, InboxEvent) and row.state is InboxState.PENDING
    if words and not waits:
        text = repr(row)
        told = any(word in text for word in words)
        rules.require(not told, "I16", f"a {type(row).__name__} names somebody who was erased")


def nobody_is_disturbed(rules: Silent, message: Message) -> None:
    """As a mail leaves: to who was erased it had begun to leave before."""
    whom = (message.account_id, message.customer_id or "")
    fair = whom not in rules.gone.erased or message.message_id in rules.gone.left
    rules.require(fair, "I16", f"{message.step} was mailed to somebody who was erased")


def nothing_is_left_of_them(rules: Silent) -> None:
    """At rest: no row of any table names them, no letter waits for them, no link is open."""
    gone = rules.gone
    if not gone.erased:
        return
    for rows in rules.house.ledger.memory.rows.values():
        for row in rows.values():
            _tells_nothing(rules, row)
            if (getattr(row, "account_id", ""), getattr(row, "customer_id", "")) in gone.erased:
                _is_closed(rules, row)


def _is_closed(rules: Silent, row: Any) -> None:
    waits = isinstance(row, Message) and row.state in (MessageState.PLANNED, MessageState.SENDING)
    rules.require(not waits, "I16", "a letter waits for somebody who was erased")
    leads = isinstance(row, PaymentLink) and row.revoked_at is None
    rules.require(not leads, "I16", "a link of somebody who was erased leads on")
