"""Offers that are kept elsewhere: a person, a page, something of the merchant's own. What came of
them is reported back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlsplit

from app.domain.changes import Step
from app.domain.documents import Field, OrNull, Text
from app.domain.offers.common import NAME, Facts, Kind, Limits, Why

# What stays as it is; anything else is sent by its percents, as browsers do.
AS_IT_IS = "!#$%&()*+,-./:;=?@[]_~"
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
LONGEST_SENT = 2000


def sent_as(url: str) -> str | None:
    """An address in ASCII, as customers are sent there; None for one that nobody is sent to: no
    plain name of a host (one beyond ASCII is written `xn--…`: there are two ways to do that, and
    they lead to different owners), a user in it, or too long."""
    try:
        sent = quote(url, safe=AS_IT_IS)
        parts = urlsplit(sent)
        port = parts.port
    except ValueError:
        return None
    plain = HOST.fullmatch(parts.hostname or "") is not None and "@" not in parts.netloc
    fits = parts.scheme == "https" and plain and port != 0 and len(sent) <= LONGEST_SENT
    return sent if fits else None


class Address(Text):
    """A page that customers can be sent to."""

    def fits(self, value: Any) -> bool:
        """Whether it is one."""
        return Text.fits(self, value) and sent_as(value) is not None


URL = Address(
    500,
    "^https://[^\\s\\u0000-\\u001f]+$",
    "an address that begins with https://, its host in ASCII (`xn--…`),",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere(Kind):
    """Nothing changes at the provider, and a planned end stands until somebody takes it back."""

    gives: ClassVar = False
    offer_id: str
    limits: Limits

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        own = {one.name: terms.get(one.name) for one in cls.fields}
        return cls(offer_id=offer_id, limits=limits, **own)

    def refusal(self, facts: Facts) -> Why | None:
        """Nothing."""
        return None

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Elsewhere):
    """Talk to a person."""

    kind: ClassVar = "contact"
    fields: ClassVar = (
        Field("url", OrNull(URL), None, "Where to find one; null: somebody gets in touch."),
    )
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(Elsewhere):
    """See a page."""

    kind: ClassVar = "redirect"
    fields: ClassVar = (Field("url", URL, None, "Which page.", needed=True),)
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom(Elsewhere):
    """Something of the merchant's own."""

    kind: ClassVar = "custom"
    fields: ClassVar = (Field("name", NAME, None, "What the merchant calls it.", needed=True),)
    name: str
