"""The rows that Google Benchmark wrote, each of its repetitions together: medians, and the parts of its name, which
measured.py describes."""

import re
import statistics
from collections import defaultdict

SIZE = re.compile(r"^([A-Za-z]+):(\d+)$")  # one of the last parts of a row's name: V:1000, N:131, n:65536
TYPES = ("bf16", "f16", "f64")


def rows(benchmarks: list[dict]) -> tuple[list[dict], list[dict]]:
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
