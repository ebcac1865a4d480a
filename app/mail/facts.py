"""What a letter may say, as finished words for its reader."""

from dataclasses import asdict
from typing import Any

from app.domain.colours import accents
from app.domain.messages import BY_PERMISSION, AlsoOpen, Letter
from app.words.formats import show_day, show_minute, show_money, show_month
from app.words.links import safe_link
from app.words.phrases import Phrases
from app.words.plain import one_line, personal_name

LONGEST_ADDRESS = 300
LONGEST_MENDED = 500

# What the customer has to do about a reason; every other reason is `pay`.
NEED = {
    "card_expired": "card",
    "card_data": "card",
    "no_method": "card",
    "authentication": "authenticate",
}

# What templates, ours and a merchant's, may name. A test compares docs/messages.md with it.
VARIABLES = {
    "language": "the language the letter is written in",
    "merchant": "the merchant's name",
    "name": "the customer's name, where it is fit for a greeting",
    "amount": "what is owed, was paid, or will be charged",
    "plan": "the plan of the subscription",
    "invoice": "the invoice's number",
    "reason": "why the payment was refused, in plain words",
    "reason_key": "the name of that reason",
    "need": "what the customer has to do: `card`, `authenticate` or `pay`",
    "end": "what happens at the end, as a clause",
    "end_action": "the name of that end",
    "ending": "the same, `leave` where it is not known",
    "link": "the address of the button",
    "next_retry": "the day of the next automatic attempt",
    "last_day": "the day of the end",
    "paid_on": "the day the payment arrived",
    "renews_on": "the day of the renewal",
    "former": "the price until now, where it changes",
    "card": "the card concerned, by brand and last digits",
    "expires": "the last month the card is good for",
    "reference": "the reference of a cancellation",
    "requested_on": "the day and time at which the customer cancelled",
    "ends_on": "the day on which a cancelled subscription ends, where it has not ended",
    "forgiven": "what need not be paid any more after a cancellation",
    "owed": "what must still be paid after a cancellation",
    "left_for": "the kind of reason somebody left for: `price`, `time` or `other`",
    "mended": "what was put right since somebody left, in the merchant's words",
    "agreed": "`yes` in a letter that only those get who agreed to it",
    "refunded": "what is paid back after a withdrawal",
    "manage": "where the customer manages the subscription",
    "support": "the merchant's support address",
    "postal_address": "the merchant's postal address",
    "unsubscribe": "where reminders of this kind are unsubscribed",
}


def facts_of(letter: Letter, phrases: Phrases) -> dict[str, Any]:
    """The letter as finished words; what is not known is an empty string.

    Raises `UnsafeLink` for an address no customer may be sent to, `ValueError` for a month that
    is none.
    """
    locale = phrases.locale_of(letter.language)
    known = f"reason.{letter.reason_key}.why" in phrases.keys("en")
    reason = letter.reason_key if known else "unknown"
    days = {
        "next_retry": letter.next_retry_at,
        "last_day": letter.last_day,
        "paid_on": letter.paid_at,
        "renews_on": letter.renews_at,
        "ends_on": letter.ends_at,
    }
    return {
        "language": phrases.language_of(letter.language),
        "merchant": one_line(letter.merchant_name),
        "name": personal_name(letter.customer_name),
        "amount": show_money(letter.amount_minor, letter.currency, locale),
        "former": _money(letter.former_minor, letter.currency, locale),
        "forgiven": _money(letter.forgiven_minor, letter.currency, locale),
        "owed": _money(letter.owed_minor, letter.currency, locale),
        "refunded": _money(letter.refunded_minor, letter.currency, locale),
        "reference": one_line(letter.reference or ""),
        "requested_on": _minute(letter, locale),
        "left_for": letter.left_for or "",
        "mended": one_line(letter.mended or "", longest=LONGEST_MENDED),
        "agreed": "yes" if letter.template in BY_PERMISSION else "",
        "plan": one_line(letter.plan or ""),
        "invoice": one_line(letter.invoice_number or ""),
        "reason_key": reason,
        "need": NEED.get(reason, "pay"),
        "end_action": letter.end_action or "",
        "ending": letter.end_action or "leave",
        "card": one_line(letter.card or ""),
        "expires": show_month(letter.card_expires, locale) if letter.card_expires else "",
        "support": one_line(letter.look.support or ""),
        "postal_address": one_line(letter.look.postal_address or "", longest=LONGEST_ADDRESS),
        "link": _link(letter.link),
        "manage": _link(letter.look.manage_url),
        "unsubscribe": _link(letter.unsubscribe_url),
    } | {name: show_day(day, letter.time_zone, locale) if day else "" for name, day in days.items()}


def colours_of(letter: Letter) -> dict[str, str]:
    """The accents and the logo, for the look alone."""
    return asdict(accents(letter.look.colour)) | {"logo": _link(letter.look.logo_url)}


def facts_of_also(also: AlsoOpen, letter: Letter, phrases: Phrases) -> dict[str, str]:
    """Another open payment of a merged letter, as words."""
    locale = phrases.locale_of(letter.language)
    return {
        "also_name": one_line(also.invoice_number or also.plan or ""),
        "also_amount": show_money(also.amount_minor, also.currency, locale),
        "also_last_day": (
            show_day(also.last_day, letter.time_zone, locale) if also.last_day else ""
        ),
    }


def _minute(letter: Letter, locale: str) -> str:
    at = letter.requested_at
    return show_minute(at, letter.time_zone, locale) if at else ""


def _money(minor: int | None, currency: str, locale: str) -> str:
    return "" if minor is None else show_money(minor, currency, locale)


def _link(url: str | None) -> str:
    return safe_link(url) if url else ""
