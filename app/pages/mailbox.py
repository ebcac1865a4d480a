"""The demo's mailbox: the mails that would have left, newest first."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from app.pages.headers import LETTER, page
from app.pages.views import fill
from app.ports.mailbox import KeptMail, Mailbox
from app.words.formats import show_minute

PER_PAGE = 50


def mailbox_router(mailbox: Mailbox, *, root: str = "") -> APIRouter:
    """`/demo/mailbox`, `/demo/mailbox/{name}` and the letter itself in a frame of its own.

    The letter is an answer of its own rather than `srcdoc`, because a `srcdoc` frame shares the
    page's Content-Security-Policy and the page would have to allow what only the letter needs.
    """
    router = APIRouter(include_in_schema=False, prefix="/demo/mailbox")

    @router.get("")
    async def overview(before: int = 0) -> Response:
        names = await mailbox.names()
        start = max(0, before)
        mails = [await mailbox.read(name) for name in names[start : start + PER_PAGE]]
        older = start + PER_PAGE if start + PER_PAGE < len(names) else None
        newer = max(0, start - PER_PAGE) if start else None
        shown = [_line(mail) for mail in mails if mail]
        facts = {"mails": shown, "total": len(names), "older": older, "newer": newer}
        return page(fill("mailbox.html.j2", root=root, **facts))

    @router.get("/{name}")
    async def one(name: str) -> Response:
        mail = await mailbox.read(name)
        if mail is None:
            return PlainTextResponse("There is no such mail.", 404)
        return page(fill("mail.html.j2", root=root, mail=_line(mail), text=mail.text))

    @router.get("/{name}/letter")
    async def letter(name: str) -> Response:
        mail = await mailbox.read(name)
        if mail is None:
            return PlainTextResponse("There is no such mail.", 404)
        return page(mail.html, csp=LETTER)

    return router


def _line(mail: KeptMail) -> dict[str, object]:
    """A mail as plain values for a template."""
    return {
        "name": mail.name,
        "at": show_minute(mail.at, "UTC", "en-GB"),
        "instant": mail.at.isoformat(),
        "sender": mail.sender,
        "recipient": mail.recipient,
        "subject": mail.subject,
        "language": mail.language,
        "headers": mail.headers,
    }
