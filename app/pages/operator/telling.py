"""Rows as plain values for the templates: amounts, moments and words of one merchant."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.actions import Action
from app.domain.dunning import Attempt, Case, CaseEvent, CaseState, Waits
from app.domain.holds import Hold, HoldReason, holds_of
from app.domain.messages import Message
from app.domain.mirror import Customer, PaymentMethod
from app.pages.operator import words
from app.services.cases import shown_inputs
from app.services.dossiers import Budget, Dossier
from app.words.formats import show_minute, show_money, show_span
from app.words.plain import one_line

LANGUAGE = "en-GB"  # the desk speaks English, whatever the customers speak
NAME = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")  # a name of the code; ids have digits
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:\+00:00|Z)")
Shown = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells what a merchant's people read: their time zone, and the instant they read it at."""

    time_zone: str
    now: datetime

    def minute(self, at: datetime) -> str:
        """Day and minute where the merchant is."""
        return show_minute(at, self.time_zone, LANGUAGE)

    def moment(self, at: datetime | None) -> Shown | None:
        """An instant for `<time>`: for machines, for people, and how far off it is."""
        if at is None:
            return None
        span = show_span(at, self.now, LANGUAGE)
        return {"instant": at.isoformat(), "text": self.minute(at), "span": span}

    def money(self, minor: int, currency: str) -> str:
        """An amount as it is written."""
        return show_money(minor, currency, LANGUAGE)

    def text(self, text: str, currency: str = "") -> str:
        """A line of ours as people write it: its instants, its names, its amounts in minor units
        of `currency`; it begins with a capital."""
        line = INSTANT.sub(lambda found: self.minute(datetime.fromisoformat(found[0])), text)
        if currency:
            amount = re.compile(rf"\b(\d+) {re.escape(currency)}\b")
            line = amount.sub(lambda found: self.money(int(found[1]), currency), line)
        line = NAME.sub(lambda found: found[0].replace("_", " "), line)
        return line[:1].upper() + line[1:]

    def line(self, case: Case, customer: Customer | None) -> Shown:
        """A case as a line of a list."""
        return {
            "id": case.case_id,
            "who": name_of(case, customer),
            "mail": one_line((customer and customer.email) or ""),
            "owed": self.money(case.due_minor, case.currency),
            "amount": self.money(case.due_minor or case.amount_minor, case.currency),
            "status": status_of(case),
            "why": words.DECLINES[case.decline_kind] if case.decline_kind else "",
            "plan": one_line(case.plan or ""),
            "next": self.moment(case.next_attempt_at),
            "opened": self.moment(case.opened_at),
            "closed": None if case.state is CaseState.PARKED else self.moment(case.closed_at),
            "reason": self.text(case.reason or ""),
        }

    def event(self, event: CaseEvent, case: Case) -> Shown:
        """A line of the timeline, with what was decided from."""
        given = [pair for pair in shown_inputs(event.data).items() if pair[0] != "template"]
        return {
            "at": self.moment(event.at),
            "kind": words.LINES.get(event.type, words.plain(event.type)),
            "tone": words.TONES.get(event.type, "over"),
            "text": self.text(event.text, case.currency),
            "inputs": [(label_of(name), self._input(name, value, case)) for name, value in given],
        }

    def _input(self, name: str, value: Any, case: Case) -> str:
        if name == "amount_minor" and isinstance(value, int):
            return self.money(value, case.currency)
        if name in {"decline", "kind"} and value in list(words.DECLINES):
            return words.DECLINES[value]
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, Mapping | list | tuple):
            return ", ".join(str(part) for part in value)
        return self.text(str(value)) if value is not None else "unknown"

    def attempt(self, attempt: Attempt) -> Shown:
        """One try to charge."""
        told = attempt.decline or {}
        codes = [told.get("code"), told.get("network_decline_code"), told.get("advice")]
        return {
            "number": attempt.number,
            "by": words.TRIGGERS[attempt.trigger],
            "status": words.ATTEMPTS[attempt.state],
            "amount": self.money(attempt.amount_minor, attempt.currency),
            "at": self.moment(attempt.intent_at),
            "why": words.DECLINES[attempt.decline_kind] if attempt.decline_kind else "",
            "codes": ", ".join(str(code) for code in codes if code),
        }

    def letter(self, message: Message) -> Shown:
        """One letter; its words are on a page of their own."""
        return {
            "id": message.message_id,
            "name": message.subject or words.plain(message.template),
            "step": words.plain(message.step),
            "to": one_line(message.recipient) or "no address",
            "language": message.language,
            "status": words.LETTERS[message.state],
            "at": self.moment(message.sent_at or message.due_at),
            "reason": self.text(message.reason or ""),
        }

    def budget(self, budget: Budget) -> Shown:
        """What a network allows, and how much of it is used."""
        rule, days = budget.rule, round(budget.rule.within.total_seconds() / 86400)
        return {
            "used": budget.used,
            "allowed": rule.attempts,
            "within": f"{days} days" if days > 1 else "24 hours",
            "source": rule.source,
            "full": budget.used >= rule.attempts,
        }

    def what_next(self, case: Case, action: Action | None) -> Shown:
        """What happens next, in a sentence and when; why nothing does where nothing does."""
        if action is not None:
            why = self.text(action.note or "")
            return {"what": words.NEXT[action.kind], "at": self.moment(action.due_at), "why": why}
        held = case.waits is Waits.ON_HOLD
        return {
            "what": ON_HOLD if held else NOTHING.get(case.state, ""),
            "at": None,
            "why": self.text(case.reason or ""),
        }


