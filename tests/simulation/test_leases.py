"""Whose leases count as left to run out."""

from tests.simulation.leases import Leases
from tests.simulation.machine import Process


def test_a_lease_that_runs_out_with_a_living_worker_counts_until_it_is_put_off() -> None:
    leases, worker = Leases(), Process("worker-0", None)

    counted = [leases.claimed("act_1", worker, leased=leased) for leased in (False, True, True)]

    assert counted == [0, 1, 2]
    assert leases.claimed("act_1", worker, leased=False) == 0


def test_a_lease_of_a_worker_that_died_does_not_count() -> None:
    # given workers that die 26 times with an action in hand (seed 544562)
    leases, worker = Leases(), Process("worker-0", None)
    leases.claimed("act_1", worker, leased=False)

    for _ in range(26):
        worker.lives += 1
        last = leases.claimed("act_1", worker, leased=True)

    assert last == 0
