"""Mail from a finished letter: every header ours, whatever the names in it try."""

import hashlib
import re
from binascii import b2a_qp
from collections import Counter
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from app.domain.addresses import ENCODED_WORD, sendable
from app.domain.messages import Mail
from app.ports.mailer import MailRefused
from app.words.plain import one_line

OUR_ID = re.compile(r"[A-Za-z0-9_.-]{1,120}", re.ASCII)
EXTRA_NAME = re.compile(r"(?:X|List)-[A-Za-z0-9-]{1,60}", re.ASCII)


class Headers(HeaderRegistry):
    """Headers made once for each text. Making one is most of the work of a mail, and types,
    senders and dates say the same again and again; what is made is never changed."""

    def __init__(self) -> None:
        super().__init__()
        self._made = lru_cache(4096)(super().__call__)

    def __call__(self, name: str, value: Any) -> BaseHeader:
        return self._made(name, value) if isinstance(value, str) else super().__call__(name, value)


POLICY = SMTP.clone(header_factory=Headers())
READING = SMTPUTF8.clone(header_factory=Headers())
PART = (
    'Content-Type: text/{}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
)


def compose(mail: Mail, *, at: datetime) -> bytes:
    """The mail as the bytes that are sent: both parts, the same bytes each time it is asked.

    Names and subjects lose what could end a header or start another; a sender's name that needs
    it is left out altogether. What comes out is read back and must have exactly our headers and
    our one recipient.

    Args:
        at: the instant for its Date header.

    Raises:
        MailRefused: an address is not one plain address, or the mail does not read back as meant.
    """
    boundary = _boundary(mail)
    message = EmailMessage(policy=POLICY)
    headers = [
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
        *_headers(mail, at),
    ]
    try:
        for name, value in headers:
            message[name] = value
        head = b"".join(POLICY.fold_binary(name, made) for name, made in message.raw_items())
    except (UnicodeError, ValueError) as broken:
        raise MailRefused(f"the mail cannot be written: {broken}") from broken
    parts = (_part("plain", mail.body.text), _part("html", mail.body.html))
    line = f"--{boundary}".encode()
    sent = b"\r\n".join(
        [head, *(part for each in parts for part in (line, each)), line + b"--\r\n"]
    )
    _read_back(sent, mail, Counter(name.lower() for name, _ in headers))
    return sent


def plain_address(text: str) -> str:
    """`text` with its domain in ASCII if it is one address without a name, comment or quotes.

    Raises `MailRefused`: better no mail than one to somebody else.
    """
    address = sendable(text)
    if address is None:
        raise MailRefused("not one plain mail address")
    return address


def harmless(text: str, *, longest: int = 200) -> str:
    """One line without control characters and without the start of an encoded word."""
    line = one_line(text, longest=longest)
    while ENCODED_WORD in line:
        line = line.replace(ENCODED_WORD, "")
    return line


def _headers(mail: Mail, at: datetime) -> list[tuple[str, str | Address]]:
    sender = plain_address(mail.sender)
    if not OUR_ID.fullmatch(mail.message_id):
        raise MailRefused("the message id has characters that do not belong there")
    headers: list[tuple[str, str | Address]] = [
        ("From", Address(display_name=_display(mail.sender_name), addr_spec=sender)),
        ("To", Address(addr_spec=plain_address(mail.recipient))),
        ("Subject", harmless(mail.body.subject)),
        ("Date", format_datetime(at)),
        ("Message-ID", f"<{mail.message_id}@{sender.rpartition('@')[2]}>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
    ]
    if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", mail.language):
        headers.append(("Content-Language", mail.language))
    if mail.reply_to:
        headers.append(("Reply-To", Address(addr_spec=plain_address(mail.reply_to))))
    return headers + [_extra(name, value) for name, value in mail.headers]


def _extra(name: str, value: str) -> tuple[str, str]:
    if not EXTRA_NAME.fullmatch(name):
        raise MailRefused(f"the header {name[:40]!r} is not ours to set")
    return name, harmless(value, longest=500)


def _display(name: str) -> str:
    """A sender's name, or nothing where the name tries to be more than one."""
    line = one_line(name, longest=80)
    hostile = line != name.strip() or ENCODED_WORD in line or re.search(r'[<>@",;:\\]', line)
    return "" if hostile else line


def _encoded(text: str) -> bytes:
    """Whatever the text came from: what cannot be encoded is left out."""
    return text.encode("utf-8", "replace")


def _part(kind: str, text: str) -> bytes:
    """A part with its headers. Python's own writer takes ten times as long, and its lines are two
    longer than the 76 that quoted-printable allows."""
    plain = b"\r\n".join([*_encoded(text).splitlines(), b""])
    return PART.format(kind).encode() + b2a_qp(plain, istext=True)


def _boundary(mail: Mail) -> str:
    content = f"{mail.message_id}\0{mail.body.text}\0{mail.body.html}"
    return "=_" + hashlib.sha256(_encoded(content)).hexdigest()[:40]


def _read_back(sent: bytes, mail: Mail, expected: Counter[str]) -> None:
    """Raise `MailRefused` unless a stranger reads exactly our headers, recipient and two parts."""
    read = BytesParser(policy=READING).parsebytes(sent)
    recipients = [a.addr_spec for a in read["To"].addresses] if read["To"] else []
    parts = [part.get_content_type() for part in read.iter_parts()]
    if Counter(name.lower() for name in read.keys()) != expected:  # noqa: SIM118
        raise MailRefused("the mail would carry headers that are not ours")
    if recipients != [plain_address(mail.recipient)]:
        raise MailRefused("the mail would go to somebody else")
    if parts != ["text/plain", "text/html"] or read.defects:
        raise MailRefused("the mail would not be read as text and HTML")
