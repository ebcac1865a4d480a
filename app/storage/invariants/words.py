"""Words that several questions share. Each question gives rows of `subject` and `said`, and binds
`merchant`, `since`, `until` and `now`, as many of them as it needs."""

from collections.abc import Iterable

from app.domain.actions import CASE_ACTIONS, ActionKind
from app.domain.dunning import AttemptState, CaseState, Trigger
from app.domain.invariants import CLOCK_SLACK
from app.domain.mirroring import ENDED as GONE
from app.domain.movements import ENDED, ENDING, PAID_AFTER
from app.domain.sequence import DUNNING_TEMPLATES


def listed(words: Iterable[str]) -> str:
    """Words of ours as SQL takes them after `in`."""
    return "(" + ", ".join(f"'{word}'" for word in sorted(words)) + ")"


OURS = listed(set(Trigger) - {Trigger.CUSTOMER, Trigger.PROVIDER})
UNSENT = listed({AttemptState.PLANNED, AttemptState.NOT_EXECUTED})
ANSWERED = listed({AttemptState.APPROVED, AttemptState.DECLINED, AttemptState.ACTION_REQUIRED})
ENDED_THERE = listed(GONE)
KEEPS_GOING = listed(CASE_ACTIONS)
MAKES_ATTEMPTS = listed({ActionKind.RETRY, ActionKind.RESOLVE, ActionKind.ASSESS, ActionKind.WATCH})
URGES = listed(DUNNING_TEMPLATES)
OVER = listed({CaseState.RECOVERED, CaseState.EXHAUSTED, CaseState.STOPPED})
BEGINS = "('opened', 'taken_up')"
# The lines of a timeline that tell of a move; the first two say that the case is active.
MOVES = listed({"opened", "taken_up", *CaseState} - {CaseState.ACTIVE})
SLACK = f"interval '{int(CLOCK_SLACK.total_seconds())} seconds'"


def has_pending(kind: ActionKind, subject: str, account: str) -> str:
    """Whether an action of this kind about this subject is pending, found by its key."""
    beginning = f"'{kind}:' || {subject} || "
    return f"""exists (
        select from actions p
        where p.account_id = {account} and p.key >= {beginning}':' and p.key < {beginning}';'
            and p.state = 'pending'
    )"""


def says_our_end(case: str) -> str:
    """Whether an end of ours was begun or carried out, as the case's reason tells it."""
    return f"coalesce({case}.reason, '') ~ '^({PAID_AFTER})?({ENDING}|{ENDED})'"


def newest_move(case: str, before: str = "") -> str:
    """A lateral reading of the newest move in a case's timeline, as it was written."""
    return f"""lateral (
        select e.type, e.at, e.seq from case_events e
        where e.case_id = {case} and e.type in {MOVES} {before}
        order by e.seq desc, e.at desc limit 1
    )"""
