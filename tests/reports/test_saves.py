"""The save ladder: what held, what did not, and what nobody knows yet."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.saves import Rung, SaveStep
from tests.reports.builders import day, judged, session
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}


def accepted(name: str, at: int, **more: Any) -> SaveStep:
    step = judged(name, Rung.ACCEPTED, at=day(at), kept=True)
    return replace(step, recorded_at=day(at), **({"cost_minor": 500} | more))


async def test_each_rung_has_what_held_what_did_not_and_what_is_open(ledger: Ledger) -> None:
    # given three who accepted: one stayed, one was lost in the month, one is too new; one went away
    names = [f"ses_{n}" for n in range(4)]
    await ledger.holds(
        *(session(name) for name in names),
        *(accepted(name, nth + 2) for nth, name in enumerate(names[:3])),
        *(judged(name, Rung.DEFLECTED_24H, at=day(2), kept=True) for name in names[:2]),
        judged("ses_0", Rung.SAVED_30D, at=day(2), kept=True),
        judged("ses_1", Rung.SAVED_30D, at=day(3), kept=False),
        replace(judged("ses_3", Rung.ABANDONED, at=day(5), kept=False), offer_kind=None),
    )

    told = await ledger.tells("saves", **JANUARY)

    (total,) = told["totals"]
    assert (total["n_accepted"], total["accepted_mrr_minor"], total["cost_minor"]) == (
        3,
        6_000,
        1_500,
    )
    assert [total[f"n_deflected_24h{end}"] for end in ("", "_lost", "_open")] == [2, 0, 1]
    assert [total[f"n_saved_30d{end}"] for end in ("", "_lost", "_open")] == [1, 1, 1]
    assert [total[f"n_saved_90d{end}"] for end in ("", "_lost", "_open")] == [0, 0, 3]
    assert (total["saved_30d_rate"], total["saved_90d_rate"]) == ("0.500000", None)
    assert (total["n_abandoned"], total["abandoned_mrr_minor"]) == (1, 2_000)
    assert told["identity"]["holds"]


async def test_the_ladder_is_grouped_by_offer_and_reason_and_keeps_its_cut_off(
    ledger: Ledger,
) -> None:
    await ledger.holds(
        session("ses_0"),
        session("ses_1"),
        accepted("ses_0", 2, reason="not_using", offer_kind="pause"),
        accepted("ses_1", 3, reason="too_expensive"),
        judged("ses_1", Rung.SAVED_30D, at=day(3), kept=True),
    )

    told = await ledger.tells("saves", group_by="offer_kind,reason", **JANUARY)
    then = await ledger.tells("saves", as_of=day(20).isoformat().replace("+00:00", "Z"), **JANUARY)

    rows = [(row["offer_kind"], row["reason"], row["n_accepted"]) for row in told["rows"]]
    assert ("pause", "not_using", 1) in rows
    assert ("discount", "too_expensive", 1) in rows
    assert (then["totals"][0]["n_accepted"], then["totals"][0]["n_saved_30d"]) == (2, 0)
    assert then["totals"][0]["n_saved_30d_open"] == 2
