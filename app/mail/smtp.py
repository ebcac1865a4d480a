"""Mail to a server, and what its answers mean for sending again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from aiosmtplib import SMTP
from aiosmtplib.errors import SMTPAuthenticationError, SMTPException, SMTPResponseException

from app.domain.messages import Mail
from app.mail.compose import compose, plain_address
from app.mail.naming import OwnName
from app.ports.clock import Clock
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown

# RFC 5321 4.5.3.2 would wait ten minutes for the answer after the body; a worker's job may not.
CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 45.0
DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
FIRST_NO, FIRST_PERMANENT, PAST_NO = 400, 500, 600


class BadSmtpUrl(ValueError):
    """`SMTP_URL` names no server we can talk to. The text never has the password in it."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail goes. `start_tls` None means: if the server offers it."""

    host: str
    port: int
    tls: bool
    start_tls: bool | None
    user: str | None
    password: str | None

    @classmethod
    def of(cls, url: str) -> "Server":
        """`smtp://`, `smtps://` or `smtp+starttls://`, with `user:password@`, a port, and
        `?starttls=always|auto|never` (auto). A password is never sent in the clear except to
        this machine. Raises `BadSmtpUrl`."""
        try:
            parts = urlsplit(url)
            port = parts.port or DEFAULT_PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise BadSmtpUrl("SMTP_URL begins with smtp://, smtps:// or smtp+starttls://") from None
        if not parts.hostname:
            raise BadSmtpUrl("SMTP_URL has no host")
        wanted = parse_qs(parts.query).get("starttls", ["auto"])[-1]
        if wanted not in {"always", "auto", "never"}:
            raise BadSmtpUrl("starttls is always, auto or never")
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        must = parts.scheme == "smtp+starttls" or wanted == "always"
        must = must or (bool(parts.username) and parts.scheme == "smtp" and not local)
        return cls(
            host=parts.hostname,
            port=port,
            tls=parts.scheme == "smtps",
            start_tls=False if parts.scheme == "smtps" or wanted == "never" else must or None,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class SmtpMailer:
    """`ports.mailer.Mailer` over SMTP, a connection for each mail."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        answer_s: float = ANSWER_SECONDS,
        name: OwnName | None = None,
    ) -> None:
        """Raises `BadSmtpUrl`. `answer_s` is how long an answer may take, in seconds; `name` is
        what we call ourselves."""
        self._server, self._name = Server.of(url), name or OwnName()
        self._clock = clock
        self._answer_s = answer_s

    async def send(self, mail: Mail) -> None:
        """Hand over one mail.

        Raises:
            MailRefused: a 5xx answer to sender, recipient or body, or an address that is none.
            MailDeferred: a 4xx answer, or no conversation that came as far as the body.
            MailUnknown: the body was on its way and no answer came.
        """
        content = compose(mail, at=self._clock.now())
        async with self._connected() as client:
            try:
                await self._envelope(client, mail)
            except SMTPResponseException as answer:
                raise _as_said(answer) from answer
            except (SMTPException, OSError) as lost:
                raise MailDeferred(f"no answer before the body: {type(lost).__name__}") from lost
            try:
                await client.data(content, timeout=self._answer_s)
            except SMTPResponseException as answer:
                raise _after_the_body(answer) from answer
            except (SMTPException, OSError) as lost:
                raise MailUnknown(f"no answer after the body: {type(lost).__name__}") from lost

    async def _envelope(self, client: SMTP, mail: Mail) -> None:
        await client.mail(plain_address(mail.sender), timeout=self._answer_s)
        await client.rcpt(plain_address(mail.recipient), timeout=self._answer_s)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[SMTP]:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=server.start_tls,
            username=server.user,
            password=server.password,
            local_hostname=await self._name.known(),
            timeout=min(CONNECT_SECONDS, self._answer_s),
        )
        try:
            await client.connect()
        except (SMTPException, OSError) as failed:
            client.close()
            said = "login refused" if isinstance(failed, SMTPAuthenticationError) else "no server"
            raise MailDeferred(f"{said}: {type(failed).__name__}") from failed
        try:
            yield client
        finally:
            await _goodbye(client)


async def _goodbye(client: SMTP) -> None:
    """What happens to the connection after the answer changes nothing about the mail."""
    try:
        if client.is_connected:
            await client.quit(timeout=2.0)
    except (SMTPException, OSError):
        client.close()


def _after_the_body(answer: SMTPResponseException) -> MailRefused | MailDeferred | MailUnknown:
    """Only a proper no is one: gibberish after the body may have been meant as a yes."""
    if FIRST_NO <= answer.code < PAST_NO:
        return _as_said(answer)
    return MailUnknown(f"no understandable answer after the body: {answer.code}")


def _as_said(answer: SMTPResponseException) -> MailRefused | MailDeferred:
    """5xx is for good, everything else asks to come back (421 too)."""
    said = f"{answer.code} {answer.message}"[:200]
    return MailRefused(said) if answer.code >= FIRST_PERMANENT else MailDeferred(said)
