"""Brings what vloss-bench and vloss-check wrote into the order of the report: report.json, which the page and its
Markdown twin print. Works from the names of the rows alone: FUNCTION/VARIANT/SIZES, limit/TRAFFIC/WAY/..,
rate/OPERATION/ISA, math/FUNCTION/ISA/WHOSE, call/FUNCTION/VARIANT/SIZES, cold/FUNCTION/VARIANT/SIZES,
inputs/WHICH/FUNCTION/VARIANT/SIZES and inner/FUNCTION/ISA/SIZES; on several threads
FUNCTION/ISA/SIZES/threads:N/real_time; of another type than f32 FUNCTION/VARIANT/TYPE/SIZES. A variant is an ISA of the
context, "plain", "plain-ISA" (the plain loop compiled for that ISA), or else a peer. What a speed is held against is in
limits.py.
"""

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import checked
import limits
import machine
import tables
import timed
from checked import InputError
from limits import level_of
from tables import PLAIN

BASELINE = "scalar"
NEAR_LIMIT = 0.8  # of the limit's speed: what the summary counts as near
AHEAD = 1.03  # times the fastest ISA: less is noise, even where repetitions are interleaved
NOT_FUNCTIONS = ("limit", "rate", "math", "call", "cold", "inputs", "inner")  # what the names of other rows begin with


