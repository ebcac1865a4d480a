"""What a mail server answers decides whether a mail may ever be sent again."""

import asyncio
import socket
from dataclasses import dataclass
from datetime import datetime
from threading import Event

import pytest

from app.mail.naming import OwnName
from app.mail.smtp import BadSmtpUrl, Server, SmtpMailer
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown
from tests.mail.letters import NOW, a_mail
from tests.mail.servers import Host, knows, running
from tests.processes.site import until

pytestmark = pytest.mark.anyio
FULL_NAME = "worker-7.kelpworks.example"


@dataclass
class At:
    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


def a_mailer(port: int, *, login: str = "", answer_s: float = 2.0) -> SmtpMailer:
    return SmtpMailer(f"smtp://{login}127.0.0.1:{port}", clock=At(), answer_s=answer_s)


async def test_a_mail_arrives_once_with_its_one_recipient():
    host = Host()
    async with running(host) as port:
        await a_mailer(port).send(a_mail())

    [taken] = host.taken
    assert taken.mail_from == "billing@kelpworks.example"
    assert taken.rcpt_tos == ["ada@example.com"]
    assert "Message-ID: <msg_0192f3a0@kelpworks.example>" in str(taken.content)


async def is_known(name: OwnName, text: str) -> bool:
    return await name.known() == text


async def test_a_resolver_that_hangs_is_asked_once_and_holds_up_no_mail():
    # given a machine whose resolver does not answer
    answers, asked = Event(), list[str]()

    def hangs() -> str:
        asked.append("name")
        answers.wait(30)
        return FULL_NAME

    host = Host()
    async with running(host) as port:
        name = OwnName(hangs, within_s=0.1)
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", clock=At(), answer_s=2.0, name=name)

        # when two mails leave
        async with asyncio.timeout(5):
            await mailer.send(a_mail())
            await mailer.send(a_mail())
            before = await name.known()

            # and it answers at last
            answers.set()
            await until(lambda: is_known(name, FULL_NAME))

    # then both are there, and the next will be by the full name
    assert (len(host.taken), asked) == (2, ["name"])
    assert before == socket.gethostname()


@pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ("550 no such user", MailRefused),
        ("554 no", MailRefused),
        ("450 later", MailDeferred),
        ("421 closing", MailDeferred),
        ("452 full", MailDeferred),
    ],
)
async def test_a_no_is_for_good_or_for_now(at, answer, meaning):
    host = Host(at, answer)
    async with running(host) as port:
        with pytest.raises(meaning):
            await a_mailer(port).send(a_mail())

    assert host.taken == []


@pytest.mark.parametrize("at", ["MAIL", "RCPT"])
async def test_a_connection_lost_before_the_body_may_be_tried_again(at):
    host = Host(at, drop=True)
    async with running(host) as port:
        with pytest.raises(MailDeferred):
            await a_mailer(port).send(a_mail())

    assert host.bodies == 0


async def test_a_connection_lost_after_the_body_is_unknown():
    host = Host("DATA", drop=True)
    async with running(host) as port:
        with pytest.raises(MailUnknown):
            await a_mailer(port).send(a_mail())

    assert host.bodies == 1


async def test_a_yes_that_comes_when_nobody_waits_any_more_is_unknown():
    # given a server that takes the mail, and says so only after our patience has ended
    host = Host("DATA", after_s=0.4)
    async with running(host) as port:
        with pytest.raises(MailUnknown):
            await a_mailer(port, answer_s=0.1).send(a_mail())

    # then the mail is there: it must never be sent again
    assert len(host.taken) == 1


@pytest.mark.parametrize("at", ["MAIL", "RCPT"])
async def test_a_server_too_slow_before_the_body_may_be_tried_again(at):
    host = Host(at, after_s=0.4)
    async with running(host) as port:
        with pytest.raises(MailDeferred):
            await a_mailer(port, answer_s=0.1).send(a_mail())

    assert host.bodies == 0


async def test_an_answer_nobody_understands_after_the_body_is_unknown():
    async with running(Host("DATA", "what was that?")) as port:
        with pytest.raises(MailUnknown):
            await a_mailer(port).send(a_mail())


async def test_nobody_at_home_is_for_now():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))

        with pytest.raises(MailDeferred):
            await a_mailer(nobody.getsockname()[1]).send(a_mail())


async def test_a_bad_address_is_refused_before_anybody_is_called():
    with pytest.raises(MailRefused):
        await a_mailer(1).send(a_mail(recipient="ada@example.com\r\nRCPT TO:<x@example.org>"))


# The server of aiosmtpd warns that a login without TLS is unsafe: here nothing leaves the machine.
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_the_password_of_the_url_opens_the_door():
    host = Host()
    async with running(host, **knows("ada", "p@ss")) as port:
        await a_mailer(port, login="ada:p%40ss@").send(a_mail())

    assert len(host.taken) == 1


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_a_wrong_password_is_no_mails_fault():
    async with running(Host(), **knows("ada", "right")) as port:
        with pytest.raises(MailDeferred):
            await a_mailer(port, login="ada:wrong@").send(a_mail())


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "start_tls"),
    [
        ("smtp://mail.example.com", "mail.example.com", 25, False, None),
        ("smtp://mail.example.com:2525?starttls=never", "mail.example.com", 2525, False, False),
        ("smtp://mail.example.com?starttls=always", "mail.example.com", 25, False, True),
        ("smtp+starttls://mail.example.com", "mail.example.com", 587, False, True),
        ("smtp://a:b@mail.example.com", "mail.example.com", 25, False, True),
        ("smtp://a:b@localhost", "localhost", 25, False, None),
        ("smtps://a:b@mail.example.com", "mail.example.com", 465, True, False),
    ],
)
def test_a_url_says_how_to_talk(url, host, port, tls, start_tls):
    server = Server.of(url)

    assert (server.host, server.port, server.tls) == (host, port, tls)
    assert server.start_tls is start_tls


@pytest.mark.parametrize(
    "url",
    ["", "http://x", "smtp://", "smtp://h:99999", "smtp://u:secret@h:x", "smtp://h?starttls=no"],
)
def test_a_url_that_names_no_server_is_named_without_its_password(url):
    with pytest.raises(BadSmtpUrl) as said:
        SmtpMailer(url, clock=At())

    assert "secret" not in str(said.value)
