"""`python -m tests.faults.astray SECONDS`: a worker on a machine whose clock is so far ahead (or,
below zero, behind). Steady time goes on as it does: leases and pauses are not touched."""

import sys
from datetime import UTC, datetime, timedelta

import time_machine

from workers.main import main

if __name__ == "__main__":
    apart = timedelta(seconds=float(sys.argv.pop()))
    with time_machine.travel(datetime.now(UTC) + apart, tick=True):
        main()
