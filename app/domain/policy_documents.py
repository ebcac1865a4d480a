"""Policy documents: what is wrong with one, the policy it says, and back again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from app.domain.documents import Fault
from app.domain.notice_windows import REMINDERS, ReminderPolicy, TermRow, missed_windows
from app.domain.policies import (
    AccessPolicy,
    AppliesTo,
    Bounds,
    Collection,
    EndPolicy,
    MessageClass,
    MessageRow,
    Policy,
    PolicyVersion,
    RetryPolicy,
    Strategy,
    TrialConversion,
)
from app.domain.policy_fields import DOCUMENT, MESSAGES, ON_EVENT

FINAL_NOTICE_DAYS = timedelta(hours=72).days  # no end before a final notice went out this long ago
TAKEN_NAMES = frozenset({"schema", "preview"})  # words of the API's paths
FAULTS_SHOWN = 50
MOST_BUILT = 2_000  # policies kept ready
LEVELS = ("grace_days", "restricted_day", "blocked_day")
BOUNDS = ("charges_per_hour", "mails_per_hour", "refunds_per_day")


class InvalidPolicy(ValueError):
    """A policy document that cannot be used. `faults` say where and why, each of them."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults


def policy_from(document: Any, *, version: int = 1) -> Policy:
    """The policy of a document. Raises `InvalidPolicy` with every fault, path and reason."""
    faults = list(DOCUMENT.faults(document, ""))[:FAULTS_SHOWN]
    if faults:
        raise InvalidPolicy(*faults)
    policy = build(document, version=version)
    if broken := [fault for rule in RULES for fault in rule(policy)]:
        raise InvalidPolicy(*broken[:FAULTS_SHOWN])
    return policy


def policy_of(stored: PolicyVersion) -> Policy:
    """The policy of a stored document, which was checked when it was stored: a case keeps it even
    where a later release would refuse it. Built once: every step of every case asks for it."""
    key = (stored.merchant_id, stored.name, stored.version)
    document, policy = _BUILT.get(key, (None, None))
    if policy is None or (document is not stored.document and document != stored.document):
        if len(_BUILT) >= MOST_BUILT:
            _BUILT.clear()
        policy = build({**stored.document, "name": stored.name}, version=stored.version)
        _BUILT[key] = (stored.document, policy)
    return policy


# By merchant, name and version: the document, to be sure, and what was built of it.
_BUILT: dict[tuple[str, str, int], tuple[dict[str, Any], Policy]] = {}


def build(document: Mapping[str, Any], *, version: int) -> Policy:
    """The policy of a document whose shapes are right; what is left out has its default."""
    retry = document.get("retry", {})
    return Policy(
        name=document.get("name", "default"),
        version=version,
        applies_to=_applies_to(document.get("applies_to", {})),
        collection=Collection(document.get("collection", "as_account")),
        retry=RetryPolicy(
            strategy=Strategy(retry.get("strategy", "rules")),
            **_whole(retry, "window_days", "max_attempts", "min_spacing_hours"),
            days=tuple(int(day) for day in retry.get("days", ())),
        ),
        messages=tuple(_message(row) for row in document.get("messages", MESSAGES)),
        reminders=_reminders(document.get("reminders", {})),
        access=AccessPolicy(**_whole(document.get("access", {}), *LEVELS)),
        end=EndPolicy(**_known(document.get("end", {}), "subscription", "invoice")),
        after_cancel=document.get("after_cancel", "forgive"),
        late_payment=document.get("late_payment", "settle_only"),
        backup_consent=document.get("backup_consent"),
        materiality_minor={
            code: int(minor) for code, minor in document.get("materiality_minor", {}).items()
        },
        bounds=Bounds(**_whole(document.get("bounds", {}), *BOUNDS)),
    )


def _known(section: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: section[name] for name in names if name in section}


def _whole(section: Mapping[str, Any], *names: str) -> dict[str, Any]:
    found = _known(section, *names)
    return {name: None if value is None else int(value) for name, value in found.items()}


