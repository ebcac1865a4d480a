"""How a merchant writes and to whom no longer: letterhead, channels, own wordings, suppressions."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from app.domain.messages import Look, Wording


class Channel(StrEnum):
    """The ways a message may take."""

    MAIL = "mail"
    SMS = "sms"


class ReportKind(StrEnum):
    """What a mail provider reports of a mail that it took."""

    BOUNCED = "bounced"
    SOFT_BOUNCED = "soft_bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


class SuppressionReason(StrEnum):
    """Why nothing is sent to an address. `UNSUBSCRIBED` concerns courtesy letters alone."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What a merchant's letters look like. `colour` is `#rrggbb`, in lower case; addresses of
    the web are https. `manage_url` is where a customer sees, changes and cancels."""

    KEY: ClassVar = ("merchant_id",)
    UNIQUE: ClassVar = ()
    merchant_id: str
    colour: str | None = None
    logo_url: str | None = None
    support: str | None = None
    postal_address: str | None = None
    manage_url: str | None = None

    @property
    def look(self) -> Look:
        """The same for a letter."""
        return Look(
            colour=self.colour,
            logo_url=self.logo_url,
            support=self.support,
            postal_address=self.postal_address,
            manage_url=self.manage_url,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """A merchant's ways out besides mail, and who hears what happens to mail. All off until set.

    Secrets are sealed. `report_secret_sealed` proves reports about mail, `sms_secret_sealed` goes
    to the SMS gateway; `alert_address` and `alert_url` are told of alerts.
    """

    KEY: ClassVar = ("merchant_id",)
    UNIQUE: ClassVar = ()
    merchant_id: str
    report_secret_sealed: str | None = None
    sms_on: bool = False
    sms_url: str | None = None
    sms_sender: str | None = None
    sms_secret_sealed: str | None = None
    alert_address: str | None = None
    alert_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """A merchant's wording of one letter in one language. The highest version counts; a withdrawn
    one means that ours is used again. Written once, never changed."""

    KEY: ClassVar = ("merchant_id", "template", "language", "version")
    UNIQUE: ClassVar = ()
    merchant_id: str
    template: str
    language: str
    version: int
    subject: str = ""
    heading: str = ""
    body: str = ""
    withdrawn: bool = False
    created_at: datetime
    created_by: str

    @property
    def wording(self) -> Wording | None:
        """The words for a letter; None where ours are used."""
        if self.withdrawn:
            return None
        return Wording(subject=self.subject, heading=self.heading, body=self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvent:
    """What became of a mail after it left, as its provider reports it. Told twice it is one. Only
    whom it was about may be overwritten, when they are erased."""

    KEY: ClassVar = ("event_id",)
    UNIQUE: ClassVar = (("merchant_id", "provider", "provider_ref"),)
    event_id: str
    merchant_id: str
    provider: str
    provider_ref: str
    kind: ReportKind
    recipient: str
    message_id: str | None = None
    detail: str | None = None
    at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address nothing is sent to, until it is lifted. `recipient` is in lower case; of somebody
    who was erased it is what stands for the address, and holds for it all the same."""

    KEY: ClassVar = ("suppression_id",)
    UNIQUE: ClassVar = (("merchant_id", "channel", "recipient", "reason"),)
    suppression_id: str
    merchant_id: str
    channel: Channel = Channel.MAIL
    recipient: str
    reason: SuppressionReason
    detail: str | None = None
    at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None


def folded(recipient: str) -> str:
    """An address as suppressions compare it."""
    return recipient.strip().lower()


def spellings(recipient: str) -> tuple[str, ...]:
    """An address in every form that suppressions may have it in: as it was written, and with its
    domain in ASCII, as mail goes out and is reported on, or in its own script."""
    plain = folded(recipient)
    local, at, domain = plain.rpartition("@")
    found = [plain]
    for other in (_in_ascii, _in_its_script) if at else ():
        with suppress(UnicodeError):
            found.append(f"{local}@{other(domain)}")
    return tuple(dict.fromkeys(found))


def _in_ascii(domain: str) -> str:
    return domain.encode("idna").decode("ascii")


def _in_its_script(domain: str) -> str:
    return domain.encode("ascii").decode("idna")


def suppressed_by(
    suppressions: "list[Suppression]", recipient: str, *, courtesy: bool = False
) -> SuppressionReason | None:
    """Why nothing may go to this address, or None. Who unsubscribed from courtesy letters still
    gets those that the law or a debt asks for."""
    for row in suppressions:
        mine = row.recipient == folded(recipient) and row.lifted_at is None
        if mine and (courtesy or row.reason is not SuppressionReason.UNSUBSCRIBED):
            return row.reason
    return None
