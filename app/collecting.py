"""Python's search for cycles, as seldom as work in batches lets it be."""

import gc


def collect_seldom() -> None:
    """Leave what is there by now out of the search, and search every 50,000 objects instead of
    every 700: a batch makes many and keeps none, and looking took an eighth of its time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
