"""Brings what vloss-bench and vloss-check wrote into the order of the report: report.json, which the page and its
Markdown twin print. Works from the names of the rows alone: FUNCTION/VARIANT/SIZES, limit/TRAFFIC/WAY/..,
math/FUNCTION/ISA/WHOSE, call/FUNCTION/ISA/SIZES, inputs/WHICH/FUNCTION/VARIANT/SIZES and inner/FUNCTION/ISA/SIZES; on
several threads FUNCTION/ISA/SIZES/threads:N/real_time; of another type than f32 FUNCTION/VARIANT/TYPE/SIZES. A variant
is an ISA of the context, "plain", or else a peer.
"""

import math
import re
import statistics
from collections import defaultdict

SIZE = re.compile(r"^([A-Za-z]+):(\d+)$")  # one of the last parts of a row's name: V:1000, N:131, n:65536
TYPES = ("bf16", "f16", "f64")
PLAIN = "plain"
BASELINE = "scalar"
IN_MEMORY = "memory"
NEAR_LIMIT = 0.8  # of the limit's speed: what the summary counts as near
AHEAD = 1.03  # times the fastest ISA: less is noise, even where repetitions are interleaved
NOT_FUNCTIONS = ("limit", "rate", "math", "call", "cold", "inputs", "inner")  # what the names of other rows begin with
# As in bench/machine.cc: the machine counts as busy where rows got less of a CPU, or other programs used more; with less
# watched nothing is said.
LEAST_SHARE, MOST_OTHERS, JUDGED_SECONDS = 0.97, 0.25, 0.5


class InputError(Exception):
    """What was read is not what vloss-bench or vloss-check writes."""


