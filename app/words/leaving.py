"""What somebody who leaves is told, in sentences: the same on the page, in the widget, over the
API. Money and days are written here, so that nobody counts minor units a second time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.domain.cancellations import (
    FORGIVEN,
    REFUNDED,
    STILL_DUE,
    CancelRequest,
    Choice,
    Preview,
    RequestState,
)
from app.domain.flows import FlowStep, StepKind
from app.domain.offers.elsewhere import sent_as
from app.domain.offers.quotes import Quote, quote_from
from app.domain.sessions import CancelSession, SessionState
from app.domain.usage import UsageFact, usage_rows
from app.words.formats import show_day, show_minute, show_money
from app.words.links import UnsafeLink, safe_link
from app.words.phrases import Phrases
from app.words.plain import one_line

PHRASES = Phrases([Path(__file__).parent / "leaving_texts"])


NOTHING_SAID = {"pause": 1, "upgrade": 1}  # months, as the offers themselves have it
NO_FACTS = {"amount": "", "day": "", "percent": 0, "months": 0, "days": 0, "count": 0}
TOLD_OF = {
    FORGIVEN: "confirm.forgiven",
    STILL_DUE: "confirm.owed",
    REFUNDED: "confirm.refund",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tongue:
    """How somebody is spoken to: language, time zone, and the name of the merchant who speaks."""

    language: str
    time_zone: str
    merchant: str = ""

    def say(self, key: str, **facts: Any) -> str:
        """A phrase about these facts."""
        told = NO_FACTS | {"merchant": one_line(self.merchant)} | facts
        return PHRASES.speaker(self.language, told)(key)

    def money(self, key: str, minor: int, currency: str) -> str:
        """A phrase about an amount."""
        return self.say(key, amount=show_money(minor, currency, self._locale))

    def on(self, key: str, at: datetime) -> str:
        """A phrase about a day."""
        return self.say(key, day=show_day(at, self.time_zone, self._locale))

    def minute(self, at: datetime) -> str:
        """An instant."""
        return show_minute(at, self.time_zone, self._locale)

    def day(self, at: datetime) -> str:
        """A day."""
        return show_day(at, self.time_zone, self._locale)

    @property
    def _locale(self) -> str:
        return PHRASES.locale_of(self.language)


def every_phrase(language: str) -> dict[str, str]:
    """The phrases of a language by key, `{merchant}` left to be put in: the widget's words."""
    tongue = Tongue(language=language, time_zone="UTC", merchant="{merchant}")
    own = PHRASES.keys(language) - Phrases([]).keys(language)
    return {key: tongue.say(key) for key in sorted(own)}


def foretold(told: Preview, tongue: Tongue) -> list[str]:
    """What an end would do, a sentence each."""
    later = told.choice is Choice.PERIOD_END
    access = "confirm.access" if later else "confirm.access_now"
    said = [tongue.on(access, told.access_until)]
    sums = {
        "confirm.owed": told.owed_minor,
        "confirm.forgiven": told.forgiven_minor,
        "confirm.refund": told.refund_minor,
        "confirm.next": told.next_minor or 0,
    }
    said += [tongue.money(key, minor, told.currency) for key, minor in sums.items() if minor]
    if not (told.owed_minor or told.next_minor):
        said.append(tongue.say("confirm.nothing"))
    if told.lets_go:
        said.append(tongue.say("confirm.lets_go"))
    return [*said, *([tongue.say("confirm.undo")] if later else [])]


def choice_named(told: Preview, tongue: Tongue, *, alone: bool) -> str:
    """What stands on the button that ends it so; `alone`: there is one end only."""
    if told.choice is Choice.WITHDRAWAL:
        return tongue.say("withdraw.button")
    key = "confirm.button" if alone else f"confirm.{told.choice}"
    return tongue.on(key, told.access_until)


