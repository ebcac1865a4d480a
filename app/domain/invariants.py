"""What must hold of the rows of every merchant at any moment: asked in production, every 5 minutes.

Each is one question, answered with the rows that break it. The numbers I1 to I15 are those of the
simulation, which asks the same of every step it makes; P1 to P14 are promises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

EVERY = timedelta(minutes=5)
# Rows last written longer ago were asked about by hundreds of former rounds.
LOOKS_BACK = timedelta(days=2)
# Two clocks of a deployment are no further apart; nearer instants say nothing about their order.
CLOCK_SLACK = timedelta(seconds=2)
# At most so many rows are counted, and so many named.
MOST, NAMED = 1_000, 5


class Level(StrEnum):
    """`ALARM` tells a person at once; a `NOTE` is counted and shown, and may be as it should."""

    ALARM = "alarm"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One thing that must hold.

    `proves` names the invariant of the simulation. `grace` is how long ago its rows were written
    last before they count: none where one transaction writes all that is looked at. What `stands`
    is broken as long as it is found; the rest has happened, and is looked for in what was written
    within `LOOKS_BACK`.
    """

    name: str
    proves: str
    meaning: str
    level: Level = Level.ALARM
    grace: timedelta = timedelta(0)
    stands: bool = True


def _hours(hours: float) -> timedelta:
    return timedelta(hours=hours)


_ALL = (
    Invariant(
        name="captured_twice",
        proves="I1",
        meaning="two attempts of ours brought money for one invoice",
        stands=False,
    ),
    Invariant(
        name="paid_beyond_due",
        proves="I1",
        meaning="an invoice brought more than it asks for",
        stands=False,
    ),
    Invariant(
        name="charge_after_stop",
        proves="I2",
        meaning="a charge of ours was begun after its case was over or set aside",
        stands=False,
    ),
    Invariant(
        name="dead_card_charged",
        proves="I2",
        meaning="a card was charged by us after a refusal that forbids it",
        stands=False,
    ),
    Invariant(
        name="step_mailed_twice",
        proves="I3",
        meaning="one step of a case was mailed twice over one channel",
        stands=False,
    ),
    Invariant(
        name="active_without_action",
        proves="I4",
        meaning="an active case has no next action",
    ),
    Invariant(
        name="attempt_without_maker",
        proves="I4",
        meaning="a next attempt is announced that nobody will make",
    ),
    Invariant(
        name="window_outlived",
        proves="I5",
        meaning="a case is active two days after its window, nine where the provider collects",
    ),
    Invariant(
        name="action_late",
        proves="I5",
        meaning="an action is due and nobody has claimed it",
        grace=_hours(5 / 60),
    ),
    Invariant(
        name="lease_without_end",
        proves="I5",
        meaning="an action is claimed for a quarter of an hour and more: nobody may take it over",
    ),
    Invariant(
        name="left_and_collected",
        proves="I5",
        meaning="a case is active whose subscription is cancelled or whose customer is deleted, "
        "and its policy would have ended it",
        grace=_hours(1),
    ),
    Invariant(
        name="cancel_forgotten",
        proves="I5",
        meaning="somebody left, the provider does not know it, and nobody will tell it",
        grace=_hours(0.25),
    ),
    Invariant(
        name="offer_forgotten",
        proves="I5",
        meaning="an accepted offer is half done, and nobody goes on with it",
        grace=_hours(1),
    ),
    Invariant(
        name="case_unlike_invoice",
        proves="I6",
        meaning="a case is active and its invoice is closed, or recovered and its invoice is not",
        grace=_hours(0.25),
    ),
    Invariant(
        name="recovered_unlike_ledger",
        proves="I6",
        meaning="what a case recovered is not the sum of its ledger lines",
    ),
    Invariant(
        name="attempts_too_close",
        proves="I7",
        meaning="two automatic attempts of a case within 20 hours, or more than 15",
        stands=False,
    ),
    Invariant(
        name="failure_without_case",
        proves="I8",
        meaning="an invoice failed, is open, and has neither a case nor a reason for having none",
        grace=_hours(0.25),
    ),
    Invariant(
        name="letter_after_the_end",
        proves="I9",
        meaning="a letter about a failure left more than an hour after the case was over",
        stands=False,
    ),
    Invariant(
        name="end_without_notice",
        proves="I9",
        meaning="a case was ended without a final notice 72 hours before",
        stands=False,
    ),
    Invariant(
        name="state_untold",
        proves="I10",
        meaning="a case is in another state than its timeline tells, or recovered is not its last",
    ),
    Invariant(
        name="attempt_in_doubt",
        proves="I11",
        meaning="nobody found out for 26 hours what became of a charge",
        grace=_hours(26),
    ),
    Invariant(
        name="letter_forgotten",
        proves="I11",
        meaning="a letter is due, or half sent, and nobody sees to it",
        grace=_hours(1),
    ),
    Invariant(
        name="event_unhandled",
        proves="I11",
        meaning="an event of the provider waits unhandled",
        grace=_hours(1 / 6),
    ),
    Invariant(
        name="webhooks_silent",
        proves="P6",
        meaning="a charge of ours was answered, and nothing was heard of its account since",
        grace=_hours(6),
    ),
    Invariant(
        name="forgiven_charged",
        proves="I12",
        meaning="what was forgiven when somebody left was charged by us",
        stands=False,
    ),
    Invariant(
        name="row_of_another",
        proves="I13",
        meaning="an attempt or a letter belongs to another merchant or customer than its case",
        stands=False,
    ),
    Invariant(
        name="command_unaudited",
        proves="I14",
        meaning="a command was carried out without its line in the audit log",
        stands=False,
    ),
    Invariant(
        name="case_parked",
        proves="P4",
        meaning="a case waits for a person",
        level=Level.NOTE,
    ),
)
INVARIANTS: Mapping[str, Invariant] = {one.name: one for one in _ALL}
# What no row can show, and what holds it instead.
BEYOND_ROWS = {
    "I15": "that the inbox heard once more changes nothing shows in a replay alone: the simulation",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that breaks an invariant: its id, and what is wrong with it, without personal data."""

    subject: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One invariant of one merchant. `broken_by` has at most `NAMED` rows; `count` stops at
    `MOST`. A `count` of None: the database did not answer in time, nothing is known."""

    invariant: Invariant
    count: int | None
    broken_by: tuple[Breach, ...] = ()

    @property
    def is_alarming(self) -> bool:
        """Whether a person must be told."""
        return self.invariant.level is Level.ALARM and bool(self.count)


@dataclass(frozen=True, slots=True)
class Span:
    """The instants a round looks between: rows written last from `since` on and up to `until`."""

    since: datetime
    until: datetime
    now: datetime


def span_of(invariant: Invariant, now: datetime) -> Span:
    """What of the past an invariant is asked about at this instant."""
    until = now - invariant.grace
    return Span(since=until - LOOKS_BACK, until=until, now=now)
