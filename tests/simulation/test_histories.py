"""Histories of one to three customers over five weeks, in which much goes wrong."""

from tests.simulation.runner import exactly, run

HISTORIES = 300


def test_no_history_breaks_a_promise() -> None:
    found = run(range(1, HISTORIES + 1))

    broken = {result.seed: result.violation for result in found if result.violation}
    assert broken == {}, "replay one with `python -m tests.simulation --seed N`"
    assert len(found) == HISTORIES
    assert sum(result.crashes for result in found) > HISTORIES


def test_a_history_is_played_again_exactly() -> None:
    first, second = exactly(7), exactly(7)

    assert first.trace == second.trace
    assert first.steps == second.steps


def test_who_watches_sees_each_history_as_it_ends() -> None:
    seen: list[int] = []

    results = run([1, 2], processes=1, seen=lambda row: seen.append(row["seed"]))

    assert seen == [result.seed for result in results] == [1, 2]
