"""Makes the report of a run of the bench: report.html (one page with a script of its own, nothing outside of it), its
twin report.md, and report.json with every number of both; and the speeds of the ISAs for programs that follow them from
run to run: github-action-benchmark.json (customBiggerIsBetter) and bencher.json (Bencher Metric Format). Needs Debian's
python3-jinja2.
"""

import argparse
import base64
import hashlib
import json
import sys
from pathlib import Path

import jinja2
from markupsafe import Markup

import charts
import in_words
import limits
import measured

HERE = Path(__file__).resolve().parent
RATE_WORDS = {  # of bench/report/limits.py
    "fma": "multiplications",
    "add": "additions",
    "shuffle": "shuffles",
    "convert": "conversions",
    "any": "vector operations",
}
PEER_COLOURS, ISA_COLOURS = 6, 4  # in page.css


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", type=Path, help="vloss-bench --benchmark_out=... --benchmark_out_format=json")
    parser.add_argument("check", type=Path, nargs="?", help="vloss-check --json ...: adds worst errors and equal bits")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the files (default: this one)")
    parser.add_argument("--operations", type=Path, default=limits.OPERATIONS, help="the operations of the inner loops")
    arguments = parser.parse_args()
    try:
        check = arguments.check and _read(arguments.check)
        report = measured.report(_read(arguments.bench), check, arguments.operations)
        arguments.out.mkdir(parents=True, exist_ok=True)
        pages = {
            "report.json": _json(report),
            "report.md": _render("page.md", report),
            "report.html": _render("page.html", report),
            "github-action-benchmark.json": _json(for_github_action_benchmark(report)),
            "bencher.json": _json(for_bencher(report)),
        }
        for name, text in pages.items():
            (arguments.out / name).write_text(text, encoding="utf-8")
    except (OSError, measured.InputError) as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 1
    return 0


def _json(value) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def _speeds_of_isas(report: dict):
    """The name of each row of an ISA, as the bench has it, with its unit and speed."""
    for function in report["functions"]:
        for point in function["points"]:
            for speed in point["speeds"]:
                if speed["kind"] == "isa":
                    sizes = "/".join(f"{letter}:{count}" for letter, count in point["sizes"].items())
                    yield f"{function['name']}/{speed['variant']}/{sizes}", point["unit"], speed


def for_github_action_benchmark(report: dict) -> list[dict]:
    return [
        {"name": name, "unit": f"{unit}/s", "value": speed["per_second"], "range": f"{speed['spread']:.1%}"}
        for name, unit, speed in _speeds_of_isas(report)
    ]


def for_bencher(report: dict) -> dict:
    return {
        name: {
            "throughput": {
                "value": speed["per_second"],
                "lower_value": speed["least_per_second"],
                "upper_value": speed["most_per_second"],
            }
        }
        for name, _, speed in _speeds_of_isas(report)
    }


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise measured.InputError(f"{path}: not JSON: {error}") from error


