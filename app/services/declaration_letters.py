"""The letter that acknowledges a declaration: to the address on the form, whoever that is.

What was typed into the form is not repeated in it, but for a plain reference: nobody can let us
send words of their own to strangers.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from app.domain.actions import ActionKind, action_for
from app.domain.declarations import Declaration
from app.domain.ids import derive_id
from app.domain.merchants import ProviderAccount
from app.domain.messages import Letter, Message, MessageState
from app.domain.records import Book
from app.domain.terms import Terms

TEMPLATE = "declaration_received"
PLAIN = re.compile(r"[\w#./ -]{1,40}", re.ASCII)
LINK_LIKE = re.compile(r"www|http|\.[a-z]{2}", re.I)


def plan_receipt(
    book: Book,
    row: Declaration,
    accounts: Sequence[ProviderAccount],
    *,
    now: datetime,
    too_many: bool,
) -> None:
    """Plan the letter, in the transaction of the declaration. A merchant without an account sends
    none; of `too_many` to one address in a day those of strangers are kept as dropped."""
    account = row.account_id or next((one.account_id for one in accounts), None)
    if account is None:
        return
    message = Message(
        message_id=derive_id("message", row.received_at, row.declaration_id),
        merchant_id=row.merchant_id,
        account_id=account,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        step=f"declared:{row.declaration_id}",
        template=TEMPLATE,
        recipient=row.email,
        language=row.language,
        state=MessageState.DROPPED if too_many else MessageState.PLANNED,
        due_at=now,
        reason="too many to one address in a day" if too_many else None,
    )
    book.add(message)
    if too_many:
        return
    action = action_for(
        ActionKind.CONFIRM,
        subject=message.message_id,
        merchant_id=message.merchant_id,
        account_id=account,
        due_at=now,
        data={"declaration": row.declaration_id},
    )
    book.add(action)


def receipt_letter(terms: Terms, message: Message, row: Declaration) -> Letter:
    """What the letter says of a declaration."""
    plain = PLAIN.fullmatch(row.reference) and not LINK_LIKE.search(row.reference)
    return Letter(
        template=TEMPLATE,
        language=message.language,
        time_zone=terms.merchant.time_zone,
        merchant_name=terms.merchant.name,
        customer_name=None,
        plan=row.reference if plain else None,
        invoice_number=None,
        amount_minor=0,
        currency="usd",
        link=None,
        reference=row.declaration_id,
        requested_at=row.received_at,
    )
