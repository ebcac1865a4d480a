"""Charts as plain shapes: what is drawn where, in the units of the view box. No pixels, no words.

Whoever cannot see a chart reads the table beside it; colours and dashes come from the sheet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, floor, log10, pi, sin

WIDTH, HEIGHT = 720.0, 280.0
LEFT, RIGHT, TOP, BOTTOM = 92.0, 12.0, 12.0, 30.0
COLOURS = 8  # classes `hue-0` to `hue-7` in the sheet; more series begin again
MOST_LABELS = 12
LETTER = 8.5  # about as wide as a letter of a label is
MOST_SHAPES = 60  # in a chart that can be pointed at one by one
TICKS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """A named row of values, one for each label; None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Data:
    """What is to be drawn: labels along the bottom (or of the slices) and the series."""

    labels: tuple[str, ...]
    series: tuple[Series, ...]
    whole: bool = False  # whether the values are whole numbers, so that no line stands between them

    @property
    def empty(self) -> bool:
        """Whether nothing would be seen."""
        return not any(value for line in self.series for value in line.values)

    @property
    def unknown(self) -> bool:
        """Whether there is not one value, not even nothing."""
        return all(value is None for line in self.series for value in line.values)


@dataclass(frozen=True, slots=True)
class Shape:
    """One thing to draw: a `path` in a hue, and the label, series and value it stands for."""

    path: str
    hue: int
    label: str
    name: str
    value: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Axis:
    """A grid line with its value, or a label along the bottom."""

    at: float
    value: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart ready for the template. `lines` are strokes, `areas` are filled."""

    areas: tuple[Shape, ...] = ()
    lines: tuple[Shape, ...] = ()
    dots: tuple[Shape, ...] = ()
    grid: tuple[Axis, ...] = ()
    labels: tuple[Axis, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to heights."""

    low: float
    high: float

    def y(self, value: float) -> float:
        """Where a value lies; larger values lie higher."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def grid(self) -> tuple[Axis, ...]:
        """Lines at round values, the lowest and the highest among them."""
        step = (self.high - self.low) / TICKS
        return tuple(Axis(self.y(v), v) for v in (self.low + n * step for n in range(TICKS + 1)))


def scale_for(low: float, high: float, *, whole: bool = False) -> Scale:
    """A scale that reaches from nothing, or from what lies below it, to a round value."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(_round_up((high - low) / TICKS or 1.0), 1.0 if whole else 0.0)
    step = 5.0 if whole and step == 2.5 else step
    down = 0
    while -down * step > low:
        down += 1
    while (TICKS - down) * step < high:
        step = _round_up(step * 1.01)
        down = 0
        while -down * step > low:
            down += 1
    return Scale(-down * step, (TICKS - down) * step)


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next(power * n for n in (1.0, 2.0, 2.5, 5.0, 10.0) if power * n >= value * (1 - 1e-9))


def bars(data: Data) -> Drawing:
    """Stacked bars: a column for each label. What is below nothing hangs down."""
    sums = [
        [sum(v for v in column if v and v * sign > 0) for column in _columns(data)]
        for sign in (-1, 1)
    ]
    scale = scale_for(min(sums[0], default=0.0), max(sums[1], default=0.0), whole=data.whole)
    slot = (WIDTH - LEFT - RIGHT) / max(len(data.labels), 1)
    thick = min(slot * 0.72, 48.0)
    areas = []
    for place, label in enumerate(data.labels):
        up = down = 0.0
        x = LEFT + slot * (place + 0.5) - thick / 2
        for hue, line in enumerate(data.series):
            value = line.values[place] or 0.0
            base = up if value > 0 else down
            if value:
                path = _box(x, scale.y(base + value), thick, scale.y(base))
                middle = round(x + thick / 2, 1), scale.y(base + value / 2)
                areas.append(Shape(path, hue % COLOURS, label, line.name, value, *middle))
            up, down = up + max(value, 0.0), down + min(value, 0.0)
    return Drawing(areas=_few(areas), grid=scale.grid(), labels=_labels(data.labels, slot))


def beside(data: Data) -> Drawing:
    """Bars side by side: for each label one of each series. For values that do not add up."""
    known = [v for line in data.series for v in line.values if v is not None]
    scale = scale_for(min(known, default=0.0), max(known, default=0.0), whole=data.whole)
    slot = (WIDTH - LEFT - RIGHT) / max(len(data.labels), 1)
    thick = min(slot * 0.8 / max(len(data.series), 1), 40.0)
    areas = []
    for place, label in enumerate(data.labels):
        first = LEFT + slot * (place + 0.5) - thick * len(data.series) / 2
        for nth, line in enumerate(data.series):
            if value := line.values[place]:
                x, y = first + thick * nth, scale.y(value)
                path = _box(x, y, thick, scale.y(0.0))
                middle = round(x + thick / 2, 1), scale.y(value / 2)
                areas.append(Shape(path, nth % COLOURS, label, line.name, value, *middle))
    return Drawing(areas=_few(areas), grid=scale.grid(), labels=_labels(data.labels, slot))