def report(bench: dict, check: dict | None) -> dict:
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
    limits = _limits(rows, caches)
    checked = {}
    if check is not None:
        checked, check_words, check_failures = _checked(check)
        machine["vloss-check"] = check_words
        failed += check_failures
    functions = _functions(rows, isas, caches, limits, checked)
    if not functions:
        raise InputError("vloss-bench timed no function")
    return {
        "machine": {"properties": machine, "caches": caches},
        "isas": isas,
        "peers": _peers(context, functions),
        "peer_heap": context.get("peers' heap"),
        "summary": _summary(functions),
        "functions": functions,
        "limits": limits,
        "math": _math(rows),
        "calls": _calls(rows),
        "inputs": _inputs(rows),
        "inner": _inner(rows),
        "types": _types(typed, rows, isas, caches),
        "threads": _threads(shared, rows, caches),
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


def _level(working_set: int, caches: list[dict]) -> str:
    return next((cache["name"] for cache in caches if working_set <= cache["bytes"]), IN_MEMORY)


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


def _limits(rows: list[dict], caches: list[dict]) -> list[dict]:
    """For each traffic and working set the fastest way to move it."""
    best: dict[tuple[str, int], dict] = {}
    for row in rows:
        if row["parts"][0] != "limit":
            continue
        limit = {
            "traffic": row["parts"][1],
            "way": row["parts"][2],
            "working_set": row["working_set"],
            "level": _level(row["working_set"], caches),
            "bytes_per_second": row["bytes_per_second"],
        }
        key = (limit["traffic"], limit["working_set"])
        if key not in best or best[key]["bytes_per_second"] < limit["bytes_per_second"]:
            best[key] = limit
    return sorted(best.values(), key=lambda limit: (limit["traffic"], limit["working_set"]))


def _limit_of(traffic: str, working_set: int, level: str, limits: list[dict]) -> float | None:
    """Bytes a second: the nearest working set that lies in the same level of the memory."""
    near = [limit for limit in limits if limit["traffic"] == traffic and limit["level"] == level]
    if not near:
        return None
    return min(near, key=lambda limit: abs(math.log(limit["working_set"] / working_set)))["bytes_per_second"]


def _functions(rows: list[dict], isas: list[str], caches: list[dict], limits: list[dict], checked: dict) -> list[dict]:
    functions: dict[str, dict[tuple, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["parts"][0] not in NOT_FUNCTIONS:
            name = "/".join(row["parts"][:-1])
            functions[name][tuple(row["sizes"].items())].append(row)
    return [_function(name, by_size, isas, caches, limits, checked) for name, by_size in functions.items()]


def _function(name: str, by_size: dict, isas: list[str], caches: list[dict], limits: list[dict], checked: dict) -> dict:
    check = checked.get(name.split("/")[0])
    if check is not None and name.endswith("/forward"):  # the forward alone writes no gradients
        written = [output for output in check["ulp"] if not output.startswith("grad")]
        ulp_of = {isa: _of_outputs(errors, written) for isa, errors in check["ulp_of"].items()}
        check = check | {"ulp": _of_outputs(check["ulp"], written), "ulp_of": ulp_of}
    points = [_point(size, rows, isas, caches, limits, check) for size, rows in by_size.items()]
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
    size: tuple, rows: list[dict], isas: list[str], caches: list[dict], limits: list[dict], check: dict | None
) -> dict:
    sizes = dict(size)
    first = rows[0]
    elements = math.prod(sizes.values())
    items = first["per_second"] * first["nanoseconds"] / 1e9  # a call
    if not first["working_set"]:
        raise InputError(f"{'/'.join(first['parts'])}: no working_set; this is from an older vloss-bench")
    level = _level(first["working_set"], caches)
    bytes_per_second = _limit_of(first["traffic"], first["working_set"], level, limits)
    limit = bytes_per_second and bytes_per_second * first["per_second"] / first["bytes_per_second"]
    of = {row["parts"][-1]: row["per_second"] for row in rows}
    order = {variant: i for i, variant in enumerate([*isas, PLAIN])}
    speeds = []
    for row in sorted(rows, key=lambda row: order.get(row["parts"][-1], len(order))):
        variant, speed = row["parts"][-1], row["per_second"]
        kind = "isa" if variant in isas else "plain" if variant == PLAIN else "peer"
        speeds.append(
            {
                "variant": variant,
                "kind": kind,
                "per_second": speed,
                "spread": row["spread"],
                "least_per_second": row["least_per_second"],
                "most_per_second": row["most_per_second"],
                "repetitions": row["repetitions"],
                "share_of_limit": speed / limit if limit else None,
                "over_plain": speed / of[PLAIN] if PLAIN in of else None,
                "over_scalar": speed / of[BASELINE] if BASELINE in of else None,
                "ulp": check["ulp_of"].get(variant) if check else None,
            }
        )
    return {
        "sizes": sizes,
        "working_set": first["working_set"],
        "level": level,
        "traffic": first["traffic"],
        "unit": "rows" if "N" in sizes and items < elements / 2 else "elements",
        "limit": limit,
        "fastest": max(speeds, key=lambda s: s["per_second"])["variant"],
        "ahead": _ahead(speeds),
        "speeds": speeds,
    }


def _ahead(speeds: list[dict]) -> list[dict]:
    """What else is faster than every ISA, and how many times; the fastest first."""
    best = max((s["per_second"] for s in speeds if s["kind"] == "isa"), default=math.inf)
    others = [{"variant": s["variant"], "times": s["per_second"] / best} for s in speeds if s["kind"] != "isa"]
    return sorted((o for o in others if o["times"] > AHEAD), key=lambda o: -o["times"])


# ---- What vloss-check found -----------------------------------------------------------------------------------------


def _checked(check: dict) -> tuple[dict, str, list[dict]]:
    """By function: whether all ISAs gave the same bits in every case, and the worst error of each output and ISA. Then
    what was done in words, and what failed.
    """
    found: dict[str, dict] = {}
    try:
        isas = check["isas"].split()
        for line in check["lines"]:
            function = found.setdefault(
                line["function"],
                {
                    "cases": 0,
                    "failures": 0,
                    "bits": "equal",
                    "isas": isas,
                    "ulp": {},
                    "ulp_of": {isa: {} for isa in isas},
                },
            )
            function["cases"] += line["cases"]
            function["failures"] += line["failures"]
            if line["bits"] == "DIFF":
                function["bits"] = "different"
            _worse(function["ulp"], line["ulp"])
            for isa, errors in line["ulp_of"].items():
                _worse(function["ulp_of"][isa], errors)
        cases = sum(function["cases"] for function in found.values())
        words = f"{cases:,} cases, {check['failures']} failures, seed {check['seed']}"
        failures = [
            {"row": f"vloss-check, {f['function']} on {f['isa']}, {f['what']}", "error": f"{f['where']}: {f['text']}"}
            for f in check["shown"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is not the JSON of vloss-check: {error!r}") from error
    for function in found.values():
        if len(isas) < 2 and function["bits"] == "equal":
            function["bits"] = "one ISA"
        # Class indices are right or wrong; an error of 0 ulp says nothing of them.
        real = [output for output, worst in function["ulp"].items() if worst > 0]
        function["ulp"] = _of_outputs(function["ulp"], real)
        function["ulp_of"] = {isa: _of_outputs(errors, real) for isa, errors in function["ulp_of"].items()}
    return found, words, failures


def _worse(worst: dict[str, float], errors: dict[str, float | str]) -> None:
    for output, ulp in errors.items():
        # JSON has no infinity and no NaN: they are strings.
        number = float(ulp)
        worst[output] = max(worst.get(output, 0.0), math.inf if math.isnan(number) else number)


def _of_outputs(errors: dict[str, float], outputs: list[str]) -> dict[str, float | str]:
    chosen = {output: errors.get(output, 0.0) for output in outputs}
    return {output: "inf" if ulp == math.inf else ulp for output, ulp in chosen.items()}


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


def _math(rows: list[dict]) -> list[dict]:
    by: dict[tuple, dict] = defaultdict(dict)
    for row in rows:
        if row["parts"][0] == "math":
            _, function, isa, whose = row["parts"]
            by[function, isa][whose] = row["per_second"]
    return [{"function": function, "isa": isa, "per_second": speeds} for (function, isa), speeds in by.items()]


def _calls(rows: list[dict]) -> list[dict]:
    by: dict[tuple, dict] = defaultdict(dict)
    for row in rows:
        if row["parts"][0] == "call":
            by["/".join(row["parts"][1:-1]), tuple(row["sizes"].items())][row["parts"][-1]] = row["nanoseconds"]
    return [{"function": name, "sizes": dict(sizes), "nanoseconds": ns} for (name, sizes), ns in by.items()]


def _inputs(rows: list[dict]) -> list[dict]:
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


def _inner(rows: list[dict]) -> list[dict]:
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


def _types(typed: list[dict], rows: list[dict], isas: list[str], caches: list[dict]) -> list[dict]:
    """What another type gains: the speed of each variant, and how many times that is of f32's row of the same function,
    variant and classes that touches about as much memory; and of the ISAs how many times the type's plain loop.
    """
    usual: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        usual["/".join(row["parts"]), row["sizes"].get("V")].append(row)
    by: dict[tuple, dict] = defaultdict(lambda: defaultdict(dict))
    for row in typed:
        name, classes = "/".join(row["parts"][:-1]), row["sizes"].get("V")
        level = _level(row["working_set"], caches)
        near = [
            r for r in usual[name + "/" + row["parts"][-1], classes] if _level(r["working_set"], caches) == level
        ]
        same = min(near, key=lambda r: abs(math.log(r["working_set"] / row["working_set"])), default=None)
        by[name, classes, level, row["parts"][-1]][row["type"]] = {
            "per_second": row["per_second"],
            "over_f32": row["per_second"] / same["per_second"] if same else None,
            "over_plain": None,
        }
    for (name, classes, level, variant), of in by.items():
        for type_, speed in of.items():
            if variant in isas and (plain := by.get((name, classes, level, PLAIN), {}).get(type_)):
                speed["over_plain"] = speed["per_second"] / plain["per_second"]
    return [
        {"function": name, "classes": classes, "level": level, "variant": variant, "types": dict(of)}
        for (name, classes, level, variant), of in by.items()
    ]


def _threads(shared: list[dict], rows: list[dict], caches: list[dict]) -> list[dict]:
    """How many times as fast as one thread several are: each row beside the one of the same name without threads."""
    alone = {("/".join(row["parts"]), tuple(row["sizes"].items())): row for row in rows}
    by: dict[tuple, dict] = defaultdict(dict)
    for row in shared:
        name, sizes = "/".join(row["parts"]), tuple(row["sizes"].items())
        if one := alone.get((name, sizes)):
            level = _level(one["working_set"], caches)
            by["/".join(row["parts"][:-1]), sizes, level, row["parts"][-1]][row["threads"]] = (
                row["per_second"] / one["per_second"]
            )
    return [
        {"function": name, "sizes": dict(sizes), "level": level, "isa": isa, "times": {str(n): t for n, t in of.items()}}
        for (name, sizes, level, isa), of in by.items()
    ]


def _summary(functions: list[dict]) -> dict:
    """How often each ISA is the fastest of them, how often the limit is near, and where something else is ahead."""
    wins: dict[str, int] = defaultdict(int)
    behind, points, near, limited = [], 0, 0, 0
    for function in functions:
        for point in function["points"]:
            ours = [s for s in point["speeds"] if s["kind"] == "isa"]
            if not ours:
                continue
            points += 1
            best = max(ours, key=lambda s: s["per_second"])
            wins[best["variant"]] += 1
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
        "behind": sorted(behind, key=lambda entry: -entry["times"]),
    }
