"""Recovered revenue: from the signed sums of its ledger by kind to what figures tell of it."""

from app.domain.recovery import EntryKind
from app.ports.figures import FlowSums, Keys, RecoveredSums


def recovered_of(sums: FlowSums) -> RecoveredSums:
    """What one group of the ledger's lines comes to; what was taken back is positive here."""

    def minor(*names: EntryKind) -> int:
        return sum(sums.kinds.get(name, (0, 0))[1] for name in names)

    return RecoveredSums(
        keys=Keys(
            period=sums.period,
            currency=sums.currency,
            cause=sums.named.get("cause"),
            plan=sums.named.get("plan"),
            interval=sums.named.get("interval"),
        ),
        recovered_minor=minor(EntryKind.RECOVERED),
        settled_other_minor=minor(EntryKind.SETTLED_OTHER),
        credited_minor=minor(EntryKind.CREDITED, EntryKind.CREDIT_VOIDED),
        refunded_minor=-minor(EntryKind.REFUNDED, EntryKind.REFUND_FAILED),
        dispute_lost_minor=-minor(EntryKind.DISPUTE_LOST),
        dispute_won_minor=minor(EntryKind.DISPUTE_WON),
        discounts_minor=sums.kinds.get("discount", (0, 0))[1],
    )