def confirmed(request: CancelRequest, tongue: Tongue, state: SessionState) -> list[str]:
    """What is said of a cancellation once it stands."""
    if request.state is RequestState.UNDONE:
        return [tongue.say("undone.lead")]
    said = []
    if state is SessionState.FAILED:
        said.append(tongue.say("done.person"))
    elif request.state is RequestState.ASKED:
        said.append(tongue.say("done.asked"))
    later = request.choice is Choice.PERIOD_END
    said.append(tongue.on("confirm.access" if later else "confirm.access_now", request.ends_at))
    for row in request.invoices:
        key = TOLD_OF[row["outcome"]]
        said.append(tongue.money(key, row["amount_minor"], row["currency"]))
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What is shown now: its name, which is a step's kind or an outcome, and its words. `link` is
    where an offer that was accepted is kept: what stands on it, and its address."""

    name: str
    heading: str
    says: list[str]
    rows: list[tuple[str, str]]
    link: tuple[str, str] | None = None


OUTCOMES: Mapping[SessionState, str] = {
    SessionState.APPLYING: "applying",
    SessionState.SAVED: "saved",
    SessionState.CANCELLING: "done",
    SessionState.CANCELLED: "done",
    SessionState.FAILED: "done",
    SessionState.ABANDONED: "closed",
}


def _name_of(session: CancelSession, step: FlowStep, *, waits: bool) -> str:
    if waits and session.state is SessionState.APPLYING:
        return "waiting"
    return OUTCOMES.get(session.state, str(step.kind))


def screen_of(
    session: CancelSession,
    step: FlowStep,
    request: CancelRequest | None,
    tongue: Tongue,
    usage: Iterable[UsageFact] = (),
    accepted: Mapping[str, Any] | None = None,
    *,
    waits: bool = False,
) -> Screen:
    """The screen of a session: the step it is at, or what came of it. `usage` is what the customer
    may be reminded of, `accepted` are the terms of the offer that saved it; `waits`: one must be
    paid for."""
    name = _name_of(session, step, waits=waits)
    rows: list[tuple[str, str]] = []
    texts = step.texts.get(PHRASES.language_of(tongue.language)) or step.texts.get("en") or {}
    if name == "saved" and (there := kept_elsewhere(accepted or {}, tongue)) is not None:
        return there
    if name == "done" and request is not None:
        name = "undone" if request.state is RequestState.UNDONE else name
        says = confirmed(request, tongue, session.state)
        rows = receipt_rows(request, tongue)
    elif texts.get("body") and name in {step.kind, "saved"}:  # else it is about something else
        says = texts["body"].split("\n")
    elif name == "offer":
        says = named(step.offer or {}, quote_from(session.quote), tongue)
    else:
        says = [tongue.say(key) for key in (f"{name}.lead",) if key in PHRASES.keys("en")]
    if name == StepKind.VALUE_REMINDER:
        rows = [
            (one_line(label), one_line(value))
            for label, value in usage_rows(usage, tongue.language)
        ]
    if name == "offer":
        says += offered(quote_from(session.quote), tongue)
    heading = texts.get("heading") if name == step.kind or name == "done" else None
    if name == "done" and request is not None and request.choice is Choice.WITHDRAWAL:
        heading = tongue.say("withdraw.done")
    heading = heading or tongue.say(f"{name}.heading")
    return Screen(name=name, heading=heading, says=says, rows=rows)


def kept_elsewhere(offer: Mapping[str, Any], tongue: Tongue) -> Screen | None:
    """The screen of an offer that somebody else keeps, with the way there where it is one that a
    customer may be sent; None for other offers."""
    kind = f"elsewhere.{offer.get('kind')}"
    keys = PHRASES.keys("en")
    if f"{kind}.heading" not in keys:
        return None
    address = _address(offer.get("url"))
    lead = "later" if address is None and f"{kind}.later" in keys else "lead"
    return Screen(
        name="saved",
        heading=tongue.say(f"{kind}.heading"),
        says=[tongue.say(f"{kind}.{lead}")],
        rows=[],
        link=(tongue.say(f"{kind}.link"), address) if address else None,
    )


def _address(url: object) -> str | None:
    sent = sent_as(url) if isinstance(url, str) else None
    try:
        return safe_link(sent) if sent else None
    except UnsafeLink:
        return None


def receipt_rows(request: CancelRequest, tongue: Tongue) -> list[tuple[str, str]]:
    """The facts of a receipt, each with its name."""
    facts = {
        "plan": one_line(request.plan or ""),
        "requested_on": tongue.minute(request.requested_at),
        "ends_on": tongue.day(request.ends_at),
        "reference": request.request_id,
    }
    return [(tongue.say(f"rows.{name}"), value) for name, value in facts.items() if value]


def named(offer: Mapping[str, Any], quote: Quote | None, tongue: Tongue) -> list[str]:
    """What an offer is, where the merchant does not say; what is kept elsewhere needs its words."""
    key = f"offer.kinds.{offer.get('kind')}"
    if key not in PHRASES.keys("en"):
        return []
    amounts = offer.get("amount_minor") or {}
    minor = amounts.get(quote.currency) if quote else None
    locale = PHRASES.locale_of(tongue.language)
    facts = {
        "percent": offer.get("percent") or 0,
        "months": offer.get("months") or NOTHING_SAID.get(str(offer.get("kind")), 0),
        "days": offer.get("days") or 0,
        "count": offer.get("remove") or 0,
        "amount": show_money(minor, quote.currency, locale) if quote and minor else "",
    }
    return [tongue.say(key, **facts)]


def offered(quote: Quote | None, tongue: Tongue) -> list[str]:
    """The money and the days of an offer, as far as its quote tells them."""
    if quote is None or quote.next_minor is None:  # one that is kept elsewhere costs nothing here
        return []
    said = [_amount("now", quote.now_minor, quote.currency, None, tongue)]
    if not quote.now_minor:
        said = [tongue.say("offer.nothing_now")]
    sums = (("next", quote.next_minor, quote.next_at), ("then", quote.then_minor, quote.until))
    for name, minor, at in sums:
        if minor is not None and at is not None:
            said.append(_amount(name, minor, quote.currency, at, tongue))
    if quote.until is None and quote.then_minor not in (None, quote.next_minor):
        said.append(_amount("after", quote.then_minor or 0, quote.currency, None, tongue))
    if quote.resumes_at:
        said.append(tongue.on("offer.resumes", quote.resumes_at))
    if quote.ends_schedule:
        said.append(tongue.say("offer.ends_schedule"))
    return [*said, *([tongue.say("offer.undoes")] if quote.undoes_end else [])]


def _amount(name: str, minor: int, currency: str, at: datetime | None, tongue: Tongue) -> str:
    amount = show_money(minor, currency, PHRASES.locale_of(tongue.language))
    return tongue.say(f"offer.{name}", amount=amount, day=tongue.day(at) if at else "")
