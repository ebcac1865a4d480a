"""What the page of somebody who leaves says: from a session to HTML, in the customer's language."""

from collections.abc import Sequence
from typing import Any

from app.domain.cancellations import Preview
from app.domain.reasons import said
from app.domain.sessions import SessionState
from app.pages.views import Page, fill, preferred
from app.services.cancelling import Outlook
from app.services.exits import SessionView
from app.words.leaving import PHRASES, Screen, Tongue, choice_named, foretold, screen_of

TEMPLATE = "leaving.html.j2"


def step_page(view: SessionView, *, token: str, root: str = "") -> Page:
    """The screen a session is at. To cancel is possible on each that has no outcome yet."""
    tongue = _tongue(view)
    shown = screen_of(
        view.session,
        view.step,
        view.request,
        tongue,
        view.usage,
        view.accepted,
        waits=view.waits,
    )
    asks: dict[str, Any] = {
        "reasons": _reasons(view) if shown.name == "survey" else [],
        "asks": view.step.asks if shown.name == "feedback" else (),
        "step": view.step.id,
        "open": view.session.state is SessionState.OPEN,
        "may": view.may,
    }
    return _page(tongue, token, root, screen=shown, **asks)


def confirm_page(
    view: SessionView, seen: Outlook, *, token: str, root: str = "", changed: bool = False
) -> Page:
    """What each end would do, and the button that is the word; `changed`: it was something else
    when it was told last."""
    tongue = _tongue(view)
    screen = _of_ends("confirm", tongue, changed=changed)
    return _ends_page(screen, seen.previews, tongue, token=token, root=root)


def withdraw_page(
    view: SessionView, told: Preview, *, token: str, root: str = "", changed: bool = False
) -> Page:
    """What withdrawing from the contract would do, and the button that does it."""
    tongue = _tongue(view)
    screen = _of_ends("withdraw", tongue, changed=changed)
    return _ends_page(screen, (told,), tongue, token=token, root=root)


def _of_ends(name: str, tongue: Tongue, *, changed: bool) -> Screen:
    says = [tongue.say("confirm.changed")] if changed else []
    return Screen(name=name, heading=tongue.say(f"{name}.heading"), says=says, rows=[])


def _ends_page(
    screen: Screen, previews: Sequence[Preview], tongue: Tongue, *, token: str, root: str
) -> Page:
    ends = [
        {
            "choice": told.choice,
            "told": told.mark,
            "label": choice_named(told, tongue, alone=len(previews) == 1),
            "says": foretold(told, tongue),
        }
        for told in previews
    ]
    return _page(tongue, token, root, screen=screen, ends=ends, open=True, deed=screen.name)


def trouble_page(accept_language: str, *, token: str, root: str = "") -> Page:
    """Something did not answer; one may try again. It counts once."""
    return _told("trouble", accept_language, token=token, root=root, status=503)


def busy_page(accept_language: str, *, token: str, root: str = "") -> Page:
    """Opened too often within a minute; nothing was done."""
    return _told("busy", accept_language, token=token, root=root, status=429)


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
    lead = [tongue.say(f"{kind}.lead")]
    screen = Screen(name=kind, heading=tongue.say(f"{kind}.heading"), says=lead, rows=[])
    return _page(tongue, token, root, screen=screen, status=status)


NOTHING: dict[str, Any] = {
    "reasons": [], "asks": (), "step": "", "open": False, "may": (), "ends": [], "deed": "",
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
