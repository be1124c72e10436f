"""The charts of the page, as inline SVG: the bar of a speed, and curves of speed over size. Colours and strokes are in
page.css, by the class of a variant; the numbers are in tables beside every chart.
"""

import math
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

BAR = 100  # width of the limit or the fastest, whichever is more: a bar is a percentage of it
WIDTH, HEIGHT = 360, 270  # of a curve: about the width of a phone, so that text keeps its size there
LEFT, TOP, BOTTOM = 40, 34, 40
LETTER = 7.8  # width of a bold letter of the widest of the usual fonts
LABEL = 12  # height of a line of text


def _svg(width: float, height: float, **attributes: str) -> Element:
    return Element("svg", viewBox=f"0 0 {width:g} {height:g}", **attributes)


def _markup(element: Element) -> Markup:
    return Markup(tostring(element, encoding="unicode"))


def _add(parent: Element, tag: str, text: str | None = None, **attributes: float | str) -> Element:
    named = {
        k.rstrip("_").replace("_", "-"): f"{v:.5g}" if isinstance(v, float) else str(v) for k, v in attributes.items()
    }
    child = SubElement(parent, tag, named)
    child.text = text
    return child


@dataclass
class Speed:
    """Of a bar: the median, the slowest and the fastest repetition, and what the arithmetic would allow."""

    median: float
    least: float
    most: float
    arithmetic: float | None


def bar(speed: Speed, limit: float | None, longest: float, css: str) -> Markup:
    """On a track that ends at the memory's limit, with a line there and one at the arithmetic's, where they are not
    beyond the longest; the spread of the repetitions as a line with ends.
    """
    svg = _svg(BAR, 10, preserveAspectRatio="none", **{"class": "bar", "aria-hidden": "true"})
    if limit:
        _add(svg, "rect", class_="track", width=BAR * limit / longest, height=10)
    _add(svg, "rect", class_=f"speed {css}", y=1, width=BAR * speed.median / longest, height=8)
    for bound, mark in ((limit, "limit-mark"), (speed.arithmetic, "arithmetic-mark")):
        if bound and bound <= longest:
            _add(svg, "rect", class_=mark, x=BAR * bound / longest - 0.5, width=0.5, height=10)
    least, most = BAR * speed.least / longest, BAR * speed.most / longest
    _add(svg, "path", class_="spread", d=f"M{least:.4g} 3V7M{least:.4g} 5H{most:.4g}M{most:.4g} 3V7")
    return _markup(svg)


def cell(shares: list[tuple[float, str]]) -> Markup:
    """The first share of a limit as a bar, the others as ticks on it."""
    svg = _svg(BAR, 1, preserveAspectRatio="none", **{"class": "cell", "aria-hidden": "true"})
    for i, (share, css) in enumerate(shares):
        end = BAR * min(share, 1.0)
        _add(svg, "rect", class_=f"speed {css}", x=end - 1.5 if i else 0, width=1.5 if i else end, height=1)
    return _markup(svg)


@dataclass
class Series:
    name: str
    css: str
    points: list[tuple[float, float]] = field(default_factory=list)  # x, speed


@dataclass
class Axis:
    title: str
    ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]] = field(default_factory=list)  # lines across the chart, such as cache sizes


def curves(identifier: str, title: str, description: str, x: Axis, y_title: str, series: list[Series]) -> Markup:
    """Both axes are logarithmic. Every series has its name at its end."""
    xs = [point[0] for s in series for point in s.points]
    ys = [point[1] for s in series for point in s.points]
    x_low, x_high = math.log(min(xs)) - 0.2, math.log(max(xs)) + 0.2
    y_low, y_high = math.log10(min(ys)) - 0.08, math.log10(max(ys)) + 0.08
    right, bottom = WIDTH - 8 - LETTER * max(len(s.name) for s in series), HEIGHT - BOTTOM

    def at_x(value: float) -> float:
        return LEFT + (math.log(value) - x_low) / (x_high - x_low) * (right - LEFT)

    def at_y(value: float) -> float:
        return bottom - (math.log10(value) - y_low) / (y_high - y_low) * (bottom - TOP)

    svg = _svg(WIDTH, HEIGHT, role="img")
    svg.set("class", "curves")
    svg.set("aria-labelledby", f"{identifier}-title {identifier}-description")
    _add(svg, "title", title, id=f"{identifier}-title")
    _add(svg, "desc", description, id=f"{identifier}-description")

    grid = _add(svg, "g", class_="axis")
    for value in _ticks(10**y_low, 10**y_high):
        _add(grid, "line", x1=LEFT, x2=right, y1=at_y(value), y2=at_y(value))
        _add(grid, "text", f"{value:g}", x=LEFT - 5, y=at_y(value) + 4, text_anchor="end")
    for value, text in x.ticks:
        if x_low <= math.log(value) <= x_high:
            _add(grid, "line", class_="tick", x1=at_x(value), x2=at_x(value), y1=bottom, y2=bottom + 4)
            _add(grid, "text", text, x=at_x(value), y=bottom + 16, text_anchor="middle")
    _add(grid, "text", x.title, x=(LEFT + right) / 2, y=HEIGHT - 6, text_anchor="middle")
    _add(grid, "text", y_title, x=2, y=LABEL)
    for value, text in x.marks:
        if x_low <= math.log(value) <= x_high:
            _add(grid, "line", class_="mark", x1=at_x(value), x2=at_x(value), y1=TOP, y2=bottom)
            _add(grid, "text", text, x=at_x(value), y=TOP - 4, text_anchor="middle", class_="mark")

    for s in series:
        group = _add(svg, "g", class_=f"series {s.css}")
        places = [(at_x(a), at_y(b)) for a, b in sorted(s.points)]
        _add(group, "polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in places))
        for (a, b), (_, speed) in zip(places, sorted(s.points)):
            _add(_add(group, "circle", cx=a, cy=b, r=2.5), "title", f"{s.name}: {speed:.3g}")
    for s, y in _spread([(s, at_y(max(s.points)[1])) for s in series], bottom):
        _add(svg, "text", s.name, class_=f"name {s.css}", x=right + 6, y=y + 4)
    return _markup(svg)


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten; of a short axis twice and five times these, too."""
    steps = (1,) if math.log10(high / low) > 2 else (1, 2, 5)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]


def _spread(labels: list[tuple[Series, float]], bottom: float) -> list[tuple[Series, float]]:
    """Moves labels that would lie on each other apart, up where the chart's end is reached."""
    placed: list[tuple[Series, float]] = []
    for s, y in sorted(labels, key=lambda label: label[1]):
        placed.append((s, max(y, placed[-1][1] + LABEL) if placed else max(y, TOP)))
    low = bottom
    for i in reversed(range(len(placed))):
        placed[i] = (placed[i][0], min(placed[i][1], low))
        low = placed[i][1] - LABEL
    return placed
