"""What a chart is made of: every value at its height, and nothing outside the picture."""

import re
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pages.finance.charts import (
    BOTTOM,
    DRAWN,
    HEIGHT,
    LEFT,
    TOP,
    WIDTH,
    Data,
    Series,
    bars,
    lines,
    pie,
    scale_for,
)

MONTHS = ("Jan", "Feb", "Mar")
NUMBERS = re.compile(r"-?[\d.]+")


def test_bars_stand_on_each_other() -> None:
    drawing = bars(Data(MONTHS, (Series("cards", (10, 0, 30)), Series("retries", (30, 20, None)))))

    first, second, *_ = drawing.areas
    zero, top = drawing.grid[0], drawing.grid[-1]
    assert [(shape.label, shape.name, shape.value) for shape in drawing.areas] == [
        ("Jan", "cards", 10),
        ("Jan", "retries", 30),
        ("Feb", "retries", 20),
        ("Mar", "cards", 30),
    ]
    assert (zero.value, zero.at) == (0, HEIGHT - BOTTOM)
    assert (top.value, top.at) == (40, TOP)
    assert second.y < first.y
    assert second.path.startswith(
        f"M{first.path[1:].split()[0]} {first.path.split('V')[1].split('H')[0]}"
    )


def test_what_is_below_nothing_hangs_down() -> None:
    drawing = bars(Data(MONTHS, (Series("net", (30, -10, 5)),)))

    zero = next(line.at for line in drawing.grid if line.value == 0)
    up, down, _ = drawing.areas
    assert up.y < zero < down.y


def test_a_line_is_broken_where_nothing_is_known() -> None:
    drawing = lines(Data(MONTHS, (Series("rate", (0.5, None, 0.25)),)))

    assert drawing.lines[0].path.count("M") == 2
    assert [(dot.label, dot.value) for dot in drawing.dots] == [("Jan", 0.5), ("Mar", 0.25)]


def test_a_pie_of_one_is_a_whole_circle_and_of_nothing_is_nothing() -> None:
    whole = pie(Data(("too expensive",), (Series("n", (7,)),)))
    nothing = pie(Data(("a", "b"), (Series("n", (0, None)),)))

    assert " 0 1 1 " in whole.areas[0].path
    assert nothing.areas == ()
    assert Data(("a",), (Series("n", (0,)),)).empty


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [(0, 0, (0, 4)), (0, 38, (0, 40)), (0, 41, (0, 80)), (-5, 10, (-5, 15))],
)
def test_a_scale_ends_at_round_values(low: float, high: float, ends: tuple[float, float]) -> None:
    scale = scale_for(low, high)

    assert (scale.low, scale.high) == ends


VALUES = st.none() | st.floats(-1e12, 1e12).map(lambda value: round(value, 6))


@given(
    kind=st.sampled_from(sorted(DRAWN)),
    rows=st.integers(0, 40).flatmap(
        lambda size: st.lists(st.lists(VALUES, min_size=size, max_size=size), max_size=10)
    ),
)
def test_nothing_leaves_the_picture(kind: str, rows: list[list[float | None]]) -> None:
    size = len(rows[0]) if rows else 0
    labels = tuple(f"label {n}" for n in range(size))
    data = Data(labels, tuple(Series(f"s{n}", tuple(row)) for n, row in enumerate(rows)))

    drawing = DRAWN[kind](data)

    for shape in (*drawing.areas, *drawing.dots):
        assert LEFT - 1 <= shape.x <= WIDTH
        assert TOP - 1 <= shape.y <= HEIGHT - BOTTOM + 1
        assert "nan" not in shape.path
        assert shape.hue in range(8)
    if drawing.grid:
        assert isclose(drawing.grid[0].at, HEIGHT - BOTTOM)
        assert isclose(drawing.grid[-1].at, TOP)
