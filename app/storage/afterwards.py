"""Letters after somebody left: the switch, the permission, the answer, what was put right."""

from app.domain.afterwards import AfterLetters, ExitFeedback, MailPermission, MendedReason
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import check, index, refers, table_of

AFTER_LETTERS = table_of(
    AfterLetters,
    "after_letters",
    refers(MERCHANT, "merchants"),
    check("after_letters_waits", "feedback_hours >= 1 and before_end_days >= 1"),
)
MAIL_PERMISSIONS = table_of(
    MailPermission,
    "mail_permissions",
    refers(ACCOUNT, "provider_accounts"),
)
MENDED_REASONS = table_of(
    MendedReason,
    "mended_reasons",
    refers(MERCHANT, "merchants"),
    index("mended_reasons_by_reason", "merchant_id reason at"),
)
EXIT_FEEDBACK = table_of(
    ExitFeedback,
    "exit_feedback",
    refers(ACCOUNT, "provider_accounts"),
    refers("request_id", "cancel_requests"),
    index("exit_feedback_by_time", "merchant_id at request_id"),
)
