"""A merchant's ledgers, written by the database itself: what millions of lines look like.

Rows come in the order of time, over two years at most. Everything else is drawn from a row's
number: plan, interval, country and currency belong to a subscription, a failure to one of them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from app.domain.churn import ChurnRecord
from app.domain.dunning import Attempt, Case, CaseEvent
from app.domain.experiments import Assignment
from app.domain.first_payments import FirstPayment
from app.domain.mirror import Customer, Payment, Subscription
from app.domain.mrr import MrrMovement
from app.domain.openings import RETRY_EXPERIMENT
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.redemptions import Redemption
from app.domain.saves import SaveStep
from app.domain.takings import Taking
from app.storage.registry import table_for
from app.storage.scope import APP
from app.storage.shapes import encode_json

BATCH = 50_000
CONNECTIONS = 2
# Of a thousand lines of ledgers: how many failures, subscriptions and sessions they tell of.
FAILURES, SUBSCRIPTIONS, SESSIONS = 134, 83, 13


def drawn(salt: int, most: int | str) -> str:
    """What a row's number `n` is drawn to be, from 0 to below `most`."""
    return f"((hashint8(n * {salt}) & 2147483647) % {most})"


def one_of(salt: int, *words: str) -> str:
    """One of some words, drawn."""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"(array[{listed}])[1 + {drawn(salt, len(words))}]"


AMOUNT = f"(1900 + 500 * {drawn(5, 20)})"
# Two of three are paid, some days later; the others end after four weeks.
PAID = f"{drawn(7, 3)} > 0"
PAID_AT = f"(at + interval '1 hour' * {drawn(3, 500)})"
CLOSED_AT = f"(case when {PAID} then {PAID_AT} else at + interval '28 days' end)"
# Four of ten leave some day, and of these every fifteenth comes back.
LEFT_AT = f"(at + interval '1 day' * {drawn(17, 600)})"
LEAVES = f"{drawn(19, 10)} < 4 and {LEFT_AT} <= $3"
GREW_AT, ASKED_AT = "(at + interval '40 days')", "(at + interval '200 days')"
BACK_AT = f"({LEFT_AT} + interval '9 days')"
LOST = one_of(31, "voluntary", "voluntary", "involuntary")
CURRENCY = {"currency": "(array['usd', 'eur', 'gbp'])[1 + sub % 3]"}
COUNTRY = {
    "country": "(array['US', 'DE', 'FR', 'GB', 'NL', 'ES', 'IT', 'PL', 'SE', 'JP'])[1 + sub % 10]"
}
PLAN = {
    "plan": "'plan_' || sub % 6",
    "interval": "case when sub % 5 = 0 then 'year' else 'month' end",
}
WHO = {"account_id": "$2", "customer_id": "'cus_' || sub", "subscription_id": "'sub_' || sub"}
INVOICE = {"account_id": "$2", "invoice_id": "'in_' || n"}
FREE = INVOICE | {"invoice_id": "'free_' || n"}
CASE = INVOICE | {"case_id": "'case_' || n"}
SESSION = {"session_id": "'ses_' || n", "reason": one_of(29, "price", "unused", "bugs", "missing")}
OFFER = {"offer_id": one_of(23, "half", "rest", "swap")}
OFFER_KIND = one_of(23, "discount", "pause", "plan")


@dataclass(frozen=True, slots=True)
class Filling:
    """Rows of a kind: as many numbers as `share` thousandths of the ledgers' lines. `values` is
    SQL over a row's number `n`, its instant `at` and its subscription `sub`; what it leaves out
    is what the record leaves out. Numbers for which `rule` does not hold have no row."""

    kind: type[Any]
    share: int
    values: Mapping[str, str]
    rule: str = "true"

    def sql(self) -> str:
        """Inserts those of the numbers from $7 to $8. $1 and $2 are merchant and account, $3 the
        end of all, $4 how long before it all began, $5 of how many numbers, $6 of how many
        subscriptions."""
        values = _left_out(self.kind) | {"merchant_id": "$1"} | dict(self.values)
        sub = "n" if self.share == SUBSCRIPTIONS else drawn(2, "$6::bigint")
        return f"""
            insert into {table_for(self.kind).name} ({", ".join(values)})
            select {", ".join(values.values())}
            from (
                select n, {sub} as sub, $3::timestamptz - $4::interval * (1 - n / $5::float8) as at
                from generate_series($7::bigint, $8::bigint) n
            ) r
            where {self.rule} and $2::text <> '' and $6::bigint > 0"""


def _left_out(kind: type[Any]) -> dict[str, str]:
    found = {}
    for field in fields(kind):
        value = field.default
        if value is not MISSING and value is not None:
            text = encode_json(value) if isinstance(value, tuple | dict) else str(value)
            found[field.name] = f"'{text}'"
    return found


# By how many a line changes those who pay, as the service writes it.
PAYING = {"new": "1", "expansion": "0", "churn_voluntary": "-1"}


