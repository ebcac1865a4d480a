"""What a page says: pure functions from a view to HTML, in the customer's language."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import FileSystemLoader

from app.domain.languages import DEFAULT_LANGUAGE, written
from app.pages.assets import asset
from app.services.payment_links import LinkView
from app.services.suppressions import UnsubscribeView
from app.words.formats import show_day, show_money
from app.words.phrases import Phrases, sandbox
from app.words.plain import one_line

HERE = Path(__file__).parent
PHRASES = Phrases([HERE / "texts"])
TEMPLATES = sandbox(FileSystemLoader(HERE / "templates"), html=True)
LANGUAGE_TAG = re.compile(r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9-]+)?)\s*(?:;\s*q=([01](?:\.\d+)?))?\s*")
NOTHING: dict[str, Any] = {"several": False, "after_end": False, "restart": "", "each": []}
SHORTEST_LIST = 200  # characters of Accept-Language that are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A finished page and its HTTP status."""

    html: str
    status: int = 200


def fill(template: str, *, root: str = "", **facts: Any) -> str:
    """A template of `templates/`; `root` is the path the service stands under."""
    files = {"style": root + asset("holdfast.css"), "icon": root + asset("holdfast.svg")}
    files["script"] = root + asset("opened.js")
    return TEMPLATES.get_template(template).render(facts | files | {"root": root})


def link_page(view: LinkView, *, token: str, root: str = "") -> Page:
    """The payment page: what is owed and why, what happens next, and one button if there is
    something to do. A link past its day is answered 404, like one that never was."""
    kind = view.status if f"{view.status}.heading" in PHRASES.keys("en") else "ended"
    return _told(kind, view, token=token, root=root, status=404 if kind == "expired" else 200)


def done_page(view: LinkView, *, token: str, root: str = "") -> Page:
    """Where the provider sends the customer back to. It claims no payment that has not arrived."""
    if view.status == "card":
        return _told("card_done", view, token=token, root=root)
    if view.status != "open":
        return link_page(view, token=token, root=root)
    return _told("done", view, token=token, root=root)


def unavailable_page(view: LinkView, *, token: str, root: str = "") -> Page:
    """The provider does not answer: nothing was charged, and one may try again."""
    return _told("unavailable", view, token=token, root=root, status=503)


def unknown_page(accept_language: str = "", *, root: str = "") -> Page:
    """No such link; in the language the browser asks for."""
    return _told_anybody("unknown", accept_language, root=root, status=404)


def broken_page(accept_language: str = "", *, root: str = "") -> Page:
    """We cannot look the link up right now, so we do not know whose it is."""
    return _told_anybody("broken", accept_language, root=root, status=503)


def busy_page(accept_language: str = "", *, root: str = "") -> Page:
    """The link was opened too often within a minute."""
    return _told_anybody("busy", accept_language, root=root, status=429)


def unsubscribe_page(
    view: UnsubscribeView, *, token: str, root: str = "", done: bool = False
) -> Page:
    """What ends when one unsubscribes and one button, or that it is done."""
    facts = {
        "language": PHRASES.language_of(view.language),
        "merchant": one_line(view.merchant_name),
        "kind": "unsubscribed" if done else "unsubscribe",
    }
    heading = "unsubscribed.heading" if done else f"unsubscribe.{view.about}"
    shown = {**facts, "heading": heading, "say": PHRASES.speaker(view.language, facts)}
    return Page(html=fill("unsubscribe.html.j2", root=root, **shown, token=token))


def preferred(accept_language: str) -> str:
    """The catalogue language a browser likes best; English where it likes none of ours."""
    best, language = 0.0, DEFAULT_LANGUAGE
    for entry in accept_language[:SHORTEST_LIST].split(","):
        found = LANGUAGE_TAG.fullmatch(entry)
        weight = float(found[2] or 1) if found else 0.0
        ours = written(found[1]) if found else None
        if ours and weight > best:
            best, language = weight, ours
    return language


def _told_anybody(kind: str, accept_language: str, *, root: str, status: int) -> Page:
    language = preferred(accept_language)
    say = PHRASES.speaker(language, {})
    facts = {"kind": kind, "language": language, "say": say, "merchant": "", "rows": []} | NOTHING
    return Page(html=fill("link.html.j2", root=root, **facts, token=""), status=status)


def _told(kind: str, view: LinkView, *, token: str, root: str, status: int = 200) -> Page:
    facts = _facts(view)
    say = PHRASES.speaker(view.language, facts)
    facts["reason"] = _known(f"reason.{view.reason_key}.why", say)
    facts["advice"] = _known(f"reason.{view.reason_key}.do", say)
    facts["end"] = _known(f"end.{view.end_action}", say)
    shown = ROWS.get(kind, ("amount", "plan", "invoice"))
    if facts["several"]:  # each with its own, below
        shown = tuple(name for name in shown if name not in {"plan", "invoice"})
    rows = [(say(f"fact.{name}"), facts[name]) for name in shown if facts[name]]
    facts["each"] = _each(view)
    html = fill("link.html.j2", root=root, **facts, kind=kind, say=say, rows=rows, token=token)
    return Page(html=html, status=status)


ROWS: dict[str, tuple[str, ...]] = {
    "card": (),
    "card_done": (),
    "open": ("amount", "plan", "invoice", "next_retry", "last_day"),
    "late": ("amount", "plan", "invoice"),
    "paid": ("amount", "plan", "invoice", "paid_on"),
}


def _known(key: str, say: Any) -> str:
    return say(key) if key in PHRASES.keys(DEFAULT_LANGUAGE) else ""


def _each(view: LinkView) -> list[tuple[str, str]]:
    """The overdue invoices one by one, where there are several."""
    locale = PHRASES.locale_of(view.language)
    return [
        (
            " · ".join(part for part in (one_line(owed.plan or ""), owed.invoice_number) if part),
            show_money(owed.amount_minor, owed.currency, locale),
        )
        for owed in view.owed
        if len(view.owed) > 1
    ]


def _facts(view: LinkView) -> dict[str, Any]:
    locale = PHRASES.locale_of(view.language)
    days = {
        "next_retry": view.next_retry_at,
        "last_day": view.last_day,
        "paid_on": view.paid_at,
    }
    return {
        "language": PHRASES.language_of(view.language),
        "merchant": one_line(view.merchant_name),
        "amount": show_money(view.amount_minor, view.currency, locale) if view.is_of_debt else "",
        "plan": one_line(view.plan or ""),
        "invoice": one_line(view.invoice_number or ""),
        "several": len(view.owed) > 1,
        "after_end": view.after_end,
        "restart": f"mailto:{quote(view.restart_to, safe='@')}" if view.restart_to else "",
        "needs": view.needs if f"open.button.{view.needs}" in PHRASES.keys("en") else "pay",
    } | {name: show_day(day, view.time_zone, locale) if day else "" for name, day in days.items()}
