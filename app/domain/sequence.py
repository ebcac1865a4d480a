"""Which letters a case gets, and when: the policy's table, read."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, action_for
from app.domain.calendar import in_daytime
from app.domain.declines import ASKS_CUSTOMER, DeclineKind
from app.domain.dunning import Case, CaseKind, CaseState, Waits
from app.domain.ids import derive_id
from app.domain.languages import language_for
from app.domain.messages import Message, MessageState
from app.domain.mirror import Customer, Invoice
from app.domain.policies import MessageClass, MessageRow, Policy
from app.domain.records import Book
from app.domain.terms import Terms

CARD_CLASS = ASKS_CUSTOMER | {DeclineKind.NEVER}
FINAL_NOTICE_AHEAD = timedelta(hours=72)  # no end before one went out this long ago
PAUSE_BETWEEN = timedelta(hours=20)  # dunning letters to one customer, over all cases
AT_MOST_IN_30_DAYS = 12
# Nothing was refused and nothing is ended, where the customer is to pay by themselves.
OF_AN_INVOICE = frozenset({"payment_reminder"})
CAP_WITHIN = timedelta(days=30)
FINAL, FAILED, REMINDER = "final_notice", "payment_failed", "payment_reminder"
RANKS = (FINAL, FAILED, REMINDER)  # which one a merged mail is written as
DUNNING_TEMPLATES = frozenset(RANKS)
# Letters that say something is owed, and the state of the case in which that is true.
ONLY_WHILE = dict.fromkeys(DUNNING_TEMPLATES, CaseState.ACTIVE) | {
    "subscription_ended": CaseState.EXHAUSTED
}
OVERTAKEN = DUNNING_TEMPLATES - {FINAL}  # without a final notice no case may end


def is_true_of(message: Message, case: Case) -> bool:
    """Whether what the letter says is so, as the case stands."""
    return ONLY_WHILE.get(message.template, case.state) is case.state


def message_class(case: Case) -> MessageClass:
    """Whether the customer must act (`card`) or waiting may do (`soft`)."""
    if case.kind is CaseKind.INVOICE:
        return MessageClass.CARD
    return MessageClass.CARD if case.decline_kind in CARD_CLASS else MessageClass.SOFT


def plan_letters(book: Book, case: Case, policy: Policy, terms: Terms) -> None:
    """Plan what the table has for this case. Repeating it plans nothing twice, but may bring a
    planned letter forward: at the n-th failure, or when the refusal turns out to be the card's.
    """
    if case.silent or case.state is not CaseState.ACTIVE:
        return
    for row in policy.messages:
        if case.kind is CaseKind.INVOICE and row.template not in OF_AN_INVOICE:
            continue
        if row.on is None and row.for_class in {MessageClass.ANY, message_class(case)}:
            due = planned_for(row, case, terms)
            if due is not None:
                plan_letter(book, case, row, due, terms)


def letters_on(event: str, policy: Policy) -> Iterable[MessageRow]:
    """The rows for an event (`recovered`, `ended`)."""
    return (row for row in policy.messages if row.on == event)


def plan_letter(book: Book, case: Case, row: MessageRow, due: datetime, terms: Terms) -> None:
    """Plan one letter for the first daytime from `due` on, or bring the planned one forward to it.

    One that was due already and only waits for the day or for a pause between letters stays. One
    is brought forward to now at the earliest: the action of a time that is over may be done, and
    an action is planned once. For somebody who was erased nothing is planned.
    """
    invoice = book.get(Invoice, case.account_id, case.invoice_id)
    customer = book.get(Customer, case.account_id, case.customer_id)
    if customer is not None and customer.erased:
        return
    due = in_daytime(due, terms.zone_of(customer))
    recipient = _recipient(row, customer, invoice)
    if row.channel != "mail" and not recipient:
        return
    planned = _planned(book, case, row.step)
    if planned is not None:
        waits_for_its_day = planned.state is MessageState.PLANNED and planned.reason is None
        forward = max(due, terms.now)
        if waits_for_its_day and forward < planned.due_at:
            book.put(replace(planned, due_at=forward))
            book.add(send_action(replace(planned, due_at=forward)))
        return
    message = Message(
        message_id=derive_id("message", case.opened_at, case.case_id, row.step),
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        customer_id=case.customer_id,
        case_id=case.case_id,
        step=row.step,
        template=row.template,
        channel=row.channel,
        recipient=recipient,
        language=language_for(customer.language if customer else None, terms.merchant.language),
        due_at=due,
    )
    book.add(message)
    book.add(send_action(message))


def _recipient(row: MessageRow, customer: Customer | None, invoice: Invoice | None) -> str:
    """The address for the row's channel; a telephone number only of those who agreed."""
    if row.channel == "mail":
        return (customer and customer.email) or (invoice and invoice.customer_email) or ""
    return (customer.phone or "") if customer and customer.sms_consent else ""


def readdressed(message: Message, customer: Customer | None, terms: Terms) -> Message:
    """A letter about a case that is still to leave, to where its customer is reached now and in
    the language they speak now: weeks may lie between. A short text goes to nobody who agrees no
    more."""
    if customer is None or message.case_id is None or message.state is not MessageState.PLANNED:
        return message
    recipient = customer.email or message.recipient
    if message.channel != "mail":
        recipient = (customer.phone or "") if customer.sms_consent else ""
    language = language_for(customer.language, terms.merchant.language)
    return replace(message, recipient=recipient, language=language)


