"""The merchant's days and months, as SQL over the turns of their clocks."""

from sqlalchemy import DateTime, Interval, Text, bindparam
from sqlalchemy.dialects.postgresql import ARRAY

TURNS = (
    bindparam("turns", type_=ARRAY(DateTime(timezone=True))),
    bindparam("offsets", type_=ARRAY(Interval)),
)
RECORDED_DAYS = bindparam("recorded", type_=ARRAY(Text))


def day_of(at: str) -> str:
    """The merchant's day of an instant."""
    offset = f"(:offsets)[width_bucket({at}, :turns) + 1]"
    return f"(({at} at time zone 'UTC') + {offset})::date"


def day_key(day: str) -> str:
    """A day as cells name it."""
    return f"to_char({day}, '\"d\"YYYY-MM-DD')"


def month_key(day: str) -> str:
    """The month of a day as cells name it."""
    return f"to_char({day}, '\"m\"YYYY-MM')"


def months_of(day: str) -> str:
    """A day's month as a number, so that two can be subtracted."""
    return f"(extract(year from {day}) * 12 + extract(month from {day}))"


def recorded_in(stretch: str) -> str:
    """The recorded day of a stretch and its month, as `r.recorded`: each lies within one day."""
    return f"""cross join lateral (
        values ((:recorded)[{stretch}]), ('m' || substr((:recorded)[{stretch}], 2, 7))
    ) r (recorded)"""
