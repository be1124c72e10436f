"""What a speed is held against: the bytes that a function moves at the speed of the memory, and the operations of its
inner loop at the rates of the machine. The slower of the two is its limit.
"""

import math
from collections import defaultdict
from pathlib import Path

IN_MEMORY = "memory"
ELEMENTS = 64  # that the operations are of
OPERATIONS = Path(__file__).resolve().parents[1] / "operations" / "operations.txt"
# The rows rate/NAME/ISA, and the columns of operations.txt that are at most as fast as such a row together.
RATES = {
    "fma": ("fma",),
    "add": ("add",),
    "shuffle": ("shuffle",),
    "convert": ("convert",),
    "any": ("fma", "add", "shuffle", "convert", "logic"),
}


def level_of(working_set: int, caches: list[dict]) -> str:
    return next((cache["name"] for cache in caches if working_set <= cache["bytes"]), IN_MEMORY)


def of_memory(rows: list[dict], caches: list[dict]) -> list[dict]:
    """For each traffic and working set the fastest way to move it."""
    best: dict[tuple[str, int], dict] = {}
    for row in rows:
        if row["parts"][0] != "limit":
            continue
        limit = {
            "traffic": row["parts"][1],
            "way": row["parts"][2],
            "working_set": row["working_set"],
            "level": level_of(row["working_set"], caches),
            "bytes_per_second": row["bytes_per_second"],
        }
        key = (limit["traffic"], limit["working_set"])
        if key not in best or best[key]["bytes_per_second"] < limit["bytes_per_second"]:
            best[key] = limit
    return sorted(best.values(), key=lambda limit: (limit["traffic"], limit["working_set"]))


def memory_at(traffic: str, working_set: int, level: str, limits: list[dict]) -> float | None:
    """Bytes a second: the nearest working set that lies in the same level of the memory."""
    near = [limit for limit in limits if limit["traffic"] == traffic and limit["level"] == level]
    if not near:
        return None
    return min(near, key=lambda limit: abs(math.log(limit["working_set"] / working_set)))["bytes_per_second"]


class Arithmetic:
    """How fast the inner loops could be if nothing but their operations took time."""

    def __init__(self, rows: list[dict], operations: Path):
        self.rates: dict[str, dict[str, float]] = defaultdict(dict)  # of an ISA: instructions a second
        for row in rows:
            if row["parts"][0] == "rate":
                _, name, isa = row["parts"]
                self.rates[isa][name] = row["per_second"]
        self._operations = read_operations(operations) if self.rates else {}

    def at(self, function: str, isa: str, classes: int | None) -> dict | None:
        """Elements a second, and the rate that binds; None where the loop was not counted or no rate was measured."""
        counted = self._operations.get((function, isa))
        if counted is None or (classes or math.inf) < counted["least"]:
            return None
        speeds = {
            name: ELEMENTS * rate / of_rate
            for name, rate in self.rates[isa].items()
            if name in RATES and (of_rate := sum(counted[column] for column in RATES[name]))
        }
        if not speeds:
            return None
        binding = min(speeds, key=lambda name: speeds[name])
        return {"per_second": speeds[binding], "rate": binding}


def read_operations(path: Path) -> dict[tuple[str, str], dict[str, int]]:
    """operations.txt by function and ISA; its first line that is no comment names the columns."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    names = lines[0][2:]
    return {(function, isa): dict(zip(names, map(int, counts))) for function, isa, *counts in lines[1:]}