def _applies_to(section: Mapping[str, Any]) -> AppliesTo:
    amount = section.get("amount_minor", {})
    segment = section.get("segment", "any")
    lists = {name: section.get(name, "any") for name in ("plans", "interval", "currency")}
    return AppliesTo(
        **{name: None if given == "any" else tuple(given) for name, given in lists.items()},
        segment=None
        if segment == "any"
        else {key: tuple(values) for key, values in segment.items()},
        amount_min=int(amount.get("min", 0)),
        amount_max=_whole(amount, "max").get("max"),
        trial_conversion=TrialConversion(section.get("trial_conversion", "any")),
    )


def _reminders(section: Mapping[str, Any]) -> ReminderPolicy:
    terms = section.get("terms")
    rows = None
    if terms is not None:
        rows = tuple(
            TermRow(from_months=int(row["from_months"]), days=_days(row["days"])) for row in terms
        )
    return ReminderPolicy(
        terms=REMINDERS.terms if rows is None else rows,
        changed_days=_days(section.get("changed_days", REMINDERS.changed_days)),
        card_days=_days(section.get("card_days", REMINDERS.card_days)),
    )


def _days(given: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(day) for day in given)


def _message(row: Mapping[str, Any]) -> MessageRow:
    when = row["when"]
    return MessageRow(
        step=row["step"],
        template=row["template"],
        for_class=MessageClass(when.get("class", "any")),
        **_whole(when, "day", "on_failure", "before_end"),
        on=when.get("on"),
        channel=row.get("channel", "mail"),
    )


def document_of(policy: Policy) -> dict[str, Any]:
    """The whole document of a policy, every field in it; `policy_from` makes the same of it."""
    to = policy.applies_to
    some = {"plans": to.plans, "interval": to.interval, "currency": to.currency}
    return {
        "name": policy.name,
        "applies_to": {
            **{name: "any" if given is None else list(given) for name, given in some.items()},
            "amount_minor": {"min": to.amount_min, "max": to.amount_max},
            "segment": "any"
            if to.segment is None
            else {key: list(values) for key, values in to.segment.items()},
            "trial_conversion": str(to.trial_conversion),
        },
        "collection": str(policy.collection),
        "retry": {
            "strategy": str(policy.retry.strategy),
            "window_days": policy.retry.window_days,
            "max_attempts": policy.retry.max_attempts,
            "min_spacing_hours": policy.retry.min_spacing_hours,
            "days": list(policy.retry.days),
        },
        "messages": [_row_of(row) for row in policy.messages],
        "reminders": {
            "terms": [
                {"from_months": row.from_months, "days": list(row.days)}
                for row in policy.reminders.terms
            ],
            "changed_days": list(policy.reminders.changed_days),
            "card_days": list(policy.reminders.card_days),
        },
        "access": {name: getattr(policy.access, name) for name in LEVELS},
        "end": {"subscription": policy.end.subscription, "invoice": policy.end.invoice},
        "after_cancel": policy.after_cancel,
        "late_payment": policy.late_payment,
        "backup_consent": policy.backup_consent,
        "materiality_minor": dict(policy.materiality_minor),
        "bounds": {name: getattr(policy.bounds, name) for name in BOUNDS},
    }


def _row_of(row: MessageRow) -> dict[str, Any]:
    when: dict[str, Any] = {"class": str(row.for_class)}
    for name in ("day", "on_failure", "before_end", "on"):
        if getattr(row, name) is not None:
            when[name] = getattr(row, name)
    return {"step": row.step, "template": row.template, "when": when, "channel": row.channel}


# What fields must not say together. Each rule names the place a merchant would mend.


def _name_is_free(policy: Policy) -> Iterator[Fault]:
    if policy.name in TAKEN_NAMES:
        yield Fault("name", f"`{policy.name}` is a word of the API's paths")


def _amounts_in_order(policy: Policy) -> Iterator[Fault]:
    to = policy.applies_to
    if to.amount_max is not None and to.amount_max < to.amount_min:
        yield Fault("applies_to.amount_minor.max", "is below `min`: no amount fits")


