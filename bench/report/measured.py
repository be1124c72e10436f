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
import statistics
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import checked
import limits
import tables
from checked import InputError
from limits import level_of
from tables import PLAIN

SIZE = re.compile(r"^([A-Za-z]+):(\d+)$")  # one of the last parts of a row's name: V:1000, N:131, n:65536
TYPES = ("bf16", "f16", "f64")
BASELINE = "scalar"
NEAR_LIMIT = 0.8  # of the limit's speed: what the summary counts as near
AHEAD = 1.03  # times the fastest ISA: less is noise, even where repetitions are interleaved
NOT_FUNCTIONS = ("limit", "rate", "math", "call", "cold", "inputs", "inner")  # what the names of other rows begin with
# As in bench/machine.cc: the machine counts as busy where rows got less of a CPU, or other programs used more; with less
# watched nothing is said.
LEAST_SHARE, MOST_OTHERS, JUDGED_SECONDS = 0.97, 0.25, 0.5


def report(bench: dict, check: dict | None, operations: Path = limits.OPERATIONS) -> dict:
    """The whole report. check: None where vloss-check did not run."""
    try:
        context, benchmarks = bench["context"], bench["benchmarks"]
        rows, failed = _rows(benchmarks)
        isas = context["ISAs"].split()
        machine = _machine(context)
        shared = [row for row in rows if row["threads"] > 1]
        typed = [row for row in rows if row["type"]]
        rows = [row for row in rows if row["threads"] == 1 and not row["type"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"this is not the JSON of vloss-bench: {error!r}") from error
    caches = _caches(context)
    held_against = _HeldAgainst(limits.of_memory(rows, caches), limits.Arithmetic(rows, operations))
    found = {}
    if check is not None:
        found, check_words, check_failures = checked.read(check)
        machine["vloss-check"] = check_words
        failed += check_failures
    functions = _functions(rows, isas, caches, held_against, found)
    if not functions:
        raise InputError("vloss-bench timed no function")
    return {
        "machine": {"properties": machine, "caches": caches},
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
        "warnings": _warnings(context, benchmarks),
    }


# ---- The rows of Google Benchmark -----------------------------------------------------------------------------------


def _rows(benchmarks: list[dict]) -> tuple[list[dict], list[dict]]:
    """One row for all repetitions of it, with the medians; in the order in which they were registered."""
    repetitions: dict[str, list[dict]] = defaultdict(list)
    failed = {}
    for run in benchmarks:
        if run.get("error_occurred"):
            failed.setdefault(run["run_name"], run["error_message"])
        elif run["run_type"] == "iteration":
            repetitions[run["run_name"]].append(run)
    rows = [_row(name, runs) for name, runs in sorted(repetitions.items(), key=lambda r: r[1][0]["family_index"])]
    return rows, [{"row": name, "error": error} for name, error in sorted(failed.items())]


def _row(name: str, runs: list[dict]) -> dict:
    parts = name.removesuffix("/real_time").split("/")
    sizes = {}
    while found := SIZE.match(parts[-1]):
        sizes[found[1]] = int(found[2])
        parts.pop()
    threads = sizes.pop("threads", 1)
    type_ = parts.pop() if parts[-1] in TYPES else None
    speeds = [run.get("items_per_second", 0.0) for run in runs]
    median = statistics.median(speeds)
    return {
        "parts": parts,
        "sizes": dict(reversed(sizes.items())),
        "threads": threads,
        "type": type_,
        "traffic": runs[0].get("label", ""),
        "working_set": int(runs[0].get("working_set", 0)),
        "per_second": median,
        "bytes_per_second": statistics.median(run.get("bytes_per_second", 0.0) for run in runs),
        "spread": (max(speeds) - min(speeds)) / median if median else 0.0,
        "least_per_second": min(speeds),
        "most_per_second": max(speeds),
        "repetitions": len(runs),
        "nanoseconds": statistics.median(_nanoseconds(run) for run in runs),
    }


def _nanoseconds(run: dict) -> float:
    """Of a call; where iterations do more than that, a counter has it."""
    return run.get("nanoseconds", run["cpu_time"] * _NANOSECONDS[run["time_unit"]])


_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


# ---- The machine ----------------------------------------------------------------------------------------------------


def _caches(context: dict) -> list[dict]:
    """The caches that hold data, smallest first."""
    data = [cache for cache in context.get("caches", []) if cache["type"] != "Instruction"]
    return [
        {"name": f"L{cache['level']}", "bytes": cache["size"], "shared_by": cache["num_sharing"]}
        for cache in sorted(data, key=lambda cache: cache["level"])
    ]


_NOT_THE_MACHINE = {"host_name", "executable", "caches", "load_avg", "num_cpus", "mhz_per_cpu", "ISAs",
                    "cpu_scaling_enabled", "library_build_type", "json_schema_version", "library_version", "warning"}  # fmt: skip


def _machine(context: dict) -> dict[str, str]:
    # Keys that are about peers are in their own table.
    rest = {key: value for key, value in context.items() if key not in _NOT_THE_MACHINE and not key.startswith("peer")}
    machine = {"cpu": rest.pop("cpu", "unknown"), "date": rest.pop("date", "unknown")}
    machine["logical CPUs"] = f"{context['num_cpus']}, nominally {context['mhz_per_cpu']} MHz; one was used"
    if "executor" in rest:
        machine["logical CPUs"] += ", but by the rows of several threads"
    machine["load before the run"] = ", ".join(f"{load:.2f}" for load in context["load_avg"]) or "unknown"
    return machine | rest


def _warnings(context: dict, benchmarks: list[dict]) -> list[str]:
    """What the bench says of the machine; and whether it was busy, by the sum over all rows."""
    warnings = [context["warning"]] if "warning" in context else []
    runs = [run for run in benchmarks if run["run_type"] == "iteration" and "watched_seconds" in run]
    total = {
        name: sum(run.get(name, 0.0) * (run.get("iterations", 1) if name.endswith("time") else 1) for run in runs)
        for name in ("cpu_time", "real_time", "watched_seconds", "others_seconds")
    }
    share = total["cpu_time"] / total["real_time"] if total["real_time"] else 1.0
    others = total["others_seconds"] / total["watched_seconds"] if total["watched_seconds"] else 0.0
    if total["watched_seconds"] >= JUDGED_SECONDS and (share < LEAST_SHARE or others > MOST_OTHERS):
        warnings.append(
            f"the machine was busy: rows got {100 * min(1.0, share):.0f}% of a CPU, others used {max(0.0, others):.1f} "
            f"of {context['num_cpus']} CPUs"
        )
    return warnings


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