ON_HOLD = "Nothing, until it is released."
NOTHING = {
    CaseState.ACTIVE: "Nothing is planned. That should not be: tell whoever runs the service.",
    CaseState.PARKED: "Nothing, until a person decides.",
    CaseState.RECOVERED: "Nothing more. The money is in.",
    CaseState.EXHAUSTED: "Nothing more from us. A payment that comes late still counts.",
    CaseState.STOPPED: "Nothing more. The case was stopped.",
}


def hold_of(hold: Hold, teller: Teller) -> str:
    """Why a case waits, until when, and what was noted about it."""
    until = f", until {teller.minute(hold.until)}" if hold.until else ", until it is released"
    named = f" ({hold.name})" if hold.reason is HoldReason.DISPUTE else ""
    return words.HOLDS[hold.reason] + named + until + (f": {hold.note}" if hold.note else "")


def name_of(case: Case, customer: Customer | None) -> str:
    """What to call a case: its customer's name, address or id, else its invoice."""
    known = (customer.name or customer.email) if customer else None
    return one_line(known or case.customer_id or case.invoice_id)


def status_of(case: Case) -> tuple[str, str]:
    """Word and tone: what an active case waits for says more than that it is active."""
    if case.state is CaseState.ACTIVE and case.waits is not None:
        return words.WAITS[case.waits]
    return words.STATES[case.state]


def label_of(name: str) -> str:
    """An input of a decision, in words."""
    return words.INPUTS.get(name, words.plain(name))


def card_of(method: PaymentMethod | None) -> str:
    """A payment method as people know it. Never a number: there is none."""
    if method is None:
        return "none on file"
    brand = words.plain(method.brand or method.type)
    ends = f" ending in {method.last4}" if method.last4 else ""
    dated = method.exp_month and method.exp_year
    return f"{brand}{ends}" + (f", until {method.exp_month:02d}/{method.exp_year}" if dated else "")


def facts_of(dossier: Dossier, teller: Teller) -> list[tuple[str, Any]]:
    """What the case is about: label, value."""
    case, customer, invoice = dossier.file.case, dossier.customer, dossier.invoice
    collects = "We retry" if case.driven else "The provider retries"
    rows = [
        ("Customer", one_line((customer and customer.email) or case.customer_id or "")),
        ("Plan", one_line(case.plan or "")),
        ("Invoice", one_line((invoice and invoice.number) or case.invoice_id)),
        ("Failed amount", teller.money(case.amount_minor, case.currency)),
        ("Recovered", teller.money(case.recovered_minor, case.currency) if case.cause else ""),
        ("Cause", words.plain(case.cause) if case.cause else ""),
        ("Card", card_of(dossier.method)),
        ("Refused for", words.DECLINES[case.decline_kind] if case.decline_kind else ""),
        ("Collection", f"{collects} ({case.mode})"),
        *(("On hold", hold_of(hold, teller)) for hold in holds_of(case)),
        ("Policy", case.policy),
        ("Opened", teller.minute(case.opened_at)),
        ("Window ends", teller.minute(case.window_ends_at)),
        ("Account", dossier.account.provider_ref or dossier.account.account_id),
        ("Case", case.case_id),
    ]
    return [(label, value) for label, value in rows if value]
