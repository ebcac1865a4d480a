"""Letters out."""

from typing import Protocol

from app.domain.messages import Letter, Mail, Rendered


class MailRefused(Exception):
    """The server refused this mail for good (5xx, bad address); it certainly did not go."""


class MailDeferred(Exception):
    """The server asked to come back (4xx, no connection) before it took anything."""


class MailUnknown(Exception):
    """The connection was lost after the body left: it may have gone. Never resend."""


class Renderer(Protocol):
    def render(self, letter: Letter) -> Rendered:
        """Subject, text and HTML of a letter. Raises `TemplateFault` where a template is broken."""
        ...

    def short(self, letter: Letter) -> str:
        """The letter as one short text. Raises `TemplateFault`, also where there is none."""
        ...


class TemplateFault(Exception):
    """A template cannot be rendered; the message is parked, the case's money goes on."""


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Hand over one mail. Raises `MailRefused`, `MailDeferred` or `MailUnknown`."""
        ...
