"""Ends and why, what may be lost, what was gained, what becomes of MRR: once more, one by one."""

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from app.domain.churn import ChurnEntry, ChurnRecord
from app.domain.dunning import Attempt, Case
from app.domain.experiments import Assignment
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.openings import RETRY_EXPERIMENT
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.takings import Taking
from tests.reports.builders import LATER
from tests.reports.second.churning import band_of, tenure_of
from tests.reports.second.facts import Asked, Cell, Facts, Row, share, starts, value_of
from tests.reports.second.leaving import counts, losses, moved, states
from tests.reports.second.recovery import failures_at, is_mature, is_open, owed_on, within

E = ChurnEntry
PLACE = ("plan", "interval", "country")


def _ends(facts: Facts, asked: Asked, by: tuple[str, ...]) -> dict[Cell, Row]:
    """Ends that were not told wrong, by their day, and returns, by theirs."""
    known = facts.known(ChurnRecord, asked.as_of)
    wrong = {record.about for record in known if record.entry is E.RESTATED}
    sums: dict[Cell, Row] = defaultdict(lambda: {"ended": 0, "returned": 0, "minor": 0})
    for record in known:
        period = asked.period_of(record.occurred_at)
        if not period or not counts(record) or not asked.wants(record.currency):
            continue
        cell = (period, record.currency, *(_key(record, name) for name in by))
        if record.entry is E.CHURNED and record.record_id not in wrong:
            sums[cell]["ended"] += 1
            sums[cell]["minor"] += record.mrr_minor
        if record.entry is E.REVERSED:
            sums[cell]["returned"] += 1
    return sums


def _key(record: ChurnRecord, name: str) -> Any:
    if name == "kind_of_end":
        return record.kind
    if name == "tenure":
        return None if record.tenure_days is None else tenure_of(record.tenure_days)
    if name == "mrr_band":
        return band_of(abs(record.mrr_minor))
    if name == "while_past_due":
        return str(record.while_past_due).lower()
    return value_of(record, name) or None


def _whole(sums: dict[Cell, Row], cell: Cell, name: str) -> int:
    return sum(row[name] for other, row in sums.items() if other[:2] == cell[:2])


def churn_reasons(facts: Facts, asked: Asked) -> Iterator[Row]:
    by = asked.by or ("reason",)
    sums = _ends(facts, asked, by)
    for cell, row in sums.items():
        yield dict(zip(("period", "currency", *by), cell, strict=True)) | {
            "n_ended": row["ended"],
            "ended_minor": row["minor"],
            "share": share(row["ended"], _whole(sums, cell, "ended")),
            "mrr_share": share(row["minor"], _whole(sums, cell, "minor")),
        }


def segments(facts: Facts, asked: Asked) -> Iterator[Row]:
    by = asked.by or ("plan",)
    sums = _ends(facts, asked, by)
    for cell, row in sums.items():
        yield dict(zip(("period", "currency", *by), cell, strict=True)) | {
            "n_ended": row["ended"],
            "n_returned": row["returned"],
            "ended_minor": row["minor"],
            "share": share(row["ended"], _whole(sums, cell, "ended")),
            "mean_minor": row["minor"] // row["ended"] if row["ended"] else None,
        }


