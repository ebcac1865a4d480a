"""What failed and what came back, once more: invoice by invoice."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from app.domain.dunning import Attempt, CaseEvent
from app.domain.first_payments import FirstPayment
from app.domain.recovery import EntryKind, Failure, RecoveryEntry
from app.domain.redemptions import Redemption, RedemptionState
from app.domain.takings import Taking
from tests.reports.second.facts import DAY, Asked, Cell, Facts, Row, share, starts

K = EntryKind
MOVES = {"active", "parked", "recovered", "exhausted", "stopped"}
DEFAULT_W = 30


def recovered_revenue(facts: Facts, asked: Asked) -> Iterator[Row]:
    sums: dict[Cell, dict[EntryKind, int]] = defaultdict(lambda: dict.fromkeys(K, 0))
    for entry in facts.known(RecoveryEntry, asked.as_of):
        period = asked.period_of(entry.occurred_at)
        if period and asked.wants(entry.currency):
            cell = (period, entry.currency, *asked.keys(entry))
            sums[cell][entry.kind] += entry.amount_minor
    discounts = _discounts(facts, asked)
    for cell in {*sums, *discounts}:
        kinds = sums[cell]
        row = {
            "recovered_minor": kinds[K.RECOVERED],
            "settled_other_minor": kinds[K.SETTLED_OTHER],
            "credited_minor": kinds[K.CREDITED] + kinds[K.CREDIT_VOIDED],
            "refunded_minor": -kinds[K.REFUNDED] - kinds[K.REFUND_FAILED],
            "dispute_lost_minor": -kinds[K.DISPUTE_LOST],
            "dispute_won_minor": kinds[K.DISPUTE_WON],
        }
        net = row["recovered_minor"] - row["refunded_minor"]
        net += row["dispute_won_minor"] - row["dispute_lost_minor"]
        more = {"net_minor": net, "discounts_minor": discounts[cell]}
        yield _cells(asked, cell) | row | more


def _discounts(facts: Facts, asked: Asked) -> dict[Cell, int]:
    """What offers cost that took effect, by the day they did; of no cause."""
    found: dict[Cell, int] = defaultdict(int)
    for one in facts.all(Redemption):
        at, applied = one.settled_at, one.state is RedemptionState.APPLIED
        if at is None or at > asked.as_of or not applied or not asked.wants(one.currency):
            continue
        if period := asked.period_of(at):
            found[period, one.currency, *asked.keys(one, cause=None)] += one.cost_minor
    return found


def _cells(asked: Asked, cell: Cell) -> Row:
    return dict(zip(("period", "currency", *asked.by), cell, strict=True))


def failures_at(facts: Facts, as_of: datetime) -> list[Failure]:
    """Of each failed invoice what is known of it."""
    newest: dict[tuple[str, str], Failure] = {}
    for failure in sorted(facts.known(Failure, as_of), key=lambda one: one.version):
        newest[failure.account_id, failure.invoice_id] = failure
    return list(newest.values())


def is_automatic(failure: Failure) -> bool:
    """Invoices that are sent, and those of nothing, are not charged automatically."""
    return failure.exclusion not in {"send_invoice", "zero_amount"}


def case_state(facts: Facts, case_id: str, at: datetime) -> str:
    """Where a case stood then; one of which nothing is told is active."""
    moves = [
        move
        for move in facts.all(CaseEvent)
        if move.case_id == case_id and move.at <= at and move.type in MOVES
    ]
    return max(moves, key=lambda m: (m.at, m.seq, m.event_id)).type if moves else "active"


def is_open(facts: Facts, case_id: str, at: datetime) -> bool:
    return case_state(facts, case_id, at) in {"active", "parked"}


def owed_on(facts: Facts, failure: Failure, as_of: datetime) -> int:
    """What is neither settled nor credited of what had failed."""
    settles = {K.RECOVERED, K.SETTLED_OTHER, K.CREDITED, K.CREDIT_VOIDED}
    paid = sum(e.amount_minor for e in entries_of(facts, failure, as_of) if e.kind in settles)
    return max(failure.amount_minor - paid, 0)


def entries_of(facts: Facts, failure: Failure, as_of: datetime) -> list[RecoveryEntry]:
    return [
        entry
        for entry in facts.known(RecoveryEntry, as_of)
        if (entry.account_id, entry.invoice_id) == (failure.account_id, failure.invoice_id)
        and entry.currency == failure.currency
    ]


def is_mature(failure: Failure, asked: Asked, days: int) -> bool:
    """Whether all of the day it failed on is more than so many days old."""
    day = failure.failed_at.astimezone(asked.zone).date()
    return starts(day + DAY, asked.zone) + days * DAY <= asked.as_of


def within(facts: Facts, failure: Failure, as_of: datetime, days: int) -> tuple[int, int, int]:
    """Cash, what else settled, and credits within so many days: together at most what failed."""
    in_time = [
        entry
        for entry in entries_of(facts, failure, as_of)
        if entry.occurred_at <= failure.failed_at + timedelta(hours=24 * days)
    ]

    def told(*kinds: EntryKind) -> int:
        return sum(entry.amount_minor for entry in in_time if entry.kind in kinds)

    cash = min(told(K.RECOVERED), failure.amount_minor)
    other = min(told(K.SETTLED_OTHER), failure.amount_minor - cash)
    noted = max(told(K.CREDITED, K.CREDIT_VOIDED), 0)
    return cash, other, min(noted, failure.amount_minor - cash - other)


def recovery_rate(facts: Facts, asked: Asked) -> Iterator[Row]:
    days, view = int(asked.more.get("w", DEFAULT_W)), asked.more.get("view", "mature")
    sums: dict[Cell, Row] = {}
    for failure in failures_at(facts, asked.as_of):
        if not is_automatic(failure):
            continue
        period = asked.period_of(failure.failed_at)
        owed = owed_on(facts, failure, asked.as_of)
        case = failure.case_id
        is_undecided = owed > 0 and case is not None and is_open(facts, case, asked.as_of)
        if period is None or not asked.wants(failure.currency):
            continue
        if view == "mature" and not is_mature(failure, asked, days):
            continue
        if view == "closed" and is_undecided:
            continue
        cash, other, credited = within(facts, failure, asked.as_of, days)
        excluded = failure.exclusion is not None
        cell = (period, failure.currency, *asked.keys(failure), failure.trial_conversion)
        _add(
            sums.setdefault(cell, {}),
            n=1,
            n_open=int(is_undecided),
            n_excluded=int(excluded),
            failed_minor=failure.amount_minor,
            recovered_within_w_minor=cash,
            settled_other_within_w_minor=other,
            credited_within_w_minor=credited,
            open_minor=owed if is_undecided else 0,
            excluded_minor=failure.amount_minor if excluded else 0,
        )
    for cell, row in sums.items():
        failed = row["failed_minor"]
        row["rate"] = share(row["recovered_within_w_minor"], failed)
        row["open_share"] = share(row["open_minor"], failed)
        yield _cells(asked, cell[:-1]) | {"trial_conversion": cell[-1]} | row


def _add(row: Row, **counts: int) -> None:
    for name, count in counts.items():
        row[name] = row.get(name, 0) + count


def reconciliation(facts: Facts, asked: Asked) -> Iterator[Row]:
    """Invoices about which ledger and provider differ; `all_sides` has each."""
    for row in all_sides(facts, asked):
        if row["ledger_recovered_minor"] != row["provider_paid_minor"] or (
            row["ledger_refunded_minor"] != row["provider_refunded_minor"]
        ):
            yield row


def all_sides(facts: Facts, asked: Asked) -> Iterator[Row]:
    for failure in failures_at(facts, asked.as_of):
        counts = failure.exclusion is None and asked.wants(failure.currency)
        if not counts or not asked.begins <= failure.failed_at < asked.ends:
            continue
        entries = entries_of(facts, failure, asked.as_of)
        takings = [
            taking
            for taking in facts.known(Taking, asked.as_of)
            if (taking.account_id, taking.invoice_id) == (failure.account_id, failure.invoice_id)
            and taking.currency == failure.currency
            and taking.occurred_at > failure.failed_at
        ]
        yield {
            "account": failure.account_id,
            "invoice": failure.invoice_id,
            "currency": failure.currency,
            "ledger_recovered_minor": sum(e.amount_minor for e in entries if e.kind is K.RECOVERED),
            "provider_paid_minor": sum(taking.paid_minor for taking in takings),
            "ledger_refunded_minor": -sum(e.amount_minor for e in entries if e.kind is K.REFUNDED),
            "provider_refunded_minor": sum(taking.refunded_minor for taking in takings),
        }


def sides_in_all(facts: Facts, asked: Asked) -> Iterator[Row]:
    """The same of all invoices, by currency, and of how many they differ."""
    different = [(row["account"], row["invoice"]) for row in reconciliation(facts, asked)]
    sums: dict[str, Row] = {}
    for side in all_sides(facts, asked):
        amounts = {name: side[name] for name in side if name.endswith("_minor")}
        differs = (side["account"], side["invoice"]) in different
        row = sums.setdefault(side["currency"], {"currency": side["currency"]})
        _add(row, n_invoices=1, n_differences=int(differs), **amounts)
    yield from sums.values()


def payment_failures(facts: Facts, asked: Asked) -> Iterator[Row]:
    """Of each invoice its first automatic payment: refused, or through at once."""
    sums: dict[Cell, Row] = {}
    for row, minor, refused, named in _first_attempts(facts, asked):
        period = asked.period_of(row.failed_at if refused else row.paid_at)
        if period is None or not asked.wants(row.currency):
            continue
        cell = (period, row.currency, *asked.keys(row, **named))
        _add(
            sums.setdefault(cell, {}),
            n_attempts=1,
            n_failed=int(refused),
            attempted_minor=minor,
            failed_minor=minor if refused else 0,
        )
    wholes: dict[Cell, Row] = {}
    for cell, row in sums.items():
        _add(wholes.setdefault(_of_all_kinds(asked, cell), {}), **row)
    for cell, row in sums.items():
        whole = wholes[_of_all_kinds(asked, cell)]
        yield (
            _cells(asked, cell)
            | row
            | {
                "failure_rate": share(row["n_failed"], whole["n_attempts"]),
                "failed_share": share(row["failed_minor"], whole["attempted_minor"]),
            }
        )


def _of_all_kinds(asked: Asked, cell: Cell) -> Cell:
    names = ("period", "currency", *asked.by)
    return tuple(value for name, value in zip(names, cell, strict=True) if name != "decline_kind")


def _first_attempts(
    facts: Facts, asked: Asked
) -> Iterator[tuple[Any, int, bool, dict[str, str | None]]]:
    refused = set()
    for failure in failures_at(facts, asked.as_of):
        refused.add((failure.account_id, failure.invoice_id))
        if not is_automatic(failure):
            continue
        first = first_refusal(facts, failure, asked.as_of)
        named = {
            "decline_kind": first.refused_as if first else None,
            "network": first.refused_brand if first else None,
        }
        yield failure, failure.amount_minor, True, named
    for paid in facts.known(FirstPayment, asked.as_of):
        if (paid.account_id, paid.invoice_id) not in refused:
            brand = _brand(facts, paid, asked.as_of)
            yield paid, paid.amount_minor, False, {"decline_kind": None, "network": brand}


def first_refusal(facts: Facts, failure: Failure, as_of: datetime) -> Attempt | None:
    """The first attempt of its case, once it was told that and why it was refused."""
    for one in facts.all(Attempt):
        is_first = one.case_id == failure.case_id and one.number == 1
        if is_first and one.refused_at is not None and one.refused_at <= as_of:
            return one
    return None


def _brand(facts: Facts, paid: FirstPayment, as_of: datetime) -> str | None:
    """The card that was told of first, of what was paid on the invoice."""
    told = [
        taking
        for taking in facts.known(Taking, as_of)
        if (taking.account_id, taking.invoice_id) == (paid.account_id, paid.invoice_id)
        and taking.brand is not None
        and taking.paid_minor > 0
    ]
    first = min(told, key=lambda one: (one.recorded_at, one.taking_id), default=None)
    return first.brand if first else None
