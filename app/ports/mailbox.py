"""A look into the mailbox that stands in for a mail server in the demo."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMail:
    """A mail as it was kept. `name` is its stable name in the mailbox; `at` its Date header."""

    name: str
    at: datetime
    sender: str
    recipient: str
    subject: str
    language: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]


class Mailbox(Protocol):
    async def names(self) -> list[str]:
        """The mails there are, newest first, in an order that depends on their content alone."""
        ...

    async def read(self, name: str) -> KeptMail | None:
        """One mail; None where there is none of this name."""
        ...
