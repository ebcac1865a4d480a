"""Churn, by whose definition: the same events counted as six products count them.

Sources: the public documentation of ChartMogul, Stripe Billing, Baremetrics and ProfitWell as read
in 2026; `seed` is lost divided by start, as it is usually taught.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Recognition(StrEnum):
    """When somebody is lost: when the subscription ends, or when they ask to leave."""

    END = "end"
    REQUEST = "request"


class Denominator(StrEnum):
    """What losses are a share of: those who were there at the start, or they and who joined."""

    START = "start"
    START_AND_NEW = "start_and_new"


class SamePeriod(StrEnum):
    """Those who joined and left within the period: no loss, or one like any other."""

    APART = "apart"
    COUNTED = "counted"


class PastDue(StrEnum):
    """When somebody who does not pay is lost: when the subscription ends, or after 30 days."""

    AT_THE_END = "at_the_end"
    AFTER_30_DAYS = "after_30_days"


class Discount(StrEnum):
    """What MRR is: always what is paid after discounts here, whatever a product lets one choose."""

    SUBTRACTED = "subtracted"


class Returns(StrEnum):
    """Those who left and came back within the period: lost all the same, not lost, or lost with
    the return standing beside it."""

    IGNORED = "ignored"
    NOT_LOST = "not_lost"
    BESIDE = "beside"


class Reactivation(StrEnum):
    """For how long who left comes back rather than is new: here always for good, whatever a product
    lets one choose, but that who changes within a week only migrates."""

    ANY_TIME = "any_time"


class Preset(StrEnum):
    """Whose definition."""

    SEED = "seed"
    CHARTMOGUL = "chartmogul"
    STRIPE = "stripe"
    BAREMETRICS = "baremetrics"
    PROFITWELL = "profitwell"
    HOLDFAST = "holdfast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What a preset stands for."""

    recognition: Recognition = Recognition.END
    denominator: Denominator = Denominator.START
    same_period: SamePeriod = SamePeriod.APART
    past_due: PastDue = PastDue.AT_THE_END
    discount: Discount = Discount.SUBTRACTED
    returns: Returns = Returns.IGNORED
    reactivation_window: Reactivation = Reactivation.ANY_TIME


PRESETS: Mapping[Preset, Definition] = {
    Preset.SEED: Definition(recognition=Recognition.REQUEST),
    Preset.CHARTMOGUL: Definition(returns=Returns.NOT_LOST),
    Preset.STRIPE: Definition(
        denominator=Denominator.START_AND_NEW, same_period=SamePeriod.COUNTED
    ),
    Preset.BAREMETRICS: Definition(past_due=PastDue.AFTER_30_DAYS),
    Preset.PROFITWELL: Definition(),
    Preset.HOLDFAST: Definition(returns=Returns.BESIDE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What happened in a period, as counts or as minor units of MRR; none is below nothing.

    `start`: there when it began, or found in it. `new`: joined in it. Of those at the start:
    `ended`; `asked` to leave, or ended without having been asked; `returned` after they had ended
    in it; `overdue` for 30 days in it, `ended_overdue` and `asked_overdue` those of the ended and
    of the asked who had been so before, and `overdue_asked` those of the overdue who had asked.
    `asked_returned` are those of the asked who ended and returned in it. Of those who joined:
    `new_ended`, `new_asked`. `expansion` and `contraction` of MRR; `reactivation` of whoever had
    ended, whenever that was.
    """

    start: int = 0
    new: int = 0
    ended: int = 0
    asked: int = 0
    returned: int = 0
    overdue: int = 0
    ended_overdue: int = 0
    asked_overdue: int = 0
    overdue_asked: int = 0
    asked_returned: int = 0
    new_ended: int = 0
    new_asked: int = 0
    expansion: int = 0
    contraction: int = 0
    reactivation: int = 0


def lost(tally: Tally, rule: Definition) -> int:
    """Who is lost by a definition, before what counts a return as no loss."""
    at_request = rule.recognition is Recognition.REQUEST
    found = tally.asked if at_request else tally.ended
    if rule.past_due is PastDue.AFTER_30_DAYS:
        before = tally.asked_overdue + tally.overdue_asked if at_request else tally.ended_overdue
        found += tally.overdue - before
    if rule.same_period is SamePeriod.COUNTED:
        found += tally.new_asked if at_request else tally.new_ended
    return found


def counted(tally: Tally, rule: Definition) -> int:
    """Who is counted as lost: a return may undo it."""
    return lost(tally, rule) - (came_back(tally, rule) if rule.returns is Returns.NOT_LOST else 0)


def counted_after_returns(tally: Tally, rule: Definition) -> int:
    """Who is lost, less those of them who came back, whatever the definition makes of that."""
    return lost(tally, rule) - came_back(tally, rule)


def came_back(tally: Tally, rule: Definition) -> int:
    """Who of the lost ended and returned in the period: of those who are lost when they ask, only
    who asked in it."""
    at_request = rule.recognition is Recognition.REQUEST
    return tally.asked_returned if at_request else tally.returned


def base(tally: Tally, rule: Definition) -> int:
    """What the losses are a share of."""
    joined = tally.new if rule.denominator is Denominator.START_AND_NEW else 0
    return tally.start + joined


def gross_loss(mrr: Tally, rule: Definition) -> int:
    """MRR that went: of those lost, and what others pay less."""
    return lost(mrr, rule) + mrr.contraction


def net_loss(mrr: Tally, rule: Definition) -> int:
    """Gross loss less what others pay more and what came back; below nothing where that is more."""
    return gross_loss(mrr, rule) - mrr.expansion - mrr.reactivation


def customer_value(
    people: Tally, mrr: Tally, rule: Definition, *, margin_percent: int, months: Fraction
) -> int | None:
    """What a customer is worth: ARPA times margin, divided by churn a month; minor units, rounded
    down. `months` is how long the losses were counted. None where nobody was there, nobody is lost,
    or no time has passed."""
    gone = counted(people, rule)
    if gone <= 0 or people.start == 0 or months <= 0:
        return None
    earned = mrr.start * margin_percent * base(people, rule) * months
    return int(earned // (people.start * gone * 100))
