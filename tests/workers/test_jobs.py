"""What is registered with arq, and how."""

import inspect

from workers import jobs
from workers.jobs import CRONS, FUNCTIONS, crons, functions
from workers.shift import Pace

REGISTERED = {"carry_out_actions", "cron:sweep"}


def test_every_job_of_the_module_is_registered_and_nothing_else():
    written = {
        name
        for name, thing in inspect.getmembers(jobs, inspect.iscoroutinefunction)
        if thing.__module__ == jobs.__name__
    }

    assert {job.__name__ for job in (*FUNCTIONS, *CRONS)} == written
    assert {job.name for job in functions(Pace())} | {job.name for job in crons()} == REGISTERED


def test_arq_never_retries_and_keeps_no_result():
    kept = [(job.max_tries, job.keep_result_s) for job in functions(Pace())]
    kept += [(job.max_tries, job.keep_result_s) for job in crons()]

    assert set(kept) == {(1, 0)}


def test_a_job_is_over_before_its_rows_may_be_claimed_again():
    pace = Pace()

    (job,) = functions(pace)

    assert job.timeout_s is not None
    assert job.timeout_s < pace.lease_s
