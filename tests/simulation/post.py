"""The ports that are simple: letters kept in a list, secrets kept open, nobody woken."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.domain.messages import Letter, Look, Mail, Rendered, Wording
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown
from app.ports.outgoing import Response
from tests.simulation.machine import Machine, acted

MOODS = (MailDeferred, MailRefused, MailUnknown, MailUnknown)


@dataclass
class Post:
    """Mailer, renderer and client of merchants' addresses. `watch` is told of each mail that
    left; `away_until` is when the mail server answers again."""

    machine: Machine
    watch: Callable[[Mail], None] = lambda _: None
    mails: list[Mail] = field(default_factory=list)
    away_until: float = 0.0

    async def send(self, mail: Mail) -> None:
        """Deliver, or be in a bad mood: before the mail left or after it."""
        machine = self.machine
        acted()
        await machine.point("mailing", 0.3)
        self._is_there()
        if machine.happens(machine.weather.mail):
            mood = machine.draw.choice(MOODS)
            if mood is MailUnknown and machine.happens(0.5):
                self._leaves(mail)
            machine.log("mail", mood.__name__, mail.body.subject)
            raise mood("the server's mood")
        self._leaves(mail)
        await machine.point("mailed", 0.3)

    def _is_there(self) -> None:
        machine = self.machine
        if machine.happens(machine.weather.mail_away):
            hours = machine.draw.choice((1, 30, 100))
            self.away_until = machine.loop.time() + hours * 3600
            machine.log("the mail server is away for", hours, "h")
        if machine.loop.time() < self.away_until:
            raise MailDeferred("no connection")

    def _leaves(self, mail: Mail) -> None:
        self.machine.log("mail", mail.body.subject, "to", mail.recipient)
        self.mails.append(mail)
        self.watch(mail)

    def render(self, letter: Letter) -> Rendered:
        """The template's name and, as text, the link."""
        return Rendered(subject=letter.template, text=letter.link or "", html="")

    def sample(self, template: str, language: str, wording: Wording | None, look: Look) -> Rendered:
        return Rendered(subject=template, text="", html="")

    def require_good(self, template: str, language: str, wording: Wording) -> None:
        return None

    def short(self, letter: Letter) -> str:
        return letter.template

    def why_not(self, url: str) -> str | None:
        return None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        acted()
        await asyncio.sleep(0)
        return Response(status=200, ms=1, text=str(len(orjson.loads(body))))


class Open:
    """Sealer and tokens without a secret."""

    def seal(self, plain: str) -> str:
        return f"sealed:{plain}"

    def open(self, sealed: str) -> str:
        return sealed.removeprefix("sealed:")

    def link(self, *parts: str) -> str:
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()

    def known(self, *parts: str) -> tuple[str, ...]:
        return (self.link(*parts),)


class NoWake:
    async def now(self) -> None:
        """Nobody is told: the workers look by themselves."""


def unused() -> Any:
    """A port that no history comes near."""
    return None