def _moved(kind: str, at: str, delta: str, rule: str) -> Filling:
    times = dict.fromkeys(("occurred_at", "effective_at", "recorded_at"), at)
    named = {"movement_id": f"'{kind}_' || n", "source": f"'{kind}'", "kind": f"'{kind}'"}
    where = CURRENCY | PLAN | COUNTRY
    values = WHO | where | times | named | {"delta_minor": delta, "paying": PAYING[kind]}
    return Filling(MrrMovement, SUBSCRIPTIONS, values, rule)


def _left(entry: str, at: str, rule: str, *, sign: str = "", about: str = "null") -> Filling:
    cause = f"case when {LOST} = 'voluntary' then 'requested' else 'dunning_ended' end"
    named = {"record_id": f"'{entry}_' || n", "source": f"'{entry}'", "entry": f"'{entry}'"}
    counts = {"mrr_minor": f"{sign}{AMOUNT}", "count": f"{sign}1", "about": about}
    counts |= {"kind": LOST, "cause": cause, "reason": SESSION["reason"]}
    times = {"started_at": "at", "occurred_at": at, "recorded_at": at}
    times["tenure_days"] = drawn(17, 600)
    where = CURRENCY | PLAN | COUNTRY
    return Filling(ChurnRecord, SUBSCRIPTIONS, WHO | where | named | counts | times, rule)


def _step(rung: str, days: int) -> Filling:
    due = f"(at + interval '{days} days')"
    values = WHO | CURRENCY | PLAN | SESSION | OFFER
    values |= {"rung": f"'{rung}'", "offer_kind": OFFER_KIND, "mrr_minor": AMOUNT}
    values |= {"cost_minor": "900", "kept": f"{drawn(37 + days, 100)} >= {days // 2}"}
    values |= {"begun_at": "at", "due_at": due, "recorded_at": due}
    return Filling(SaveStep, SESSIONS, values, f"{due} <= $3")


def _tried(number: int, rule: str) -> Filling:
    kinds = ("insufficient_funds", "new_method", "retry_later", "never", "limit_exceeded")
    values = CASE | CURRENCY
    values = {name: value for name, value in values.items() if name != "invoice_id"}
    values |= {"attempt_id": f"'att_{number}_' || n", "number": str(number)}
    values |= {"trigger": "'provider'", "state": "'declined'", "amount_minor": AMOUNT}
    values |= {
        "brand": one_of(41, "visa", "mastercard", "amex"),
        "decline_kind": one_of(11, *kinds),
    }
    values |= {"intent_at": "at", "resolved_at": "at", "refused_at": "at"}
    values |= {"refused_as": values["decline_kind"], "refused_brand": values["brand"]}
    return Filling(Attempt, FAILURES, values, rule)


def _took(name: str, at: str, of: dict[str, str], rule: str) -> Filling:
    values = (
        of | CURRENCY | {"taking_id": f"'tkn_{name}_' || n", "payment_id": f"'pi_{name}_' || n"}
    )
    values |= {"subscription_id": WHO["subscription_id"]}
    values |= {"paid_minor": AMOUNT, "refunded_minor": "0"}
    values |= {"occurred_at": at, "recorded_at": at, "brand": "'visa'"}
    return Filling(Taking, FAILURES, values, rule)