def _days_fit(policy: Policy) -> Iterator[Fault]:
    retry = policy.retry
    if retry.strategy is not Strategy.FIXED:
        if retry.days:
            yield Fault("retry.days", "only the strategy `fixed` has days")
        return
    if retry.max_attempts and not retry.days:
        yield Fault("retry.days", "the strategy `fixed` needs at least one day")
    for place, day in enumerate(retry.days):
        path = f"retry.days[{place}]"
        if place and day <= retry.days[place - 1]:
            yield Fault(path, "must be later than the day before it")
        if day > retry.window_days:
            yield Fault(path, f"lies after the window of {retry.window_days} days")


def _steps_are_told_apart(policy: Policy) -> Iterator[Fault]:
    for place, row in enumerate(policy.messages):
        for other in policy.messages[:place]:
            apart = {row.for_class, other.for_class} == {MessageClass.CARD, MessageClass.SOFT}
            if row.step == other.step and not apart:
                yield Fault(f"messages[{place}].step", "stands there already for the same class")
                break


def _rows_have_their_time(policy: Policy) -> Iterator[Fault]:
    for place, row in enumerate(policy.messages):
        path = f"messages[{place}].when"
        given = [name for name in ("day", "before_end", "on") if getattr(row, name) is not None]
        if len(given) != 1:
            yield Fault(path, "needs one of `day`, `before_end` and `on`, and one only")
        if row.on_failure is not None and row.day is None:
            yield Fault(f"{path}.on_failure", "brings a `day` forward, and there is none")
        wanted = ON_EVENT.get(row.template)
        if wanted != row.on:
            told = f"`on: {wanted}`" if wanted else "a day, not `on`"
            yield Fault(path, f"`{row.template}` is told by {told}")
        yield from _within_the_window(path, row, policy.retry.window_days)


def _within_the_window(path: str, row: MessageRow, window: int) -> Iterator[Fault]:
    for name in ("day", "before_end"):
        days = getattr(row, name)
        if days is not None and days > window:
            yield Fault(f"{path}.{name}", f"lies outside the window of {window} days")


def _end_is_announced(policy: Policy) -> Iterator[Fault]:
    """No end without a final notice: every class of refusal gets one in time."""
    if policy.end == EndPolicy(subscription="leave", invoice="leave"):
        return
    notices = [
        row for row in policy.messages if row.template == "final_notice" and row.channel == "mail"
    ]
    classes = {row.for_class for row in notices}
    if MessageClass.ANY not in classes and not classes >= {MessageClass.CARD, MessageClass.SOFT}:
        yield Fault(
            "messages",
            "an end needs a `final_notice` for every class of refusal; without one set "
            "`end.subscription` and `end.invoice` to `leave`",
        )
    if len({row.step for row in notices}) > 1:
        yield Fault("messages", "final notices for different classes are one step")
    for place, row in enumerate(policy.messages):
        if row.template == "final_notice" and _lead(row, policy) < FINAL_NOTICE_DAYS:
            path = f"messages[{place}].when"
            yield Fault(path, f"a final notice goes out {FINAL_NOTICE_DAYS} days before the end")


def _lead(row: MessageRow, policy: Policy) -> int:
    if row.before_end is not None:
        return row.before_end
    return policy.retry.window_days - (row.day or 0)


def _windows_are_met(policy: Policy) -> Iterator[Fault]:
    for missed in missed_windows(policy.reminders):
        yield Fault("reminders", missed)


def _access_only_falls(policy: Policy) -> Iterator[Fault]:
    latest = 0
    for name in LEVELS:
        day = getattr(policy.access, name)
        if day is not None and day < latest:
            yield Fault(f"access.{name}", "comes before the level that is milder")
        latest = max(latest, day or 0)


RULES: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _name_is_free,
    _amounts_in_order,
    _days_fit,
    _steps_are_told_apart,
    _rows_have_their_time,
    _end_is_announced,
    _windows_are_met,
    _access_only_falls,
)