def lines(data: Data) -> Drawing:
    """A line for each series, broken where a value is missing; a dot at each value."""
    known = [v for line in data.series for v in line.values if v is not None]
    scale = scale_for(min(known, default=0.0), max(known, default=0.0), whole=data.whole)
    slot = (WIDTH - LEFT - RIGHT) / max(len(data.labels), 1)
    strokes, dots = [], []
    for hue, line in enumerate(data.series):
        path, pen = "", "M"
        for place, value in enumerate(line.values):
            if value is None:
                pen = "M"
                continue
            x, y = round(LEFT + slot * (place + 0.5), 1), scale.y(value)
            path, pen = f"{path}{pen}{x:g} {y:g}", "L"
            dots.append(Shape("", hue % COLOURS, data.labels[place], line.name, value, x, y))
        strokes.append(Shape(path, hue % COLOURS, "", line.name, 0.0, 0.0, 0.0))
    return Drawing(
        lines=tuple(strokes),
        dots=_few(dots),
        grid=scale.grid(),
        labels=_labels(data.labels, slot),
    )


def pie(data: Data) -> Drawing:
    """Slices of the first series, a hue for each label, from the top and with the clock."""
    values = [max(value or 0.0, 0.0) for value in data.series[0].values] if data.series else []
    whole, begun, areas = sum(values), 0.0, []
    for place, (label, value) in enumerate(zip(data.labels, values, strict=True)):
        if value:
            path = _slice(begun / whole, (begun + value) / whole)
            middle = _on_circle((begun + value / 2) / whole, 70.0)
            areas.append(Shape(path, place % COLOURS, label, label, value, *middle))
        begun += value
    return Drawing(areas=tuple(areas))


CENTRE_X, CENTRE_Y, RADIUS = WIDTH / 2, HEIGHT / 2, 120.0
ALMOST_ALL = 0.9999  # an arc that ends where it begins is not drawn


def _slice(begin: float, end: float) -> str:
    end = min(end, begin + ALMOST_ALL)
    (x1, y1), (x2, y2) = _on_circle(begin, RADIUS), _on_circle(end, RADIUS)
    large = int(end - begin > 0.5)
    return (
        f"M{CENTRE_X:g} {CENTRE_Y:g}L{x1:g} {y1:g}A{RADIUS:g} {RADIUS:g} 0 {large} 1 {x2:g} {y2:g}Z"
    )


def _on_circle(share: float, radius: float) -> tuple[float, float]:
    angle = 2 * pi * share
    return round(CENTRE_X + radius * sin(angle), 1), round(CENTRE_Y - radius * cos(angle), 1)


def _box(x: float, y: float, thick: float, base: float) -> str:
    left, right = round(x, 1), round(x + thick, 1)
    return f"M{left:g} {base:g}V{y:g}H{right:g}V{base:g}Z"


def _few(shapes: Sequence[Shape]) -> tuple[Shape, ...]:
    """The shapes as they are, each with its value. Where they are too many to point at, one for all
    of a series, which has no value: the table has them."""
    if len(shapes) <= MOST_SHAPES:
        return tuple(shapes)
    paths: dict[tuple[int, str], list[str]] = {}
    for shape in shapes:
        paths.setdefault((shape.hue, shape.name), []).append(shape.path)
    return tuple(
        Shape("".join(found), hue, "", name, 0.0, LEFT, TOP)
        for (hue, name), found in paths.items()
        if any(found)
    )


def _columns(data: Data) -> list[list[float | None]]:
    return [[line.values[place] for line in data.series] for place in range(len(data.labels))]


def _labels(labels: Sequence[str], slot: float) -> tuple[Axis, ...]:
    every = -(-len(labels) // MOST_LABELS)
    room = int(slot * every / LETTER)
    return tuple(
        Axis(round(LEFT + slot * (place + 0.5), 1), text=_short(label, room))
        for place, label in enumerate(labels)
        if place % every == 0
    )


def _short(label: str, room: int) -> str:
    return label if len(label) <= room else f"{label[: max(room - 1, 1)]}\u2026"


DRAWN = {"bars": bars, "beside": beside, "lines": lines, "pie": pie}
