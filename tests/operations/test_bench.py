"""The bench of leaving says what the page of performance says of it."""

from bench.__main__ import BENCHES
from bench.cancel import CALLS, CLIENTS, Took, _round
from bench.figures import summary
from tests.house.sources import ROOT


def took(*ms: float) -> Took:
    """Every kind of call took so long; one was refused at first."""
    return {call: list(ms) for call in CALLS} | {"again": [1.0], "applying": [0.0]}


def test_each_call_has_its_latencies_beside_those_of_the_bare_database() -> None:
    rounds = [_round(took(40.0, 60.0), [1.0, 1.0, 2.0], seconds=0.5)] * 3
    figures = summary(rounds, rss=(1.0, 2.0), database="PostgreSQL")

    named = {f"{call}_p{share}_ms" for call in CALLS for share in (50, 99)}
    assert named | {"tried_again", "left_applying"} <= set(figures)
    assert (figures["per_second"], figures["p50_ms"], figures["p99_ms"]) == (4.0, 60.0, 60.0)
    assert (figures["ceiling_p50_ms"], figures["ceiling_p99_ms"]) == (1.0, 2.0)
    assert figures["ceiling_per_second"] == 1000 * CLIENTS * 3 / 4


def test_the_page_of_performance_tells_of_each_call() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| `cancel` |")]

    assert "cancel" in BENCHES
    assert [call for call in CALLS if f"`{call}_p50_ms`" not in row] == []
