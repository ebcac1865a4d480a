"""Questions: what is meant without words, and each wrong word refused by name."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.asking import Question, WrongParameter, cut_off, question
from app.reports.entries import Cursor, cursor_of
from app.reports.periods import Step, cut, day_of, first_day, midnight, months_in
from tests.reports.builders import LATER, day, entry
from tests.reports.conftest import Ledger

pytestmark = pytest.mark.anyio
# Zones whose clocks jump at midnight, by half an hour, or over a whole day.
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC",
        "America/New_York",
        "America/Havana",
        "America/Sao_Paulo",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    )
]
INSTANTS = st.integers(0, 25 * 365 * 86_400 * 10**6).map(
    lambda micros: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)


@pytest.mark.parametrize(
    ("since", "to", "months"),
    [
        ("2026-01-01", "2026-02-01", Fraction(1)),
        ("2026-01-05", "2026-01-12", Fraction(7, 31)),
        ("2026-01-05", "2026-02-10", Fraction(27, 31) + Fraction(9, 28)),
        ("2025-01-01", "2026-01-01", Fraction(12)),
        ("2026-01-05", "2026-01-01", Fraction(0)),
    ],
)
@pytest.mark.parametrize("zone", ZONES, ids=lambda zone: zone.key)
def test_a_span_is_as_many_months_long_as_it_has_of_each(
    since: str, to: str, months: Fraction, zone: ZoneInfo
) -> None:
    starts_at, ends_at = (midnight(date.fromisoformat(day), zone) for day in (since, to))

    assert months_in(starts_at, ends_at, zone) == pytest.approx(months, rel=0.01)


@given(INSTANTS, st.integers(1, 3_000_000), st.sampled_from(Step), st.sampled_from(ZONES))
def test_periods_cover_a_span_without_gap_or_overlap(
    starts_at: datetime, seconds: int, step: Step, zone: ZoneInfo
) -> None:
    ends_at = starts_at + timedelta(seconds=seconds)

    periods = list(cut(starts_at, ends_at, step, zone))

    edges = [period.starts_at for period in periods] + [ends_at]
    assert edges[0] == starts_at
    assert [period.ends_at for period in periods] == edges[1:]
    assert all(day_of(p.starts_at, zone) >= p.day == first_day(p.day, step) for p in periods)


@given(INSTANTS, st.sampled_from(ZONES))
def test_an_instant_lies_in_its_day(instant: datetime, zone: ZoneInfo) -> None:
    today = day_of(instant, zone)

    assert midnight(today, zone) <= instant < midnight(today + timedelta(days=1), zone)


def test_a_day_whose_midnight_is_skipped_begins_when_clocks_jump() -> None:
    beirut = ZoneInfo("Asia/Beirut")

    found = midnight(date(2025, 3, 30), beirut)

    assert found == datetime(2025, 3, 29, 22, tzinfo=UTC)
    assert day_of(found, beirut) == date(2025, 3, 30)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("from", "2026-03-02"),
        ("from", "2026-02-30"),
        ("from", "1999-12-31"),
        ("from", "yesterday"),
        ("from", "20260101"),
        ("from", "2026-01-01T00:00:00"),
        ("from", "2026-03-02T00:00:00Z"),
        ("from", "\u0662\u0660\u0662\u0666-01-01"),
        ("to", "2200-01-01"),
        ("to", "2999-01-01T00:00:00Z"),
        ("to", "2026-01-01T25:00:00Z"),
        ("to", ""),
        ("to", "2099-01-01"),
        ("currency", "USD"),
        ("currency", "us"),
        ("currency", "us1"),
        ("as_of", "2026-12-01T00:00:01Z"),
        ("as_of", "2026-01-01"),
        ("as_of", "2026-01-01T00:00:00"),
        ("as_of", "now"),
    ],
)
def test_a_wrong_word_is_refused_under_its_name(name: str, word: str) -> None:
    words = {"from": "2026-01-01", "to": "2026-03-01", "as_of": "2026-11-01T00:00:00Z", name: word}

    def asked() -> Question:
        as_of = cut_off(words["as_of"], now=LATER)
        return question(words, merchant_id="m", zone=ZONES[0], as_of=as_of, keys=frozenset())

    with pytest.raises(WrongParameter) as refused:
        asked()

    assert refused.value.name == name
    assert word == "" or word not in refused.value.detail


@pytest.mark.parametrize(
    ("endpoint", "name", "word"),
    [
        ("recovered-revenue", "interval", "hour"),
        ("recovered-revenue", "group_by", "country"),
        ("recovered-revenue", "group_by", "cause,,plan"),
        ("recovery-rate", "group_by", "cause"),
        ("recovery-rate", "w", "0"),
        ("recovery-rate", "w", "367"),
        ("recovery-rate", "w", "-1"),
        ("recovery-rate", "w", "1.5"),
        ("recovery-rate", "view", "young"),
        ("recovered-revenue/entries", "limit", "0"),
        ("recovered-revenue/entries", "limit", "1001"),
        ("recovered-revenue/entries", "cause", "luck"),
        ("recovered-revenue/entries", "kind", "stolen"),
        ("recovered-revenue/entries", "plan", "nul\x00"),
        ("recovered-revenue/entries", "cursor", "bm9uc2Vuc2U"),
        ("recovered-revenue/entries", "cursor", "!"),
        ("recovered-revenue/entries", "cursor", "\u00fc"),
        ("recovered-revenue/entries", "cursor", "W10"),
        ("recovered-revenue/entries", "cursor", "WzEsMiwzLDRd"),
        ("recovered-revenue/entries", "cursor", ""),
    ],
)
async def test_a_wrong_word_of_one_question_is_refused(
    ledger: Ledger, endpoint: str, name: str, word: str
) -> None:
    with pytest.raises(WrongParameter) as refused:
        await ledger.tells(endpoint, **{name: word})

    assert refused.value.name == name


@pytest.mark.parametrize(
    ("interval", "since", "fits"),
    [
        ("day", "2023-01-01", True),
        ("day", "2022-01-01", False),
        ("month", "2006-01-01", True),
        ("month", "2005-01-01", False),
    ],
)
def test_days_may_span_three_years_and_months_twenty(interval: str, since: str, fits: bool) -> None:
    words = {"from": since, "to": "2025-12-31", "interval": interval}

    def asked() -> Question:
        return question(words, merchant_id="m", zone=ZONES[0], as_of=LATER, keys=frozenset())

    if fits:
        assert asked().step == interval
    else:
        with pytest.raises(WrongParameter, match="to: the span is longer than"):
            asked()


async def test_a_cursor_fits_only_its_own_question(ledger: Ledger) -> None:
    await ledger.holds(entry(1, at=day(1)), entry(2, at=day(2)))
    page = await ledger.tells("recovered-revenue/entries", limit="1", currency="usd")

    with pytest.raises(WrongParameter, match="cursor: belongs to a question with other"):
        await ledger.tells("recovered-revenue/entries", cursor=page["next_cursor"], currency="eur")


@given(INSTANTS, INSTANTS, st.text("0123456789abcdef_", min_size=1, max_size=40))
def test_a_cursor_comes_back_as_it_left(as_of: datetime, at: datetime, entry_id: str) -> None:
    words = {"currency": "usd"}
    cursor = Cursor(as_of=as_of, after=(at, entry_id))

    assert cursor_of(words | {"cursor": cursor.text(words), "limit": "5"}) == cursor