def report(bench: dict, check: dict | None, operations: Path = limits.OPERATIONS) -> dict:
    """The whole report. check: None where vloss-check did not run."""
    try:
        context, benchmarks = bench["context"], bench["benchmarks"]
        rows, failed = timed.rows(benchmarks)
        isas = context["ISAs"].split()
        properties = machine.properties(context)
        shared = [row for row in rows if row["threads"] > 1]
        typed = [row for row in rows if row["type"]]
        rows = [row for row in rows if row["threads"] == 1 and not row["type"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"this is not the JSON of vloss-bench: {error!r}") from error
    caches = machine.caches(context)
    held_against = _HeldAgainst(limits.of_memory(rows, caches), limits.Arithmetic(rows, operations))
    found = {}
    if check is not None:
        found, check_words, check_failures = checked.read(check)
        properties["vloss-check"] = check_words
        failed += check_failures
    functions = _functions(rows, isas, caches, held_against, found)
    if not functions:
        raise InputError("vloss-bench timed no function")
    return {
        "machine": {"properties": properties, "caches": caches},
        "isas": isas,
        "peers": _peers(context, functions),
        "peer_heap": context.get("peers' heap"),
        "summary": _summary(functions),
        "functions": functions,
        "limits": held_against.memory,
        "rates": [
            {"isa": isa, "per_second": held_against.arithmetic.rates[isa]}
            for isa in isas
            if isa in held_against.arithmetic.rates
        ],
        "math": tables.math_functions(rows),
        "calls": tables.calls(rows, "call"),
        "cold": tables.calls(rows, "cold"),
        "inputs": tables.inputs(rows),
        "inner": tables.inner(rows),
        "types": tables.types(typed, rows, isas, caches),
        "threads": tables.threads(shared, rows, caches),
        "failed": failed,
        "warnings": machine.warnings(context, benchmarks),
    }


# ---- Limits, and what is measured against them ----------------------------------------------------------------------


@dataclass
class _HeldAgainst:
    memory: list[dict]
    arithmetic: limits.Arithmetic


def _functions(
    rows: list[dict], isas: list[str], caches: list[dict], held_against: _HeldAgainst, found: dict
) -> list[dict]:
    functions: dict[str, dict[tuple, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["parts"][0] not in NOT_FUNCTIONS:
            name = "/".join(row["parts"][:-1])
            functions[name][tuple(row["sizes"].items())].append(row)
    return [_function(name, by_size, isas, caches, held_against, found) for name, by_size in functions.items()]


def _function(
    name: str, by_size: dict, isas: list[str], caches: list[dict], held_against: _HeldAgainst, found: dict
) -> dict:
    check = found.get(name.split("/")[0])
    if check is not None and name.endswith("/forward"):  # the forward alone writes no gradients
        written = [output for output in check["ulp"] if not output.startswith("grad")]
        ulp_of = {isa: checked.of_outputs(errors, written) for isa, errors in check["ulp_of"].items()}
        check = check | {"ulp": checked.of_outputs(check["ulp"], written), "ulp_of": ulp_of}
    points = [_point(size, rows, isas, caches, held_against, check) for size, rows in by_size.items()]
    points.sort(key=lambda point: (point["sizes"].get("V", 0), point["working_set"]))
    # The shape with the most working sets is the one whose speed is drawn against size; of several the largest.
    working_sets: dict[int, set] = defaultdict(set)
    for point in points:
        working_sets[point["sizes"].get("V", 0)].add(point["working_set"])
    main = max(working_sets, key=lambda classes: (len(working_sets[classes]), classes))
    return {
        "name": name,
        "traffic": points[0]["traffic"],
        "unit": points[0]["unit"],
        "main_classes": main or None,
        "check": check,
        "points": points,
    }


def _point(
    size: tuple, rows: list[dict], isas: list[str], caches: list[dict], held_against: _HeldAgainst, check: dict | None
) -> dict:
    sizes = dict(size)
    first = rows[0]
    elements = math.prod(sizes.values())
    items = first["per_second"] * first["nanoseconds"] / 1e9  # a call
    if not first["working_set"]:
        raise InputError(f"{'/'.join(first['parts'])}: no working_set; this is from an older vloss-bench")
    level = level_of(first["working_set"], caches)
    bytes_per_second = limits.memory_at(first["traffic"], first["working_set"], level, held_against.memory)
    limit = bytes_per_second and bytes_per_second * first["per_second"] / first["bytes_per_second"]
    unit = "rows" if "N" in sizes and items < elements / 2 else "elements"
    of = {row["parts"][-1]: row["per_second"] for row in rows}
    plains = [per_second for variant, per_second in of.items() if variant.startswith(f"{PLAIN}-")]
    order = {variant: i for i, variant in enumerate([*isas, PLAIN, *(f"{PLAIN}-{isa}" for isa in isas)])}
    speeds = []
    for row in sorted(rows, key=lambda row: order.get(row["parts"][-1], len(order))):
        variant, speed = row["parts"][-1], row["per_second"]
        kind, isa = _kind(variant, isas)
        plain = of.get(f"{PLAIN}-{isa}") or of.get(PLAIN) or max(plains, default=None)
        arithmetic = None
        if kind == "isa" and unit == "elements":
            arithmetic = held_against.arithmetic.at("/".join(row["parts"][:-1]), isa, sizes.get("V"))
        speeds.append(
            {
                "variant": variant,
                "kind": kind,
                "isa": isa,
                "per_second": speed,
                "spread": row["spread"],
                "least_per_second": row["least_per_second"],
                "most_per_second": row["most_per_second"],
                "repetitions": row["repetitions"],
                **_limit(speed, limit, arithmetic),
                "over_plain": speed / plain if plain else None,
                "over_scalar": speed / of[BASELINE] if BASELINE in of else None,
                "ulp": check["ulp_of"].get(variant) if check else None,
            }
        )
    _find_rivals(speeds)
    return {
        "sizes": sizes,
        "working_set": first["working_set"],
        "level": level,
        "traffic": first["traffic"],
        "unit": unit,
        "limit": limit,
        "fastest": max(speeds, key=lambda s: s["per_second"])["variant"],
        "ahead": _ahead(speeds),
        "speeds": speeds,
    }


def _kind(variant: str, isas: list[str]) -> tuple[str, str | None]:
    """Of a variant: what it is, and the ISA that it is of, if that is one."""
    if variant in isas:
        return "isa", variant
    if variant == PLAIN:
        return "plain", None
    of_isa = variant.removeprefix(f"{PLAIN}-")
    return ("plain", of_isa) if of_isa in isas else ("peer", None)


def _limit(speed: float, memory: float | None, arithmetic: dict | None) -> dict:
    """The lower of two limits, and which one that is: "memory", or the rate of the arithmetic."""
    bounds = {"memory": memory} if memory else {}
    if arithmetic:
        bounds[arithmetic["rate"]] = arithmetic["per_second"]
    bound_by = min(bounds, key=lambda name: bounds[name]) if bounds else None
    return {
        "arithmetic_limit": arithmetic["per_second"] if arithmetic else None,
        "limit": bounds.get(bound_by),
        "bound_by": bound_by,
        "share_of_limit": speed / bounds[bound_by] if bound_by else None,
    }


def _find_rivals(speeds: list[dict]) -> None:
    """For each ISA what it is to be ahead of: the plain loop compiled for it; for the fastest of all else, too."""
    ours = [s for s in speeds if s["kind"] == "isa"]
    best = max(ours, key=lambda s: s["per_second"], default=None)
    for s in speeds:
        rivals = []
        if s["kind"] == "isa":
            rivals = [r for r in speeds if r["kind"] != "isa" and (s is best or r["isa"] == s["isa"])]
        rival = max(rivals, key=lambda r: r["per_second"], default=None)
        s["rival"] = rival["variant"] if rival else None
        s["over_rival"] = s["per_second"] / rival["per_second"] if rival else None


def _ahead(speeds: list[dict]) -> list[dict]:
    """What else is faster than every ISA, and how many times; the fastest first."""
    best = max((s["per_second"] for s in speeds if s["kind"] == "isa"), default=math.inf)
    others = [{"variant": s["variant"], "times": s["per_second"] / best} for s in speeds if s["kind"] != "isa"]
    return sorted((o for o in others if o["times"] > AHEAD), key=lambda o: -o["times"])


# ---- The rest -------------------------------------------------------------------------------------------------------


def _peers(context: dict, functions: list[dict]) -> list[dict]:
    """The context has "peer NAME": "VERSION: what it was asked to do"."""
    rows = {s["variant"] for f in functions for p in f["points"] for s in p["speeds"] if s["kind"] == "peer"}
    peers = []
    for key, value in context.items():
        if found := re.match(r"^peer (.+)$", key):
            version, _, asked = value.partition(": ")
            peers.append({"name": found[1], "version": version, "asked": asked, "timed": found[1] in rows})
    known = {peer["name"] for peer in peers}
    return peers + [{"name": n, "version": "unknown", "asked": "unknown", "timed": True} for n in sorted(rows - known)]


def _summary(functions: list[dict]) -> dict:
    """How often each ISA is the fastest of them, how often the limit is near, where something else is ahead, and how
    often each ISA's own plain loop is.
    """
    wins: dict[str, int] = defaultdict(int)
    behind, points, near, limited = [], 0, 0, 0
    against_plain: dict[str, list[float]] = defaultdict(list)
    for function in functions:
        for point in function["points"]:
            ours = [s for s in point["speeds"] if s["kind"] == "isa"]
            if not ours:
                continue
            points += 1
            best = max(ours, key=lambda s: s["per_second"])
            wins[best["variant"]] += 1
            for s in ours:
                if f"{PLAIN}-{s['isa']}" in {other["variant"] for other in point["speeds"]}:
                    against_plain[s["isa"]].append(s["over_plain"])
            if best["share_of_limit"] is not None:
                limited += 1
                near += best["share_of_limit"] >= NEAR_LIMIT
            where = {"function": function["name"], "sizes": point["sizes"], "level": point["level"]}
            behind += [where | other for other in point["ahead"]]
    return {
        "points": points,
        "wins": dict(sorted(wins.items(), key=lambda win: -win[1])),
        "limited": limited,
        "near_limit": near,
        "against_plain": {
            isa: {"points": len(times), "behind": sum(t < 1 / AHEAD for t in times), "worst": min(times)}
            for isa, times in against_plain.items()
        },
        "behind": sorted(behind, key=lambda entry: -entry["times"]),
    }
