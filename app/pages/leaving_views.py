"""What the page of somebody who leaves says: from a session to HTML, in the customer's language."""

from collections.abc import Sequence
from typing import Any

from app.domain.reasons import said
from app.domain.sessions import SessionState
from app.pages.views import Page, fill, preferred
from app.services.cancelling import Outlook
from app.services.exits import SessionView
from app.words.leaving import PHRASES, Tongue, choice_named, foretold, screen_of

TEMPLATE = "leaving.html.j2"
ASKS_WORDS = ("feedback",)


def step_page(view: SessionView, *, token: str, root: str = "") -> Page:
    """The screen a session is at. To cancel is possible on each that has no outcome yet."""
    tongue = _tongue(view)
    shown = screen_of(view.session, view.step, view.request, tongue)
    asks: dict[str, Any] = {
        "reasons": _reasons(view) if shown.name == "survey" else [],
        "words": shown.name in ASKS_WORDS,
        "step": view.step.id,
        "open": view.session.state is SessionState.OPEN,
        "may": view.may,
    }
    return _page(tongue, token, root, screen=shown, **asks)


def confirm_page(view: SessionView, seen: Outlook, *, token: str, root: str = "") -> Page:
    """What each end would do, and the button that is the word."""
    tongue, alone = _tongue(view), len(seen.previews) == 1
    ends = [
        {
            "choice": told.choice,
            "label": choice_named(told, tongue, alone=alone),
            "says": foretold(told, tongue),
        }
        for told in seen.previews
    ]
    heading = tongue.say("confirm.heading")
    screen = {"name": "confirm", "heading": heading, "says": [], "rows": []}
    return _page(tongue, token, root, screen=screen, ends=ends, open=True)


def trouble_page(accept_language: str, *, token: str, root: str = "") -> Page:
    """Something did not answer; one may try again. It counts once."""
    return _told("trouble", accept_language, token=token, root=root, status=503)


def over_page(accept_language: str, *, root: str = "") -> Page:
    """No such session, or none that counts any more."""
    return _told("over", accept_language, token="", root=root, status=404)


def _tongue(view: SessionView) -> Tongue:
    language = view.session.language
    return Tongue(language=language, time_zone=view.time_zone, merchant=view.merchant_name)


def _reasons(view: SessionView) -> list[dict[str, str | None]]:
    language = PHRASES.language_of(view.session.language)
    return [
        {"id": row.id, "label": row.label(language), "asks": said(row.follow_up, language)}
        for row in view.flow.reasons
    ]


def _told(kind: str, accept_language: str, *, token: str, root: str, status: int) -> Page:
    tongue = Tongue(language=preferred(accept_language), time_zone="UTC")
    says: Sequence[str] = [tongue.say(f"{kind}.lead")]
    screen = {"name": kind, "heading": tongue.say(f"{kind}.heading"), "says": says, "rows": []}
    return _page(tongue, token, root, screen=screen, status=status)


NOTHING: dict[str, Any] = {
    "reasons": [], "words": False, "step": "", "open": False, "may": (), "ends": [],
}  # fmt: skip


def _page(tongue: Tongue, token: str, root: str, *, status: int = 200, **facts: Any) -> Page:
    told = NOTHING | facts
    language = PHRASES.language_of(tongue.language)
    here = f"{root}/c/{token}"
    html = fill(
        TEMPLATE, root=root, language=language, say=tongue.say, merchant=tongue.merchant,
        here=here, **told,
    )  # fmt: skip
    return Page(html=html, status=status)
