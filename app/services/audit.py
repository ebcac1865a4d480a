"""The audit log: who did what to what, before and after. Written in the change's transaction."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from app.domain.ids import derive_id
from app.domain.operations import AuditEntry
from app.domain.personal import PRIVATE
from app.domain.records import Record

HIDDEN = frozenset(
    {
        "api_key_sealed",
        "webhook_secrets_sealed",
        "secrets_sealed",
        "material_sealed",
        "secret_hash",
        "assignment_key",
        "report_secret_sealed",
        "sms_secret_sealed",
    }
)


def audit(
    *,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    after: Record,
    before: Record | None = None,
) -> AuditEntry:
    """The line of one change. Secrets, sealed or hashed, are left out of both sides, and so is who
    somebody is: the line stays when they are erased."""
    return AuditEntry(
        audit_id=derive_id("audit", at, actor, action, subject, repr(before), repr(after)),
        merchant_id=after.merchant_id,
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        before=None if before is None else _shown(before),
        after=_shown(after),
    )


def _shown(record: Any) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(record).items()
        if name not in HIDDEN and name not in PRIVATE.get(type(record), ()) and value is not None
    }
