"""Offers and saves, once more: acceptance by acceptance."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.redemptions import Redemption, RedemptionState
from app.domain.saves import Rung, SaveStep
from app.domain.takings import Taking
from tests.reports.second.facts import Asked, Cell, Facts, Row, share

RUNGS = {
    Rung.DEFLECTED_24H: "deflected_24h",
    Rung.SAVED_30D: "saved_30d",
    Rung.SAVED_90D: "saved_90d",
}


def offers(facts: Facts, asked: Asked) -> Iterator[Row]:
    by = asked.by or ("offer",)
    sums: dict[Cell, Row] = {}
    for one in facts.all(Redemption):
        period = asked.period_of(one.claimed_at)
        if period is None or not asked.wants(one.currency) or one.claimed_at > asked.as_of:
            continue
        named = {"offer": one.offer_id, "offer_kind": one.kind, "reason": one.given_reason}
        named["currency"] = one.currency
        named |= {"plan": one.plan, "interval": one.interval}
        settled = one.settled_at is not None and one.settled_at <= asked.as_of
        applied = settled and one.state is RedemptionState.APPLIED
        row = sums.setdefault((period, one.currency, *(named[k] for k in by)), _no_offer())
        row["n_accepted"] += 1
        row["n_applied"] += int(applied)
        row["n_failed"] += int(settled and one.state is RedemptionState.FAILED)
        row["cost_minor"] += one.cost_minor if applied else 0
        row["retained_minor"] += _kept(facts, one, asked.as_of) if applied else 0
    for step in facts.known(SaveStep, asked.as_of):
        period = asked.period_of(step.begun_at)
        if period is None or not asked.wants(step.currency) or step.offer_id is None:
            continue
        named = {"offer": step.offer_id, "offer_kind": step.offer_kind, "reason": step.reason}
        named["currency"] = step.currency
        named |= {"plan": step.plan, "interval": step.interval}
        row = sums.setdefault((period, step.currency, *(named[k] for k in by)), _no_offer())
        if step.rung is Rung.SAVED_30D:
            row["n_judged_30d"] += 1
            row["n_saved_30d"] += int(step.kept)
            row["saved_mrr_minor"] += step.mrr_minor if step.kept else 0
        if step.rung is Rung.SAVED_90D:
            row["n_saved_90d"] += int(step.kept)
    for cell, row in sums.items():
        row["save_rate_30d"] = share(row["n_saved_30d"], row["n_judged_30d"])
        yield dict(zip(("period", "currency", *by), cell, strict=True)) | row


def _no_offer() -> Row:
    counts = ("accepted", "applied", "failed", "judged_30d", "saved_30d", "saved_90d")
    amounts = ("cost_minor", "saved_mrr_minor", "retained_minor")
    return dict.fromkeys((*(f"n_{name}" for name in counts), *amounts), 0)


def _kept(facts: Facts, one: Redemption, as_of: datetime) -> int:
    """Cash of the ninety days behind the acceptance, by the provider's whole seconds, for which
    this offer was the latest."""
    ends = one.claimed_at + timedelta(days=90)
    return sum(
        taking.paid_minor - taking.refunded_minor + taking.came_back_minor
        for taking in facts.known(Taking, as_of)
        if _latest_before(facts, taking, as_of) is one and taking.occurred_at <= ends
    )


def _latest_before(facts: Facts, taking: Taking, as_of: datetime) -> Redemption | None:
    """The last offer that the subscription had accepted, and got, when the money came."""
    applied = [
        one
        for one in facts.all(Redemption)
        if one.state is RedemptionState.APPLIED
        and one.settled_at is not None
        and one.settled_at <= as_of
        and (one.account_id, one.subscription_id) == (taking.account_id, taking.subscription_id)
        and one.currency == taking.currency
        and one.claimed_at.replace(microsecond=0) <= taking.occurred_at
    ]
    return max(applied, key=lambda one: (one.claimed_at, one.redemption_id), default=None)


def saves(facts: Facts, asked: Asked) -> Iterator[Row]:
    sums: dict[Cell, Row] = {}
    for step in facts.known(SaveStep, asked.as_of):
        period = asked.period_of(step.begun_at)
        if period is None or not asked.wants(step.currency):
            continue
        row = sums.setdefault((period, step.currency, *asked.keys(step)), _no_save())
        if step.rung is Rung.ABANDONED:
            row["n_abandoned"] += 1
            row["abandoned_mrr_minor"] += step.mrr_minor
        elif step.rung is Rung.ACCEPTED:
            row["n_accepted"] += 1
            row["accepted_mrr_minor"] += step.mrr_minor
            row["cost_minor"] += step.cost_minor
        else:
            rung = RUNGS[step.rung]
            row[f"n_{rung}"] += int(step.kept)
            row[f"n_{rung}_lost"] += int(not step.kept)
            row[f"{rung}_mrr_minor"] += step.mrr_minor if step.kept else 0
    for cell, row in sums.items():
        for rung in RUNGS.values():
            judged = row[f"n_{rung}"] + row[f"n_{rung}_lost"]
            row[f"n_{rung}_open"] = row["n_accepted"] - judged
            row[f"{rung}_rate"] = share(row[f"n_{rung}"], judged)
        yield dict(zip(("period", "currency", *asked.by), cell, strict=True)) | row


def _no_save() -> Row:
    names = ["n_accepted", "accepted_mrr_minor", "cost_minor", "n_abandoned", "abandoned_mrr_minor"]
    for rung in RUNGS.values():
        names += [f"n_{rung}", f"n_{rung}_lost", f"{rung}_mrr_minor"]
    return dict.fromkeys(names, 0)
