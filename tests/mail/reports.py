"""Reports about mail for tests."""

from dataclasses import replace
from typing import Any

from app.domain.correspondence import ReportKind
from app.ports.mail_reports import MailReport
from tests.mail.letters import NOW


def a_report(**changes: Any) -> MailReport:
    report = MailReport(
        ref="rep_1", kind=ReportKind.BOUNCED, recipient="ada@example.com", at=NOW, detail="no box"
    )
    return replace(report, **changes)