_CAUSES = (
    *("holdfast_retry", "customer_new_card", "customer_paid_link"),
    *("account_updater", "provider_retry"),
)
_PAID = {"entry_id": "'ent_' || n", "kind": "'recovered'", "cause": one_of(13, *_CAUSES)}
_PAID |= {"amount_minor": AMOUNT, "tax_minor": "0", "provider_ref": "'ch_' || n"}
_PAID |= {"failed_at": "at", "occurred_at": PAID_AT, "recorded_at": PAID_AT}
_CLAIMED = {"redemption_id": "'red_' || n", "kind": OFFER_KIND, "terms": "'{}'"}
_CLAIMED |= {"state": "'applied'", "cost_minor": "900", "claimed_at": "at", "settled_at": "at"}
_CLAIMED |= {"session_id": SESSION["session_id"], "given_reason": SESSION["reason"]}
_PAID_AT_ONCE = {"subscription_id": WHO["subscription_id"], "amount_minor": AMOUNT}
_PAID_AT_ONCE |= {"paid_at": "at", "recorded_at": "at"}
LEDGERS: Sequence[Filling] = (
    Filling(FirstPayment, FAILURES, FREE | CURRENCY | PLAN | COUNTRY | _PAID_AT_ONCE),
    Filling(
        Failure,
        FAILURES,
        CASE
        | WHO
        | CURRENCY
        | PLAN
        | {"version": "1", "amount_minor": AMOUNT, "trial_conversion": "n % 20 = 0"}
        | {"failed_at": "at", "recorded_at": "at"}
        | COUNTRY,
    ),
    Filling(RecoveryEntry, FAILURES, CASE | CURRENCY | PLAN | _PAID, f"{PAID} and {PAID_AT} <= $3"),
    _tried(1, "true"),
    _tried(2, "n % 2 = 0"),
    _moved("new", "at", AMOUNT, "true"),
    _moved("expansion", GREW_AT, "500", f"n % 3 = 0 and {GREW_AT} <= $3"),
    _moved(
        "churn_voluntary",
        LEFT_AT,
        f"-{AMOUNT} - case when n % 3 = 0 and {GREW_AT} < {LEFT_AT} then 500 else 0 end",
        LEAVES,
    ),
    _left("churned", LEFT_AT, LEAVES),
    _left(
        "reversed",
        BACK_AT,
        f"{LEAVES} and n % 15 = 0 and {BACK_AT} <= $3",
        sign="-",
        about="'churned_' || n",
    ),
    _left("pending", ASKED_AT, f"n % 50 = 1 and {ASKED_AT} <= $3"),
    _step("accepted", 0),
    _step("deflected_24h", 1),
    _step("saved_30d", 30),
    _step("saved_90d", 90),
    Filling(Redemption, SESSIONS, WHO | CURRENCY | OFFER | PLAN | _CLAIMED),
    _took("in", PAID_AT, INVOICE, f"{PAID} and {PAID_AT} <= $3"),
    _took("free", "at", FREE, "true"),
)
_STATE = (
    f"case when {CLOSED_AT} > $3 then 'active' when {PAID} then 'recovered' else 'exhausted' end"
)
_OPENED = {"kind": "'payment'", "state": _STATE, "amount_minor": AMOUNT, "due_minor": AMOUNT}
_OPENED |= {"opened_at": "at", "window_ends_at": "at + interval '28 days'"}
_OPENED |= {"closed_at": f"case when {CLOSED_AT} <= $3 then {CLOSED_AT} end"}
_SEEN = {"status": "'active'", "mrr_minor": AMOUNT, "started_at": "at"}
_CASH = {"status": "'succeeded'", "amount_minor": AMOUNT, "brand": "'visa'"}
_ARM = {
    "experiment": f"'{RETRY_EXPERIMENT}'",
    "unit": "'case_' || n",
    "customer_id": "'cus_' || sub",
}
_ARM |= {"arm": "case when sub % 10 = 0 then 'holdout' else 'treated' end"}
_ARM |= {"holdout_percent": "10", "drawn_at": "at"}
# What figures read beside the ledgers: half of the payments are of invoices that never failed.
MIRRORS: Sequence[Filling] = (
    Filling(
        Customer,
        SUBSCRIPTIONS,
        {"account_id": "$2", "customer_id": "'cus_' || n"} | COUNTRY,
    ),
    Filling(Subscription, SUBSCRIPTIONS, WHO | CURRENCY | PLAN | _SEEN),
    Filling(Case, FAILURES, CASE | WHO | CURRENCY | PLAN | _OPENED),
    Filling(
        CaseEvent,
        FAILURES,
        {"event_id": "'cev_' || n", "case_id": "'case_' || n", "at": CLOSED_AT, "text": "'closed'"}
        | {"type": f"case when {PAID} then 'recovered' else 'exhausted' end"},
        f"{CLOSED_AT} <= $3",
    ),
    Filling(
        Payment,
        FAILURES,
        INVOICE | CURRENCY | _CASH | {"payment_id": "'pi_' || n", "occurred_at": PAID_AT},
        PAID,
    ),
    Filling(
        Payment,
        FAILURES,
        FREE | CURRENCY | _CASH | {"payment_id": "'pif_' || n", "occurred_at": "at"},
    ),
    Filling(Assignment, FAILURES, _ARM),
)


async def fill(
    url: str,
    fillings: Sequence[Filling],
    who: tuple[str, str],
    ends: datetime,
    size: int,
    days: int,
) -> int:
    """Write rows of so many ledger lines, of `days` before `ends`. Returns how many were written.

    Args:
        who: the merchant and their account.
    """
    waiting = [
        (filling, first)
        for filling in fillings
        for first in range(1, size * filling.share // 1000 + 1, BATCH)
    ]
    told, wrote = len(waiting), 0
    waiting.reverse()

    async def write() -> None:
        nonlocal wrote
        acting = {"role": APP, "holdfast.merchants": who[0], "synchronous_commit": "off"}
        connection = await asyncpg.connect(url, server_settings=acting)
        while waiting:
            filling, first = waiting.pop()
            of = size * filling.share // 1000
            subs = size * SUBSCRIPTIONS // 1000
            bound = (*who, ends, timedelta(days=days), of, subs, first, min(first + BATCH - 1, of))
            done = await connection.execute(filling.sql(), *bound, timeout=600)
            wrote += int(done.rpartition(" ")[2])
            if len(waiting) % 20 == 0:
                print(f"  {told - len(waiting)} of {told} batches written", flush=True)
        await connection.close()

    await asyncio.gather(*(write() for _ in range(CONNECTIONS)))
    return wrote