def at_risk(facts: Facts, asked: Asked) -> Iterator[Row]:
    """Each subscription that has MRR anywhere: whether it owes, and whether it will end."""
    each: dict[Cell, int] = defaultdict(int)
    for line in facts.known(MrrMovement, asked.as_of):
        place = (line.currency, line.plan, line.interval, line.country)
        each[line.account_id, line.subscription_id, place] += line.delta_minor
    all_mrr, sums = states(facts, asked, None, by=()), dict[Cell, Row]()
    for (account, name, place), minor in each.items():
        unpaid = [(c, f) for c, f in _unpaid(facts, asked) if _is_of(c, account, name)]
        ending = any(_is_of(plan, account, name) for plan in _plans(facts, asked))
        if minor <= 0 or not (unpaid or ending) or not asked.wants(place[0]):
            continue
        kinds = sorted(c.decline_kind for c, _ in unpaid if c.decline_kind)
        named = dict(zip(PLACE, place[1:], strict=True))
        named |= {"decline_kind": kinds[0] if kinds else None, "currency": place[0]}
        row = sums.setdefault((place[0], *(named[key] for key in asked.by)), _no_risk())
        owed = sum(owed_on(facts, f, asked.as_of) for _, f in unpaid if f.currency == place[0])
        for kind, holds in (
            ("at_risk", bool(unpaid)),
            ("ending", ending),
            ("both", bool(unpaid) and ending),
        ):
            row[f"n_{kind}"] += int(holds)
            row[f"{kind}_minor"] += minor if holds else 0
        row["owed_minor"] += owed
    for cell, row in sums.items():
        row["at_risk_share"] = share(row["at_risk_minor"], all_mrr[(cell[0],)].minor)
        yield dict(zip(("currency", *asked.by), cell, strict=True)) | row


def _no_risk() -> Row:
    kinds = ("at_risk", "ending", "both")
    counts = dict.fromkeys((f"n_{kind}" for kind in kinds), 0)
    return counts | dict.fromkeys((f"{kind}_minor" for kind in (*kinds, "owed")), 0)


def _is_of(row: Any, account: str, name: str) -> bool:
    return bool((row.account_id, row.subscription_id) == (account, name))


def _unpaid(facts: Facts, asked: Asked) -> Iterator[tuple[Case, Failure]]:
    """Open cases of failures that were known."""
    known = {(f.account_id, f.invoice_id): f for f in failures_at(facts, asked.as_of)}
    for case in facts.all(Case):
        failure = known.get((case.account_id, case.invoice_id))
        if failure and case.kind == "payment" and is_open(facts, case.case_id, asked.as_of):
            yield case, failure


def _plans(facts: Facts, asked: Asked) -> Iterator[ChurnRecord]:
    """Planned ends that nothing took back or carried out."""
    known = facts.known(ChurnRecord, asked.as_of)
    over = {record.about for record in known}
    for record in known:
        if record.entry is E.PENDING and record.record_id not in over:
            yield record


Sums = dict[str, list[int]]


def incremental(facts: Facts, asked: Asked) -> Iterator[Row]:
    days = int(asked.more.get("w", "30"))
    arms: dict[str, dict[str, dict[str, list[tuple[int, int]]]]] = {}
    for failure in failures_at(facts, asked.as_of):
        if failure.case_id is None or failure.trial_conversion:
            continue
        in_span = asked.begins <= failure.failed_at < asked.ends
        if not in_span or not is_mature(failure, asked, days) or not asked.wants(failure.currency):
            continue
        cash, _, _ = within(facts, failure, asked.as_of, days)
        for drawn in facts.all(Assignment):
            if drawn.unit == failure.case_id and drawn.experiment == RETRY_EXPERIMENT:
                who = drawn.customer_id or f"nobody known: {drawn.unit}"
                arm = arms.setdefault(failure.currency, {}).setdefault(drawn.arm, {})
                arm.setdefault(who, []).append((failure.amount_minor, cash))
    for currency, found in arms.items():
        treated, holdout = (list(found.get(arm, {}).values()) for arm in ("treated", "holdout"))
        yield {"currency": currency, **_effect(treated, holdout)}


Customers = list[list[tuple[int, int]]]


def _effect(treated: Customers, holdout: Customers) -> Row:
    (failed, cash), (failed_h, cash_h) = _total(treated), _total(holdout)
    n, n_h = sum(map(len, treated)), sum(map(len, holdout))
    row: Row = {
        "n_treated": n,
        "n_holdout": n_h,
        "failed_treated_minor": failed,
        "rate_treated": share(cash, failed),
        "rate_holdout": share(cash_h, failed_h),
        **dict.fromkeys(("incremental_minor", "low_minor", "high_minor", "more_invoices")),
    }
    fewer = min(len(treated), len(holdout))
    if fewer < 100:
        return row | {"more_invoices": math.ceil(Fraction((100 - fewer) * (n + n_h), fewer or 1))}
    difference = Fraction(cash, failed) - Fraction(cash_h, failed_h)
    half = _half(treated, holdout)
    return row | {
        "incremental_minor": round(difference * failed),
        "low_minor": round((float(difference) - half) * failed),
        "high_minor": round((float(difference) + half) * failed),
    }


