"""Which columns may tell who somebody is or what they said, and what is left of each once they are
erased. Amounts, instants, states and the provider's own ids tell of money, not of people: they
stay, so that no figure changes.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from app.domain.actions import Action
from app.domain.afterwards import ExitFeedback, MailPermission
from app.domain.churning import SEGMENT
from app.domain.correspondence import MessageEvent, Suppression
from app.domain.declarations import Declaration
from app.domain.dunning import Case, CaseEvent
from app.domain.imports import ImportedSession
from app.domain.messages import Message
from app.domain.mirror import Customer, Invoice, PaymentMethod, Subscription
from app.domain.records import Book, changed
from app.domain.sessions import CancelSession
from app.domain.survey import SurveyAnswer
from app.domain.usage import UsageFact
from app.domain.verdicts import WORD_OF_MERCHANT

ERASED = "the customer was erased"  # why what was about them is over
VEIL = "erased:"
HIDDEN = "…"
ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")
# What churn records are made of: the merchant's words about a contract, not about a person.
COUNTED = (SEGMENT, WORD_OF_MERCHANT)

R = TypeVar("R")
# What is left of a value, under the merchant's own key.
Rule = Callable[[Any, str], Any]


def veiled(address: str, key: str) -> str:
    """What stands for an address that was erased: the same for the same address and key, so that
    it can be recognised, and told to nobody who does not know both. Of a veil itself, and of no
    address, it is the same."""
    if not address or address.startswith(VEIL):
        return address
    digest = hmac.new(key.encode(), address.encode("utf-8", "replace"), hashlib.sha256)
    return f"{VEIL}{digest.hexdigest()[:32]}"


def is_veiled(address: str) -> bool:
    """Whether this stands for an address that was erased."""
    return address.startswith(VEIL)


def masked(text: str) -> str:
    """A text of ours or of a server without the mail addresses that may stand in it."""
    return ADDRESS.sub(HIDDEN, text)


def _nothing(value: Any, key: str) -> None:
    return None


def _no_text(value: Any, key: str) -> str:
    return ""


def _no_labels(value: Any, key: str) -> dict[str, Any]:
    return {}


def _masked(value: str | None, key: str) -> str | None:
    return None if value is None else masked(value)


def _counted(value: dict[str, Any] | None, key: str) -> dict[str, Any] | None:
    return {name: value[name] for name in COUNTED if name in value} or None if value else None


PERSONAL: Mapping[type[Any], Mapping[str, Rule]] = {
    Customer: {
        "email": _nothing,
        "name": _nothing,
        "language": _nothing,
        "region": _nothing,
        "time_zone": _nothing,
        "phone": _nothing,
        "sms_consent": _nothing,
        "metadata": _counted,
    },
    Subscription: {"metadata": _counted},
    Invoice: {"customer_email": _nothing, "customer_name": _nothing},
    PaymentMethod: {"last4": _nothing, "exp_month": _nothing, "exp_year": _nothing},
    Case: {"reason": _masked},
    CaseEvent: {"text": _masked},
    CancelSession: {"attributes": _nothing},
    SurveyAnswer: {"words": _nothing, "follow_up": _nothing, "competitor": _nothing},
    ExitFeedback: {"words": _nothing},
    ImportedSession: {"words": _nothing, "competitor": _nothing},
    MailPermission: {"how": _no_text},
    Declaration: {
        "name": _no_text,
        "email": _no_text,
        "reference": _no_text,
        "reason": _nothing,
        "note": _masked,
    },
    UsageFact: {"labels": _no_labels, "value": _no_text},
    Message: {"recipient": veiled, "subject": _nothing, "reason": _masked},
    MessageEvent: {"recipient": veiled, "detail": _nothing},
    Suppression: {"recipient": veiled, "detail": _nothing},
    Action: {"note": _masked},
}


# What no line of the audit log tells: it is never changed.
PRIVATE: Mapping[type[Any], frozenset[str]] = {
    kind: frozenset(name for name, rule in rules.items() if rule is not _masked)
    for kind, rules in PERSONAL.items()
}


def without_person(row: R, key: str, *, at: datetime | None = None) -> R:
    """The row as it is once its person is erased; the same again of such a row. `at` is noted as
    the instant where the row keeps when its words were forgotten."""
    left = {name: rule(getattr(row, name), key) for name, rule in PERSONAL[type(row)].items()}
    if at is not None and "forgotten_at" in {known.name for known in fields(row)}:  # type: ignore[arg-type]
        left["forgotten_at"] = getattr(row, "forgotten_at", None) or at
    return changed(row, **left)


def as_of_erased(book: Book, row: R) -> R:
    """A report about somebody who was erased, without what it would bring back of them."""
    customer_id = getattr(row, "customer_id", None)
    if customer_id is None or type(row) not in PERSONAL:
        return row
    known = book.get(Customer, getattr(row, "account_id", ""), customer_id)
    return without_person(row, "") if known is not None and known.erased else row


def as_kept(kept: Message | None, sent: Message) -> Message:
    """A message after it was sent, told to nobody anew: its recipient was erased meanwhile."""
    if kept is None or not is_veiled(kept.recipient):
        return sent
    return changed(sent, recipient=kept.recipient, subject=None)


def names(body: str, customer_id: str) -> bool:
    """Whether a webhook's body names a customer, by the provider's id of them."""
    return f'"{customer_id}"' in body
