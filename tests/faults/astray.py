"""`python -m tests.faults.astray SECONDS [leaps]`: a worker on a machine whose clock is so far
ahead (or, below zero, behind); with `leaps` it shows one second twice, again and again. Steady
time goes on as it does: leases and pauses are not touched."""

import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import time_machine

from workers.main import main

EVERY_S = 2.0


def leap(clock: time_machine.Traveller) -> None:
    """Put the clock back by a second, again and again, as after a leap second."""
    while True:
        time.sleep(EVERY_S)
        clock.shift(-1)


if __name__ == "__main__":
    seconds, *leaps = sys.argv[1:]
    del sys.argv[1:]
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(seconds))) as clock:
        if leaps:
            threading.Thread(target=leap, args=(clock,), daemon=True).start()
        main()
