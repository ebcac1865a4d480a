"""Looking every night whether an account's payments fail more often than they use to."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from app.domain.actions import Action, ActionKind, action_for
from app.domain.alerts import AlertKind
from app.domain.calendar import zone
from app.domain.comparing import next_night
from app.domain.first_payments import FirstPayment
from app.domain.jumps import KEPT, AttemptDay, Days, Judgement, judged
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.operations import Alert
from app.domain.recovery import Failure
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.merchants import raise_alert

JUMPED = AlertKind.PAYMENT_FAILURES_JUMPED
AFTER_COMPARING = timedelta(hours=1)  # by then what was missed in the night has been taken in
AGAIN = 3  # days that are counted once more, because reports of them may have come late
AT_ONCE = 20  # days counted in one go, when the account is first looked at
log = structlog.get_logger()


async def begin_looking(world: World, account: ProviderAccount) -> None:
    """See to it that the account is looked at every night. Safe to repeat: one such action."""
    async with world.store.transaction(account.merchant_id) as tx:
        tz = await zone_of(tx, account.merchant_id)
        look = action_for(
            ActionKind.LOOK_FOR_JUMP,
            subject=account.account_id,
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            due_at=next_night(world.clock.now(), tz) + AFTER_COMPARING,
        )
        await tx.insert([look])


async def look_for_jump(world: World, action: Action) -> None:
    """Count the days since the last look, judge, and tell a person of a jump or that it is over.

    Safe to run twice or late: a day is counted, not added to, and one alert stays one. Where many
    days are to be counted it goes on at once, some at a time.
    """
    now = world.clock.now()
    async with world.store.transaction(action.merchant_id) as tx:
        tz = await zone_of(tx, action.merchant_id)
        last = now.astimezone(tz).date() - timedelta(days=1)
        days = await _known(tx, action.account_id, last)
        missing = _uncounted(days, last)
        counted = [await _count(tx, action, day, tz) for day in missing[:AT_ONCE]]
        await tx.save(counted)
        if len(missing) > AT_ONCE:
            await tx.save([replace(action, due_at=now, leased_until=None)])
            return
        days |= {date.fromisoformat(row.day): (row.attempts, row.failed) for row in counted}
        await _judge(tx, action, days, last, now)
        due = next_night(now, tz) + AFTER_COMPARING
        await tx.save([replace(action, due_at=due, leased_until=None)])


async def zone_of(tx: Transaction, merchant_id: str) -> ZoneInfo:
    """Where the nights of a merchant are."""
    merchants = await tx.load(Merchant, [(merchant_id,)])
    return zone(merchants[0].time_zone if merchants else None)


async def _known(tx: Transaction, account_id: str, last: date) -> dict[date, tuple[int, int]]:
    first = (last - timedelta(days=KEPT)).isoformat()
    rows = await tx.find(AttemptDay, where={"account_id": account_id, "day__gte": first})
    return {date.fromisoformat(row.day): (row.attempts, row.failed) for row in rows}


def _uncounted(days: Days, last: date) -> list[date]:
    """The days that have no count yet, and the last few, oldest first."""
    span = [last - timedelta(days=n) for n in reversed(range(KEPT))]
    return [day for day in span if day not in days or day > last - timedelta(days=AGAIN)]


async def _count(tx: Transaction, action: Action, day: date, tz: ZoneInfo) -> AttemptDay:
    """Refused were those that got a case that day; paid at once those that never were refused."""
    starts = datetime.combine(day, time(), tz)
    ends = datetime.combine(day + timedelta(days=1), time(), tz) - timedelta(microseconds=1)
    of = {"merchant_id": action.merchant_id, "account_id": action.account_id}
    within = {"failed_at__gte": starts, "failed_at__lte": ends}
    failed = await tx.count(Failure, where={**of, **within, "version": 1, "exclusion": None})
    within = {"paid_at__gte": starts, "paid_at__lte": ends}
    paid = await tx.count(FirstPayment, where={**of, **within})
    return AttemptDay(
        account_id=action.account_id,
        day=day.isoformat(),
        merchant_id=action.merchant_id,
        attempts=failed + paid,
        failed=failed,
    )


async def _judge(tx: Transaction, action: Action, days: Days, last: date, now: datetime) -> None:
    where = {"merchant_id": action.merchant_id, "kind": JUMPED, "subject": action.account_id}
    known = await tx.find(Alert, where=where)
    over = max((one.resolved_at for one in known if one.resolved_at), default=None)
    told = judged(days, last, since=over.date() if over else None)
    if told.jumped:
        text = in_words(told)
        log.warning("payment_failures_jumped", account=action.account_id)
        await raise_alert(tx, alert(now, action.merchant_id, JUMPED, action.account_id, text))
        return
    if not told.above:
        open_ones = [one for one in known if one.resolved_at is None]
        await tx.save([replace(one, resolved_at=now) for one in open_ones])


def in_words(told: Judgement) -> str:
    """What a person is told of a jump."""
    share = f"{told.failed / told.attempts:.1%}" if told.attempts else "none"
    usual = f"{told.usual:.1%}" if told.usual is not None else "not known"
    return (
        f"{told.failed} of {told.attempts} first payments of the last week were refused: {share}; "
        f"of the eight weeks before, {usual}. GET /v1/finance/payment-failures tells why and where"
    )
