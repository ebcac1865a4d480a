"""A folder in place of a mail server, for the demo: mail is kept there and can be looked at."""

import hashlib
import os
from asyncio import to_thread
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from app.domain.messages import Mail
from app.mail.compose import READING, compose
from app.ports.clock import Clock
from app.ports.mailbox import KeptMail
from app.ports.mailer import MailDeferred

SUFFIX = ".eml"
# A mailbox that knows no Date (an unreadable file) sorts it last.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class MailboxMailer:
    """`ports.mailer.Mailer` that writes each mail once into `<folder>/new`.

    The name of a file is made of the message's id, and a file is linked into place whole or not
    at all: sent again, after a crash or by two workers, the mail is still there once.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """Keep one mail. Raises `MailRefused` as a server would, `MailDeferred` when the folder
        cannot be written."""
        content = compose(mail, at=self._clock.now())
        try:
            await to_thread(_keep, self._folder, _name_of(mail.message_id), content)
        except OSError as failed:
            raise MailDeferred(f"the mailbox cannot be written: {failed.strerror}") from failed


class FolderMailbox:
    """`ports.mailbox.Mailbox` over the folder of a `MailboxMailer`. A mail never changes, so each
    is read from the disk once."""

    def __init__(self, folder: Path) -> None:
        self._new = folder / "new"
        self._read: dict[str, KeptMail] = {}

    async def names(self) -> list[str]:
        """Newest first; mails of one instant by recipient and subject, not by when they came."""
        found = await to_thread(_listed, self._new)
        mails = [mail for name in found if (mail := await self.read(name))]
        mails.sort(key=lambda mail: (mail.recipient, mail.subject))
        mails.sort(key=lambda mail: mail.at, reverse=True)
        return [mail.name for mail in mails]

    async def read(self, name: str) -> KeptMail | None:
        """One mail; None where there is none of this name, whatever the name tries to be."""
        if name not in self._read:
            content = await to_thread(_content, self._new, name)
            if content is None:
                return None
            self._read[name] = _kept(name, content)
        return self._read[name]


def _name_of(message_id: str) -> str:
    return hashlib.sha256(message_id.encode()).hexdigest()[:32]


def _keep(folder: Path, name: str, content: bytes) -> None:
    for part in ("tmp", "new"):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / "tmp" / f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
    draft.write_bytes(content)
    try:
        os.link(draft, folder / "new" / f"{name}{SUFFIX}")
    except FileExistsError:
        return  # this message was kept before
    finally:
        draft.unlink()


def _listed(new: Path) -> list[str]:
    return [path.stem for path in new.glob(f"*{SUFFIX}")] if new.is_dir() else []


def _content(new: Path, name: str) -> bytes | None:
    if not name.isalnum():
        return None
    try:
        return (new / f"{name}{SUFFIX}").read_bytes()
    except (FileNotFoundError, ValueError):
        return None


def _kept(name: str, content: bytes) -> KeptMail:
    read = BytesParser(EmailMessage, policy=READING).parsebytes(content)
    date = read["Date"]
    return KeptMail(
        name=name,
        at=date.datetime.astimezone(UTC) if date and date.datetime else NEVER,
        sender=str(read["From"]),
        recipient=str(read["To"]),
        subject=str(read["Subject"]),
        language=str(read["Content-Language"] or "en"),
        text=_part(read, "plain"),
        html=_part(read, "html"),
        headers=tuple((key, str(value)) for key, value in read.items()),
    )


def _part(read: EmailMessage, kind: str) -> str:
    part = read.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""