def _render(template: str, report: dict) -> str:
    page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=template.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    colours = _Colours(report)
    page.filters.update(
        speed=in_words.speed,
        share=in_words.share,
        times=in_words.times,
        words=in_words.words,
        size=in_words.size,
        ulp=in_words.ulp,
        ulp_worst=in_words.ulp_worst,
        anchor=in_words.anchor,
        traffic=in_words.traffic,
    )
    page.globals.update(
        bar=lambda point, s: bar(point, s, colours),
        figures=figures,
        least_over_rival=least_over_rival,
        bound=bound,
        variants_of=variants_of,
        cell=lambda point: cell(point, colours),
        breakable=in_words.breakable,
        css=colours.css,
        best=best,
        by_level=by_level,
        size_curve=lambda function: size_curve(function, report["machine"]["caches"], colours),
        classes_curve=lambda function: classes_curve(function, colours),
        level_names=[cache["name"] for cache in report["machine"]["caches"]] + [limits.IN_MEMORY],
        near_limit=measured.NEAR_LIMIT,
        noise=measured.AHEAD - 1,
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(script := (HERE / "page.js").read_text(encoding="utf-8")),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page.get_template(template).render(**report)


# ---- What the templates choose from the report ----------------------------------------------------------------------


class _Colours:
    """A class of page.css for every variant: ISAs by their place in the list, peers by theirs."""

    def __init__(self, report: dict):
        self._of = {"plain": "plain", "limit": "limit"}
        self._of |= {isa: f"isa{i % ISA_COLOURS}" for i, isa in enumerate(report["isas"])}
        self._of |= {f"plain-{isa}": f"plain{i % ISA_COLOURS}" for i, isa in enumerate(report["isas"])}
        self._of |= {peer["name"]: f"peer{i % PEER_COLOURS}" for i, peer in enumerate(report["peers"])}

    def css(self, variant: str) -> str:
        return self._of[variant]


def best(point: dict) -> dict | None:
    """The fastest ISA."""
    ours = [s for s in point["speeds"] if s["kind"] == "isa"]
    return max(ours, key=lambda s: s["per_second"]) if ours else None


def bar(point: dict, s: dict, colours: _Colours) -> Markup:
    longest = max([point["limit"] or 0.0] + [other["most_per_second"] for other in point["speeds"]])
    spread = charts.Speed(s["per_second"], s["least_per_second"], s["most_per_second"], s["arithmetic_limit"])
    return charts.bar(spread, point["limit"], longest, colours.css(s["variant"]))


def figures(point: dict, s: dict) -> str:
    """What a bar shows, for whoever points at it."""
    text = f"{s['variant']}: median {in_words.speed(s['per_second'])}, from {in_words.speed(s['least_per_second'])} to "
    text += f"{in_words.speed(s['most_per_second'])} in {s['repetitions']} {in_words.plural(s['repetitions'], 'repetitions')} "
    text += f"(spread {in_words.share(s['spread'])})"
    if point["limit"]:
        text += f"; the memory's limit {in_words.speed(point['limit'])}"
    if s["arithmetic_limit"]:
        text += f"; the arithmetic's {in_words.speed(s['arithmetic_limit'])}"
    return text + "; 10⁹ " + point["unit"] + " a second"


def least_over_rival(*points: dict) -> float | str:
    """Of the ISAs, the one that is furthest behind what it is held against; empty where there is nothing."""
    return min((s["over_rival"] for p in points for s in p["speeds"] if s["over_rival"] is not None), default="")


def variants_of(table: list[dict]) -> list[str]:
    """Whatever was timed with other inputs, in the order of the rows."""
    return list(dict.fromkeys(variant for row in table for of in row["times"].values() for variant in of))


def bound(name: str | None) -> str:
    return "–" if name is None else name if name == limits.IN_MEMORY else RATE_WORDS.get(name, name)


def cell(point: dict, colours: _Colours) -> Markup:
    """The fastest ISA, and where the others are, and what is ahead of it."""
    first = best(point)
    ahead = {other["variant"] for other in point["ahead"]}
    drawn = [first] + [s for s in point["speeds"] if s is not first and (s["kind"] == "isa" or s["variant"] in ahead)]
    return charts.cell([(s["share_of_limit"] or 0.0, colours.css(s["variant"])) for s in drawn])


def by_level(function: dict) -> dict[str, dict]:
    """One point for each level of the memory: of the main shape, or else the largest shape measured there."""
    chosen: dict[str, dict] = {}
    order = [p for p in function["points"] if p["sizes"].get("V") != function["main_classes"]]
    order += [p for p in function["points"] if p["sizes"].get("V") == function["main_classes"]]
    for point in order:
        chosen[point["level"]] = point
    return chosen


def _series(points: list[dict], x, colours: _Colours) -> list[charts.Series]:
    series: dict[str, charts.Series] = {}
    for point in points:
        speeds = [(s["variant"], s["per_second"]) for s in point["speeds"]]
        if point["limit"]:
            speeds.insert(0, ("limit", point["limit"]))
        for name, per_second in speeds:
            series.setdefault(name, charts.Series(name, colours.css(name))).points.append((x(point), per_second / 1e9))
    return list(series.values())


def size_curve(function: dict, caches: list[dict], colours: _Colours) -> Markup | None:
    points = [p for p in function["points"] if p["sizes"].get("V") == function["main_classes"]]
    if len({p["working_set"] for p in points}) < 2:
        return None
    ticks = [(float(1 << power), in_words.size(1 << power)) for power in range(10, 40, 4)]
    axis = charts.Axis("memory touched by a call", ticks, [(c["bytes"], c["name"]) for c in caches])
    return charts.curves(
        f"size-{in_words.anchor(function['name'])}",
        f"{function['name']}: speed against size",
        f"Speed in billions of {function['unit']} a second, from {in_words.size(points[0]['working_set'])} to "
        f"{in_words.size(points[-1]['working_set'])}. The numbers are in the tables of this section.",
        axis,
        f"billion {function['unit']} a second (both axes logarithmic)",
        _series(points, lambda p: p["working_set"], colours),
    )


def classes_curve(function: dict, colours: _Colours) -> Markup | None:
    """Over the classes of a row, in the level where most were measured."""
    if function["main_classes"] is None:
        return None
    levels: dict[str, dict[int, dict]] = {}
    for point in function["points"]:
        levels.setdefault(point["level"], {})[point["sizes"]["V"]] = point
    level, points = max(levels.items(), key=lambda item: len(item[1]))
    if len(points) < 3:
        return None
    ticks = [(10.0**power, f"{10**power:,}") for power in range(7)]
    return charts.curves(
        f"classes-{in_words.anchor(function['name'])}",
        f"{function['name']}: speed against the number of classes, in {level}",
        f"Speed in billions of {function['unit']} a second, from {min(points):,} to {max(points):,} classes. The "
        "numbers are in the tables of this section.",
        charts.Axis(
            f"classes in a row; all rows together fit in {level}"
            if level != limits.IN_MEMORY
            else "classes in a row; the rows are in memory",
            ticks,
        ),
        f"billion {function['unit']} a second (both axes logarithmic)",
        _series(list(points.values()), lambda p: p["sizes"]["V"], colours),
    )


if __name__ == "__main__":
    sys.exit(main())
