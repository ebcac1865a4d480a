"""What a sheet shows of an answer: gathered where it is much, complete where it is drawn."""

from datetime import date, timedelta
from typing import Any

import pytest

from app.pages.finance.charts import MOST_SHAPES, Data, Series, bars, beside, lines
from app.pages.finance.data import MOST, shown_of
from app.pages.finance.sheets import PARTS, SHEETS, Sheet
from app.pages.finance.telling import legend_of
from app.reports.figures import FIGURES

BY_KEY = {sheet.key: sheet for sheet in SHEETS}
HEAD = {
    "from": "2026-01-01T00:00:00Z",
    "to": "2026-02-01T00:00:00Z",
    "as_of": "2026-01-20T00:00:00Z",
    "time_zone": "UTC",
    "interval": "week",
}


def row(period: str = "2026-01-05", **cells: Any) -> dict[str, Any]:
    return {"period": period, "currency": "usd", **cells}


def test_a_week_in_which_nothing_came_in_is_nothing_and_one_to_come_is_not_there() -> None:
    rows = [row(net_minor=700, refunded_minor=0, dispute_lost_minor=0)]
    rows = [{**dict.fromkeys(BY_KEY["net"].tells, 0), **cells} for cells in rows]

    shown = shown_of(BY_KEY["net"], rows, HEAD)

    assert shown.data.labels == ("2025-12-29", "2026-01-05", "2026-01-12", "2026-01-19")
    assert shown.data.series[0].values == (0.0, 700.0, 0.0, 0.0)


def test_a_rate_of_a_week_in_which_nothing_failed_is_not_known() -> None:
    shown = shown_of(BY_KEY["rate"], [row(trial_conversion=False, rate="0.5", n=4)], HEAD)

    assert shown.data.series == (Series("Renewals", (None, 0.5, None, None)),)
    assert shown.noted == ((None, 4.0, None, None),)


def test_of_many_plans_the_largest_are_shown_and_the_others_gathered() -> None:
    rows = [row(plan=f"plan {n}", recovered_minor=n) for n in range(1, 21)]

    shown = shown_of(BY_KEY["plans"], rows, HEAD)

    names = [line.name for line in shown.data.series]
    assert len(names) == MOST
    assert names[-2:] == ["plan 20", "Others"]
    assert sum(line.values[1] or 0 for line in shown.data.series) == sum(range(1, 21))


def test_a_plan_that_brought_nothing_has_no_series() -> None:
    rows = [row(plan="pro", recovered_minor=700), row(plan=None, recovered_minor=0)]

    shown = shown_of(BY_KEY["plans"], rows, HEAD)

    assert [line.name for line in shown.data.series] == ["pro"]


def test_what_does_not_add_up_is_left_out_and_counted() -> None:
    rows = [row(plan=f"plan {n}", clv_minor=n) for n in range(1, 21)]

    shown = shown_of(BY_KEY["worth"], rows, HEAD)

    assert [line.name for line in shown.data.series] == [f"plan {n}" for n in range(14, 21)]
    assert shown.more == 13


def test_reasons_stand_by_size_the_small_ones_together() -> None:
    rows = [row(reason=None, n_ended=5), *(row(reason=f"no_{n}", n_ended=n) for n in range(1, 12))]

    shown = shown_of(BY_KEY["reasons"], rows, HEAD)

    assert shown.data.labels[:2] == ("No 11", "No 10")
    assert "No reason given" in shown.data.labels
    assert shown.data.labels[-1] == "Others"
    assert sum(shown.data.series[0].values) == 5 + sum(range(1, 12))  # type: ignore[arg-type]


def test_a_pie_names_what_it_has_a_slice_of_and_keeps_the_hues() -> None:
    counts = {"insufficient_funds": 4, "unknown": 0, "never": 1}
    rows = [row(decline_kind=kind, n_failed=n) for kind, n in counts.items()]

    named = legend_of(BY_KEY["failures"], shown_of(BY_KEY["failures"], rows, HEAD))

    assert sorted(name for _, name in named) == ["Card must not be tried again", "Short of funds"]
    assert len({hue for hue, _ in named}) == 2


def test_every_sheet_has_its_part_and_the_parts_stand_together() -> None:
    order = [sheet.part for sheet in SHEETS]

    assert list(dict.fromkeys(order)) == list(PARTS)
    assert sorted(order, key=list(PARTS).index) == order


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.key)
def test_a_sheet_shows_figures_of_the_registry(sheet: Sheet) -> None:
    columns = {figure.column for figure in FIGURES.values()}

    assert sheet.figures
    assert set(sheet.figures) <= columns


def test_more_shapes_than_can_be_pointed_at_become_one_for_each_series() -> None:
    first = date(2026, 1, 1)
    days = tuple(str(first + timedelta(days=n)) for n in range(MOST_SHAPES))
    data = Data(days, tuple(Series(name, (1.0,) * MOST_SHAPES) for name in ("cards", "retries")))

    stacked, alone, line = bars(data), beside(data), lines(data)

    assert [shape.name for shape in stacked.areas] == ["cards", "retries"]
    assert stacked.areas[0].path.count("M") == MOST_SHAPES
    assert len(alone.areas) == len(line.lines) == 2
    assert line.dots == ()


def test_bars_beside_each_other_each_stand_on_nothing() -> None:
    drawing = beside(Data(("half", "pause"), (Series("kept", (70, 10)), Series("cost", (30, 40)))))

    feet = {shape.path.split("V")[0].split()[1] for shape in drawing.areas}
    assert len(drawing.areas) == 4
    assert len(feet) == 1
    assert drawing.areas[0].x < drawing.areas[1].x


def test_what_is_counted_has_no_line_between_whole_numbers() -> None:
    drawing = bars(Data(("Jan",), (Series("ended", (2,)),), whole=True))

    assert [line.value for line in drawing.grid] == [0, 1, 2, 3, 4]
