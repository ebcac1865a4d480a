"""Letters out."""

from typing import Protocol

from app.domain.messages import Letter, Look, Mail, Rendered, Wording


class MailRefused(Exception):
    """The server refused this mail for good (5xx, bad address); it certainly did not go."""


class MailDeferred(Exception):
    """The server asked to come back (4xx, no connection) before it took anything."""


class MailUnknown(Exception):
    """The connection was lost after the body left: it may have gone. Never resend."""


class BadWording(Exception):
    """A merchant's wording that may not be used: `part` is subject, heading or body."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(f"{part}: {why}")
        self.part, self.why = part, why


class Renderer(Protocol):
    def render(self, letter: Letter) -> Rendered:
        """Subject, text and HTML of a letter. Raises `TemplateFault` where a template is broken."""
        ...

    def sample(self, template: str, language: str, wording: Wording | None, look: Look) -> Rendered:
        """A letter with made-up facts, to look at. Raises `TemplateFault`."""
        ...

    def require_good(self, template: str, language: str, wording: Wording) -> None:
        """Try a wording with golden and hostile facts. Raises `BadWording`."""
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
