"""Assignments: who is treated and who is held out, drawn by a keyed hash, once, at opening."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The arm of one unit. `holdout_percent` is the share in force when it was drawn."""

    KEY: ClassVar = ("merchant_id", "experiment", "unit")
    UNIQUE: ClassVar = ()
    merchant_id: str
    experiment: str
    unit: str
    customer_id: str | None
    arm: str
    holdout_percent: int
    drawn_at: datetime


def arm_of(*, key: str, experiment: str, customer: str, holdout_percent: int) -> str:
    """`treated` or `holdout`, by customer: the same customer is always in the same arm.

    A keyed hash, so that nobody who knows the customer id alone can foretell the arm.
    """
    digest = hmac.digest(key.encode(), f"{experiment}:{customer}".encode(), hashlib.sha256)
    return (
        "holdout"
        if int.from_bytes(digest[:4], "big") % 10_000 < holdout_percent * 100
        else "treated"
    )
