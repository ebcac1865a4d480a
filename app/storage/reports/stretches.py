"""Stretches of recorded time, as SQL: what is recorded is told apart by the stretch it lies in.

`:edges` are instants in order, `:after` the first and `:until` the last. A stretch lies between two
neighbours and has its end in it; the first is called 1.
"""

from sqlalchemy import DateTime, bindparam
from sqlalchemy.dialects.postgresql import ARRAY

EDGES = bindparam("edges", type_=ARRAY(DateTime(timezone=True)))
SINCE = "merchant_id = :merchant and recorded_at > :after and recorded_at <= :until"
# What holds from one point until the next, added in its stretch and taken back in the next one's.
SIGNED = "join lateral (values ({0}.stretch, 1), ({0}.next, -1)) t (stretch, sign) on t.stretch > 0"


def stretch_of(at: str) -> str:
    """The stretch that an instant lies in."""
    return f"width_bucket({at} - interval '1 microsecond', :edges)"


def ends_of(stretch: str) -> str:
    """The instant at which a stretch ends."""
    return f"(:edges)[{stretch} + 1]"


def points_of(touched: str, key: str) -> str:
    """Instants `at` which something may have become otherwise: the ends of the stretches in which
    a `key` was touched, and the beginning of all, which is of no stretch. `next` is the stretch in
    which it was touched next."""
    return f"""
    select *, {ends_of("stretch")} as at,
        lead(stretch) over (partition by {key} order by stretch) as next
    from (select {key}, stretch from {touched} union select {key}, 0 from {touched}) e
"""  # noqa: S608 - words of ours