def _total(customers: Customers) -> tuple[int, int]:
    every = [pair for pairs in customers for pair in pairs]
    return sum(failed for failed, _ in every), sum(cash for _, cash in every)


def _half(treated: Customers, holdout: Customers) -> float:
    """Half of the confidence sequence of Waudby-Smith et al., each customer an observation, the
    rate a ratio of two sums (delta method), narrowest for 2,000 of them."""
    variance = 0.0
    for customers in (treated, holdout):
        failed, cash = _total(customers)
        for pairs in customers:
            f, c = _total([pairs])
            variance += (c - cash / failed * f) ** 2 / failed**2
    t = len(treated) + len(holdout)
    rho2 = (-2 * math.log(0.05) + math.log(-2 * math.log(0.05)) + 1) / 2_000
    grown = t * rho2 + 1
    sigma = math.sqrt(t * variance)
    return sigma * math.sqrt(2 * grown / (t**2 * rho2) * math.log(math.sqrt(grown) / 0.05))


def projection(facts: Facts, asked: Asked) -> Iterator[Row]:
    more = asked.more
    now = states(facts, asked, None, by=())
    begins = {currency: state.minor for (currency,), state in now.items()}
    if "start_minor" in more and asked.currency:
        begins = {asked.currency: int(more["start_minor"])}
    for currency, start in begins.items():
        churn = _lost_lately(facts, asked, currency)
        if "churn" in more:
            churn = Fraction(more["churn"]) / 100
        source = "unknown" if churn is None else "given" if "churn" in more else "measured"
        told: Row = {"currency": currency, "churn_from": source}
        told["churn"] = None if churn is None else share(churn, 1)
        for month in range(1, int(more.get("months", "12")) + 1):
            yield told | {"month": month} | _projected(start, churn, month, more)


def _projected(start: int, churn: Fraction | None, month: int, more: dict[str, str]) -> Row:
    if churn is None:
        return dict.fromkeys(("usual_minor", "reduced_minor", "gain_minor"))
    less = churn * (1 - Fraction(more.get("reduction", "0")) / 100)
    usual, reduced = (math.floor(start * (1 - c) ** month + Fraction(1, 2)) for c in (churn, less))
    return {"usual_minor": usual, "reduced_minor": reduced, "gain_minor": reduced - usual}


def _lost_lately(facts: Facts, asked: Asked, currency: str) -> Fraction | None:
    """Of the last three whole months: ended and contracted, of what they began with."""
    day = asked.as_of.astimezone(asked.zone).date().replace(day=1)
    begins, ends = (starts(_back(day, months), asked.zone) for months in (3, 0))
    about = Asked(asked.zone, asked.as_of, begins, ends, currency=currency)
    ended, began, gone = losses(facts, about).ended, 0, 0
    for span in about.periods():
        began += sum(state.minor for state in states(facts, about, span.begins).values())
        for moves in moved(facts, about, span).values():
            gone -= sum(moves[MovementKind.CONTRACTION])
            began += sum(moves[MovementKind.OPENING])
        gone += sum(x.minor for x in ended if span.has(x.at) and not x.joined_in(span))
    return None if began <= 0 else min(max(Fraction(gone, began), Fraction(0)), Fraction(1))


def _back(day: date, months: int) -> date:
    for _ in range(months):
        day = (day - timedelta(days=1)).replace(day=1)
    return day


def known_from(facts: Facts) -> list[datetime]:
    """When anything became known: the cut-offs at which most may go wrong."""
    ledgers: tuple[type[Any], ...] = (MrrMovement, ChurnRecord, Failure, RecoveryEntry, Taking)
    written = {row.recorded_at for ledger in ledgers for row in facts.all(ledger)}
    written |= {one.refused_at for one in facts.all(Attempt) if one.refused_at is not None}
    return sorted(at for at in written if at < LATER)