def send_action(message: Message) -> Action:
    """The action that sends a message at its due instant."""
    return action_for(
        ActionKind.SEND,
        subject=message.message_id,
        merchant_id=message.merchant_id,
        account_id=message.account_id,
        due_at=message.due_at,
        customer_id=message.customer_id,
        case_id=message.case_id,
        nth=message.due_at.isoformat(),
    )


def _planned(book: Book, case: Case, step: str) -> Message | None:
    return next(
        (m for m in book.all(Message) if m.case_id == case.case_id and m.step == step), None
    )


def planned_for(row: MessageRow, case: Case, terms: Terms) -> datetime | None:
    """The row's instant in the merchant's daytime; None where its day is long past.

    A row whose day passed while we did not know of the case is not caught up with: after an
    outage or an import nobody gets yesterday's reminders in a burst.
    """
    if row.before_end is not None:
        return case.window_ends_at - timedelta(days=row.before_end)
    if row.on_failure is not None and case.failures >= row.on_failure:
        return terms.now
    at = case.opened_at + timedelta(days=row.day or 0)
    if row.day and at < terms.now - timedelta(days=1):
        return None
    return max(at, terms.now)


def sendable_at(
    message: Message, others: Iterable[Message], customer: Customer | None, terms: Terms
) -> tuple[datetime | None, str]:
    """When a due letter may leave: now, later, or never (None), with the reason.

    `others` are letters to the same customer over all cases; those that went in one mail count
    as one. The caps hold for dunning letters only. A final notice is first in rank: it may have
    to wait, but it is never dropped, and others wait for one that follows soon.
    """
    tz = terms.zone_of(customer)
    at = in_daytime(terms.now, tz)
    if message.template not in DUNNING_TEMPLATES:
        return at, "local daytime"
    others = [
        m for m in others if m.message_id != message.message_id and m.channel == message.channel
    ]
    left = sorted(filter(None, map(_left_at, others)))
    if (final := _final_ahead(message, others, terms.now)) is not None:
        why = "the final notice follows within 20 hours"
        return (None if message.template == REMINDER else in_daytime(final, tz)), why
    recent = [one for one in left if one > terms.now - CAP_WITHIN]
    if len(recent) >= AT_MOST_IN_30_DAYS:
        free = in_daytime(recent[-AT_MOST_IN_30_DAYS] + CAP_WITHIN, tz)
        why = f"{AT_MOST_IN_30_DAYS} letters in 30 days already"
        return (free if message.template == FINAL else None), why
    if left and left[-1] + PAUSE_BETWEEN > terms.now:
        if message.template == REMINDER:
            return None, "another letter went out less than 20 hours ago"
        return in_daytime(left[-1] + PAUSE_BETWEEN, tz), "one letter in 20 hours"
    return at, "local daytime"


def _left_at(message: Message) -> datetime | None:
    """When a dunning letter left, or may have; None for one that did not, or went with another."""
    if message.template not in DUNNING_TEMPLATES or message.carried_by is not None:
        return None
    unsure = message.state in {MessageState.UNKNOWN, MessageState.SENDING}
    return message.sent_at or (message.due_at if unsure else None)


def _final_ahead(message: Message, others: list[Message], now: datetime) -> datetime | None:
    """When the customer's next final notice is due, if that is soon and not yet."""
    finals = [
        other.due_at
        for other in others
        if other.template == FINAL
        and other.state is MessageState.PLANNED
        and now < other.due_at < now + PAUSE_BETWEEN
    ]
    return min(finals, default=None) if message.template != FINAL else None


def rank(message: Message) -> tuple[int, datetime, str]:
    """Sorts the letters of one mail: a final notice first, then the longest due."""
    place = RANKS.index(message.template) if message.template in RANKS else len(RANKS)
    return place, message.due_at, message.message_id


def due_together(book: Book, message: Message, case: Case, now: datetime) -> list[Message]:
    """Dunning letters to the same recipient about other active cases that are due as well, and not
    held. Their cases keep the same policy, so that what is said of the end holds for all."""
    if message.template not in DUNNING_TEMPLATES or message.channel != "mail":
        return []
    cases = {
        other.case_id
        for other in book.all(Case)
        if other.state is CaseState.ACTIVE
        and other.waits is not Waits.ON_HOLD
        and other.customer_id == case.customer_id
        and other.policy == case.policy
        and other.driven == case.driven
    }
    return [
        other
        for other in book.all(Message)
        if other.case_id in cases - {case.case_id}
        and other.state is MessageState.PLANNED
        and other.template in DUNNING_TEMPLATES
        and other.due_at <= now
        and (other.recipient, other.channel) == (message.recipient, "mail")
    ]


def same_mail(book: Book, message: Message) -> list[Message]:
    """The letters that are on their way in one mail with this one, itself among them."""
    lead = message.carried_by or message.message_id
    return [
        other
        for other in book.all(Message)
        if lead in {other.message_id, other.carried_by} and other.state is MessageState.SENDING
    ]


def is_overtaken(book: Book, message: Message, policy: Policy, now: datetime) -> bool:
    """After an outage the newest letter of a case goes out and the older ones do not. Where they
    wait for one morning, the later row of the policy is the newer one."""
    steps = [row.step for row in policy.messages]

    def place(one: Message) -> tuple[datetime, int]:
        return one.due_at, steps.index(one.step) if one.step in steps else -1

    return message.template in OVERTAKEN and any(
        other.case_id == message.case_id
        and other.channel == message.channel
        and other.state is MessageState.PLANNED
        and other.template in DUNNING_TEMPLATES
        and place(message) < place(other)
        and other.due_at <= now
        for other in book.all(Message)
    )
