"""What mail providers report of mails that they took."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.correspondence import ReportKind


class UnknownProvider(Exception):
    """There is no such provider of reports."""


class BadProof(Exception):
    """The request does not prove that it comes from the merchant's mail provider."""


class BadReport(Exception):
    """The request is proven, but it is not a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailReport:
    """One report. `ref` is the provider's own id of it, `message_id` ours where the mail was
    recognised, `detail` the reason in the provider's words."""

    ref: str
    kind: ReportKind
    recipient: str
    at: datetime
    message_id: str | None = None
    detail: str | None = None


class MailReports(Protocol):
    def read(
        self,
        provider: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        secret: str,
        now: datetime,
    ) -> list[MailReport]:
        """The reports in a request; none where it tells of something that concerns us not.

        `headers` have names in lower case. Raises `UnknownProvider`, `BadProof`, `BadReport`.
        """
        ...
