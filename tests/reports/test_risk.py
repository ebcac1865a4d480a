"""What may be lost, what was gained, what becomes of MRR; and first payments refused."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.churn import ChurnEntry
from app.domain.declines import DeclineKind
from app.domain.dunning import CaseState
from app.domain.mrr import MovementKind as M
from app.storage.rollups import PostgresRollups
from tests.reports.builders import (
    JAN_1,
    MERCHANT,
    case,
    churned,
    day,
    entry,
    failure,
    held_out,
    moved,
    movement,
    paid_at_once,
    record_id,
    refused,
    taking,
)
from tests.reports.conftest import Ledger
from tests.reports.month import month

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}


async def test_at_risk_is_what_is_unpaid_and_apart_what_will_end(ledger: Ledger) -> None:
    # given four subscriptions of 100.00: one unpaid, one ending, one both, one neither
    rows: list[Any] = [
        movement(10_000, M.OPENING, at=JAN_1, subscription_id=f"sub_{n}") for n in range(4)
    ]
    rows += [
        case("in_1", subscription_id="sub_0"),
        failure(12_500, case_id="case_in_1", subscription_id="sub_0"),
        entry(500, case_id="case_in_1"),
        case("in_2", subscription_id="sub_2"),
        failure(500, invoice="in_2", case_id="case_in_2", subscription_id="sub_2"),
        churned("sub_1", at=day(3), entry=ChurnEntry.PENDING),
        churned("sub_2", at=day(3), entry=ChurnEntry.PENDING),
    ]
    await ledger.holds(*rows)

    told = await ledger.tells("at-risk")

    assert told["rows"] == [
        {
            "currency": "usd",
            "n_at_risk": 2,
            "at_risk_minor": 20_000,
            "at_risk_share": "0.500000",
            "owed_minor": 12_500,
            "n_ending": 2,
            "ending_minor": 20_000,
            "n_both": 1,
            "both_minor": 10_000,
        }
    ]
    assert told["identity"]["holds"]


async def test_what_was_at_risk_then_is_so_in_answers_about_then(ledger: Ledger) -> None:
    # given a case that ended on day 20 and a planned end that was given up on day 10
    plan = record_id("sub_2", ChurnEntry.PENDING, day(3))
    recovered = replace(
        case("in_1", subscription_id="sub_1"), state=CaseState.RECOVERED, closed_at=day(20)
    )
    await ledger.holds(
        recovered,
        failure(100, case_id="case_in_1"),
        moved(CaseState.RECOVERED, at=day(20)),
        movement(100, M.OPENING, subscription_id="sub_1"),
        movement(100, M.OPENING, subscription_id="sub_2"),
        churned("sub_2", at=day(3), entry=ChurnEntry.PENDING),
        churned("sub_2", at=day(10), entry=ChurnEntry.WITHDRAWN, about=plan),
    )

    told = {
        number: (await ledger.tells("at-risk", as_of=day(number).isoformat()))["totals"]
        for number in (5, 15, 25)
    }

    seen = {n: [(t["n_at_risk"], t["n_ending"]) for t in totals] for n, totals in told.items()}
    assert seen == {5: [(1, 1)], 15: [(1, 0)], 25: []}


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_what_is_owed_in_another_currency_is_added_to_none(
    ledger: Ledger, folded: bool
) -> None:
    # given one who owes dollars and euros, and pays euros by now
    moves: dict[str, Any] = {"subscription_id": "sub_1", "at": day(10)}
    await ledger.holds(
        movement(10_000, M.OPENING),
        movement(-10_000, M.FX, source="fx:usd", **moves),
        movement(9_000, M.FX, currency="eur", source="fx", **moves),
        case("in_1", subscription_id="sub_1"),
        failure(12_500, case_id="case_in_1"),
        case("in_2", subscription_id="sub_1", currency="eur"),
        failure(700, invoice="in_2", case_id="case_in_2", currency="eur"),
    )
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(20))

    (row,) = (await ledger.tells("at-risk"))["rows"]

    assert (row["currency"], row["n_at_risk"], row["owed_minor"]) == ("eur", 1, 700)


async def test_100_000_at_5_percent_a_month_as_it_is_told(ledger: Ledger) -> None:
    words = {"start_minor": "10000000", "currency": "usd", "churn": "5", "reduction": "20"}

    told = await ledger.tells("projection", **words)

    ends = [row["usual_minor"] for row in told["rows"]]
    assert ends[:4] == [9_500_000, 9_025_000, 8_573_750, 8_145_063]
    assert (len(ends), ends[-1]) == (12, 5_403_601)
    assert told["rows"][0]["reduced_minor"] == 9_600_000
    assert told["rows"][0]["gain_minor"] == 100_000
    assert told["identity"]["holds"]


async def test_a_projection_starts_from_mrr_and_what_was_lost_lately(ledger: Ledger) -> None:
    # given a month in which 4.4 percent went and three whole months are looked back upon
    await ledger.holds(*month())

    told = await ledger.tells("projection", now=day(32), months="1")

    (row,) = told["rows"]
    assert (row["churn"], row["churn_from"]) == ("0.014667", "measured")
    assert row["usual_minor"] == round(1_161_000 * (1 - 44_000 / 3_000_000))


async def test_nothing_is_projected_from_churn_that_nobody_knows(ledger: Ledger) -> None:
    # given dollars since January, and euros that came with the account in the middle of March
    await ledger.holds(
        *(movement(10_000, M.OPENING, subscription_id=f"sub_{n}") for n in range(4)),
        movement(10_000, M.OPENING, at=day(75), subscription_id="sub_9", currency="eur"),
    )

    told = await ledger.tells("projection", now=day(80), months="2")
    given = await ledger.tells("projection", now=day(80), months="1", churn="10", currency="eur")

    unknown = {"currency": "eur", "churn": None, "churn_from": "unknown"}
    empty = {"usual_minor": None, "reduced_minor": None, "gain_minor": None}
    assert told["rows"][:2] == [unknown | {"month": month} | empty for month in (1, 2)]
    assert [(r["churn"], r["usual_minor"]) for r in told["rows"][2:]] == [("0.000000", 40_000)] * 2
    assert told["identity"]["holds"]
    assert [(r["churn_from"], r["usual_minor"]) for r in given["rows"]] == [("given", 9_000)]


async def test_what_contracts_before_a_month_began_with_it_is_lost_too(ledger: Ledger) -> None:
    # given euros that came in January and became less in it, and were there in two whole months
    await ledger.holds(
        movement(10_000, at=day(5), currency="eur"),
        movement(-4_000, M.CONTRACTION, at=day(20), currency="eur"),
    )

    told = await ledger.tells("projection", now=day(95), months="1")

    (row,) = told["rows"]
    assert (row["churn"], row["usual_minor"]) == ("0.333333", 4_000)


async def test_the_effect_of_treatment_is_empty_until_each_arm_has_a_hundred(
    ledger: Ledger,
) -> None:
    rows: list[Any] = []
    for n in range(8):
        invoice, arm = f"in_{n}", "holdout" if n < 2 else "treated"
        rows += [
            case(invoice),
            held_out(invoice, f"cus_{n}", arm),
            failure(1_000, invoice=invoice, case_id=f"case_{invoice}"),
        ]
    rows += [
        entry(1_000, at=day(3), invoice_id="in_0"),
        entry(1_000, at=day(3), invoice_id="in_2"),
        entry(500, at=day(3), invoice_id="in_3"),
        entry(1_000, at=day(32), invoice_id="in_4"),
    ]
    await ledger.holds(*rows)

    told = await ledger.tells("incremental", **JANUARY)

    (row,) = told["rows"]
    assert (row["n_treated"], row["n_holdout"]) == (6, 2)
    assert (row["rate_treated"], row["rate_holdout"]) == ("0.250000", "0.500000")
    assert (row["incremental_minor"], row["low_minor"]) == (None, None)
    assert row["more_invoices"] == 98 * 8 // 2


async def test_only_mature_failures_tell_of_treatment(ledger: Ledger) -> None:
    await ledger.holds(case(), held_out(), failure(1_000, case_id="case_in_1", at=day(20)))

    told = await ledger.tells("incremental", now=day(45), **JANUARY)

    assert told["rows"] == []


async def test_first_payments_refused_by_kind_network_and_country(ledger: Ledger) -> None:
    # given two first payments that went through, three that did not, and one paid at last
    await ledger.holds(
        *(case(f"in_{n}") for n in (1, 2)),
        refused("in_1", DeclineKind.INSUFFICIENT_FUNDS, "visa"),
        refused("in_2", DeclineKind.NEW_METHOD, "mastercard"),
        failure(1_000, case_id="case_in_1", country="DE"),
        failure(3_000, invoice="in_2", case_id="case_in_2", country="FR"),
        failure(500, invoice="in_3", country="FR"),
        paid_at_once("paid_1", 2_000, at=day(1), country="DE"),
        paid_at_once("paid_2", 3_500, at=day(2), country="FR"),
    )

    whole = await ledger.tells("payment-failures", **JANUARY)
    kinds = await ledger.tells("payment-failures", group_by="decline_kind", **JANUARY)
    places = await ledger.tells("payment-failures", group_by="country", **JANUARY)

    (row,) = whole["rows"]
    assert (row["n_attempts"], row["n_failed"], row["failure_rate"]) == (5, 3, "0.600000")
    assert (row["attempted_minor"], row["failed_minor"]) == (10_000, 4_500)
    assert [(r["decline_kind"], r["n_failed"], r["failure_rate"]) for r in kinds["rows"]] == [
        (None, 1, "0.200000"),
        ("insufficient_funds", 1, "0.200000"),
        ("new_method", 1, "0.200000"),
    ]
    assert [(r["country"], r["failure_rate"]) for r in places["rows"]] == [
        ("DE", "0.500000"),
        ("FR", "0.666667"),
    ]
    assert kinds["totals"] == whole["totals"]


async def test_why_a_payment_was_refused_counts_from_when_it_was_told(ledger: Ledger) -> None:
    # given a refusal whose reason is told on day 4, and a payment whose card is told on day 6
    await ledger.holds(
        case("in_1"),
        failure(1_000, case_id="case_in_1"),
        refused("in_1", DeclineKind.NEW_METHOD, "amex", told_at=day(4)),
        paid_at_once("in_2", 700, at=day(2)),
        taking(700, at=day(2), invoice="in_2", recorded_at=day(6), brand="visa"),
        taking(9, at=day(2), invoice="in_2", recorded_at=day(7), brand="amex"),
    )

    told = {
        number: await ledger.tells(
            "payment-failures", group_by="decline_kind,network", as_of=day(number).isoformat()
        )
        for number in (3, 5, 7)
    }

    seen = {
        number: {(r["decline_kind"], r["network"]): r["n_attempts"] for r in answer["rows"]}
        for number, answer in told.items()
    }
    assert seen == {
        3: {(None, None): 2},
        5: {("new_method", "amex"): 1, (None, None): 1},
        7: {("new_method", "amex"): 1, (None, "visa"): 1},
    }
    assert all(answer["identity"]["holds"] for answer in told.values())


async def test_a_refusal_learned_of_later_counts_instead_of_the_payment(ledger: Ledger) -> None:
    # given an invoice taken for one that went through, and one whose failure was earlier
    await ledger.holds(
        paid_at_once("in_1", 700, at=day(3)),
        failure(700, at=day(2), recorded_at=day(9)),
        failure(500, invoice="in_2", at=day(5)),
        failure(600, invoice="in_2", at=day(4), version=2, recorded_at=day(9)),
    )

    told = {
        number: (await ledger.tells("payment-failures", as_of=day(number).isoformat()))["totals"]
        for number in (8, 10)
    }

    seen = {n: (t[0]["n_attempts"], t[0]["failed_minor"]) for n, t in told.items()}
    assert seen == {8: (2, 500), 10: (2, 1_300)}


async def test_mrr_by_plan_and_country_is_that_of_its_time(ledger: Ledger) -> None:
    await ledger.holds(
        movement(100, at=day(2), plan="basic", country="DE"),
        movement(-100, M.SWITCH, at=day(40), source="from", plan="basic", country="DE"),
        movement(100, M.SWITCH, at=day(40), source="to", plan="pro", country="DE"),
        movement(50, M.EXPANSION, at=day(40), plan="pro", country="DE"),
    )

    told = await ledger.tells("mrr", group_by="plan,country", from_="2026-01-01", to="2026-02-28")

    ends = [(row["plan"], row["country"], row["end_minor"], row["n_end"]) for row in told["rows"]]
    assert ends == [("basic", "DE", 100, 1), ("basic", "DE", 0, 0), ("pro", "DE", 150, 1)]
    assert told["identity"]["holds"]


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
@pytest.mark.parametrize("exclusion", ["send_invoice", "zero_amount"])
async def test_what_is_not_charged_automatically_is_no_failed_payment(
    ledger: Ledger, folded: bool, exclusion: str
) -> None:
    # given one refused, one that went through, and one sent or of nothing, as was learned later
    await ledger.holds(
        failure(1_000),
        paid_at_once("paid_1", 1_000, at=day(1)),
        failure(7_000, invoice="in_2"),
        failure(7_000, invoice="in_2", version=2, exclusion=exclusion, recorded_at=day(9)),
        failure(7_000, invoice="in_3", exclusion=exclusion),
    )
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(12))

    (tries,) = (await ledger.tells("payment-failures", **JANUARY))["rows"]
    (rate,) = (await ledger.tells("recovery-rate", view="all", **JANUARY))["rows"]

    assert (tries["n_attempts"], tries["n_failed"], tries["failed_minor"]) == (2, 1, 1_000)
    assert (rate["n"], rate["n_excluded"], rate["failed_minor"]) == (1, 0, 1_000)
