"""The tables of the report beside the functions: each puts rows that belong together, as the bench names them, side by
side.
"""

import math
from collections import defaultdict

from limits import level_of

PLAIN = "plain"


def math_functions(rows: list[dict]) -> list[dict]:
    by: dict[tuple, dict] = defaultdict(dict)
    for row in rows:
        if row["parts"][0] == "math":
            _, function, isa, whose = row["parts"]
            by[function, isa][whose] = row["per_second"]
    return [{"function": function, "isa": isa, "per_second": speeds} for (function, isa), speeds in by.items()]


def calls(rows: list[dict], kind: str) -> list[dict]:
    by: dict[tuple, dict] = defaultdict(dict)
    for row in rows:
        if row["parts"][0] == kind:
            by["/".join(row["parts"][1:-1]), tuple(row["sizes"].items())][row["parts"][-1]] = row["nanoseconds"]
    return [{"function": name, "sizes": dict(sizes), "nanoseconds": ns} for (name, sizes), ns in by.items()]


def inputs(rows: list[dict]) -> list[dict]:
    """How many times as long as ordinary inputs others take, by function and size; of the variants timed with both."""
    ordinary = {("/".join(row["parts"]), tuple(row["sizes"].items())): row["per_second"] for row in rows}
    by: dict[tuple, dict] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row["parts"][0] == "inputs":
            _, which, *name = row["parts"]
            sizes = tuple(row["sizes"].items())
            if usual := ordinary.get(("/".join(name), sizes)):
                by["/".join(name[:-1]), sizes][which][name[-1]] = usual / row["per_second"]
    return [{"function": name, "sizes": dict(sizes), "times": dict(times)} for (name, sizes), times in by.items()]


def inner(rows: list[dict]) -> list[dict]:
    """How many times as long as with inner 1 an element takes, by function, classes and ISA."""
    by: dict[tuple, dict] = defaultdict(dict)
    for row in rows:
        if row["parts"][0] == "inner":
            _, *name, isa = row["parts"]
            by["/".join(name), row["sizes"]["V"], isa][row["sizes"]["inner"]] = row["per_second"]
    return [
        {
            "function": name,
            "classes": classes,
            "isa": isa,
            "times": {str(n): speeds[1] / speed for n, speed in sorted(speeds.items()) if n != 1},
        }
        for (name, classes, isa), speeds in by.items()
        if 1 in speeds
    ]


def types(typed: list[dict], rows: list[dict], isas: list[str], caches: list[dict]) -> list[dict]:
    """What another type gains: the speed of each variant, and how many times that is of f32's row of the same function,
    variant and classes that touches about as much memory; and of the ISAs how many times the type's plain loop.
    """
    usual: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        usual["/".join(row["parts"]), row["sizes"].get("V")].append(row)
    by: dict[tuple, dict] = defaultdict(lambda: defaultdict(dict))
    for row in typed:
        name, classes = "/".join(row["parts"][:-1]), row["sizes"].get("V")
        level = level_of(row["working_set"], caches)
        near = [
            r for r in usual[name + "/" + row["parts"][-1], classes] if level_of(r["working_set"], caches) == level
        ]
        same = min(near, key=lambda r: abs(math.log(r["working_set"] / row["working_set"])), default=None)
        by[name, classes, level, row["parts"][-1]][row["type"]] = {
            "per_second": row["per_second"],
            "over_f32": row["per_second"] / same["per_second"] if same else None,
            "over_plain": None,
        }
    for (name, classes, level, variant), of in by.items():
        for type_, speed in of.items():
            plain = by.get((name, classes, level, f"{PLAIN}-{variant}")) or by.get((name, classes, level, PLAIN), {})
            if variant in isas and (plain := plain.get(type_)):
                speed["over_plain"] = speed["per_second"] / plain["per_second"]
    return [
        {"function": name, "classes": classes, "level": level, "variant": variant, "types": dict(of)}
        for (name, classes, level, variant), of in by.items()
    ]


def threads(shared: list[dict], rows: list[dict], caches: list[dict]) -> list[dict]:
    """How many times as fast as one thread several are: each row beside the one of the same name without threads."""
    alone = {("/".join(row["parts"]), tuple(row["sizes"].items())): row for row in rows}
    by: dict[tuple, dict] = defaultdict(dict)
    for row in shared:
        name, sizes = "/".join(row["parts"]), tuple(row["sizes"].items())
        if one := alone.get((name, sizes)):
            level = level_of(one["working_set"], caches)
            by["/".join(row["parts"][:-1]), sizes, level, row["parts"][-1]][row["threads"]] = (
                row["per_second"] / one["per_second"]
            )
    return [
        {"function": name, "sizes": dict(sizes), "level": level, "isa": isa,
         "times": {str(n): t for n, t in of.items()}}  # fmt: skip
        for (name, sizes, level, isa), of in by.items()
    ]
