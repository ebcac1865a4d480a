"""What becomes of MRR when a share of it is lost every month."""

from collections.abc import Iterator
from fractions import Fraction


def compounding(minor: int, churn: Fraction, months: int) -> Iterator[int]:
    """MRR at the end of each month, minor units, rounded half up. What is lost is a share of what
    is left, so that it is rounded once, at the end, and not month by month.

    Raises `ValueError` for a share that is not from 0 to 1.
    """
    if not 0 <= churn <= 1:
        raise ValueError("a share of what is lost is from 0 to 1")
    left = Fraction(minor)
    for _ in range(months):
        left *= 1 - churn
        yield int(left + Fraction(1, 2))


def reduced(churn: Fraction, by: Fraction) -> Fraction:
    """A churn that became less by a share of itself."""
    return churn * (1 - by)
