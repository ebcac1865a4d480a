"""Real SMTP servers that answer as a test wants them to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class Host:
    """Takes mail, and answers one command (`MAIL`, `RCPT`, `DATA`) with `answer` instead of yes.

    `drop` ends the connection there: before the answer, but after the body where it is `DATA`.
    `after_s` lets that answer wait so many seconds.
    """

    def __init__(
        self, at: str = "", answer: str = "", drop: bool = False, after_s: float = 0.0
    ) -> None:
        self.at, self.answer, self.drop, self.after_s = at, answer, drop, after_s
        self.taken: list[Envelope] = []
        self.bodies = 0

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        await self._slowly("MAIL")
        return self._said(server, "MAIL")

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        await self._slowly("RCPT")
        return self._said(server, "RCPT")

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.bodies += 1
        said = self._said(server, "DATA")
        if said.startswith("250"):
            self.taken.append(envelope)
        await self._slowly("DATA")
        return said

    async def _slowly(self, command: str) -> None:
        if command == self.at:
            await asyncio.sleep(self.after_s)

    def _said(self, server: SMTP, command: str) -> str:
        if command != self.at:
            return "250 yes"
        if self.drop:
            hang_up(server)
        return self.answer or "250 yes"


def hang_up(talk: SMTP) -> None:
    """End a connection at once, as a crash would."""
    if talk.transport is not None:  # of no class of asyncio's where the loop is uvloop's
        cast("asyncio.Transport", talk.transport).abort()


@asynccontextmanager
async def running(host: Host, **options: Any) -> AsyncIterator[int]:
    """The server on a free port of this machine, in the test's own loop; the port."""
    loop = asyncio.get_running_loop()
    talks: list[SMTP] = []

    def talk() -> SMTP:
        talks.append(SMTP(host, hostname="mail.test", loop=loop, **options))
        return talks[-1]

    server = await loop.create_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in talks:
            hang_up(each)
        await server.wait_closed()
        await asyncio.sleep(0)  # the aborted connections are closed in the next turn of the loop


def knows(user: str, password: str) -> dict[str, Any]:
    """The options of a server that lets one user in."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        right = given.login == user.encode() and given.password == password.encode()
        return AuthResult(success=right)

    return {
        "authenticator": check,
        "auth_required": True,
        "auth_require_tls": False,
        "auth_exclude_mechanism": ["LOGIN"],
    }
