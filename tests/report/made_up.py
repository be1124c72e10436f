"""A run of the bench that never was: numbers for which every figure of the report is known, and things that a good run
does not have, such as a failed row and different bits.
"""

KIB, MIB = 1 << 10, 1 << 20


def row(
    name: str, index: int, label: str, working_set: int, per_second: float, bytes_each: int, items: int
) -> list[dict]:
    """Three repetitions; the median is per_second."""
    rows = []
    for factor in (1.0, 1.25, 0.5):
        seconds = items / (per_second * factor)
        rows.append(
            {
                "name": name,
                "run_name": name,
                "family_index": index,
                "run_type": "iteration",
                "cpu_time": seconds * 1e6,
                "real_time": seconds * 1e6,
                "time_unit": "us",
                "iterations": 2,
                "watched_seconds": 0.5,
                "others_seconds": 0.0625,
                "items_per_second": per_second * factor,
                "bytes_per_second": per_second * factor * bytes_each,
                "label": label,
                "working_set": working_set,
            }
        )
    rows.append(rows[0] | {"name": name + "_mean", "run_type": "aggregate", "items_per_second": 1.0})
    return rows


def bench() -> dict:
    rows = []
    # The limit is the faster of two ways. In L3 nothing was measured: there is none.
    for way, speeds in {"slow_way": (100e9, 30e9, 5e9), "fast_way": (200e9, 60e9, 10e9)}.items():
        for bytes_, speed in zip((32 * KIB, 512 * KIB, 256 * MIB), speeds):
            rows += row(f"limit/read/{way}/bytes:{bytes_}", len(rows), "read", bytes_, speed / 4, 4, bytes_ // 4)
    speeds = {  # at 32 KiB, 512 KiB, 4 MiB, 256 MiB; the limits are 50, 15, none and 2.5
        "third": (1e9, 0.5e9, 0.25e9, None),
        "first": (40e9, 12e9, 6e9, 1e9),
        "second": (20e9, 6e9, 5e9, 2e9),
        "plain": (4e9, 3e9, 2e9, 0.5e9),
        "elsewhere<b>": (8e9, 13e9, 1e9, 3e9),  # a name that needs escaping; beyond the limit in memory
    }
    for variant, of_sizes in speeds.items():
        for bytes_, speed in zip((32 * KIB, 512 * KIB, 4 * MIB, 256 * MIB), of_sizes):
            if speed:
                name = f"made_up/forward/{variant}/n:{bytes_ // 4}"
                rows += row(name, 100 + len(rows), "read", bytes_, speed, 4, bytes_ // 4)
    # One result a row, and no limit.
    for variant, speed in {"first": 3e9, "plain": 1e9}.items():
        for classes in (10, 100, 1000):
            name = f"made_up/of_rows/{variant}/V:{classes}/N:7"
            rows += row(name, 500 + len(rows), "", classes * 7 * 4, speed * classes**0.5, 0, 7)
    # Twice and four times as long as ordinary inputs; one variant has no ordinary row. Of inner 3 the speed is half
    # that of inner 1.
    for which, variant, speed in (("confident", "first", 6e9), ("confident", "plain", 0.5e9),
                                  ("denormal", "first", 3e9), ("denormal", "other", 1e9)):  # fmt: skip
        bytes_ = 512 * KIB
        name = f"inputs/{which}/made_up/forward/{variant}/n:{bytes_ // 4}"
        rows += row(name, 800 + len(rows), "read", bytes_, speed, 4, bytes_ // 4)
    for inner, speed in {1: 6e9, 3: 3e9}.items():
        rows += row(f"inner/made_up/of_rows/first/V:10/N:6/inner:{inner}", 850 + len(rows), "read", 240, speed, 4, 60)
    # One and a half times as fast on two threads, with twice as much to do; its CPU time says nothing, nor is it
    # watched.
    name = f"made_up/forward/first/n:{512 * KIB // 4}/threads:2/real_time"
    for run in row(name, 870, "read", 1 * MIB, 18e9, 4, 256 * KIB):
        run["cpu_time"] /= 10
        rows.append({key: value for key, value in run.items() if "_seconds" not in key})
    # In another type half as fast in L2, twice as fast in memory, where the plain loop is a quarter of that.
    for variant, bytes_, speed in (("first", 512 * KIB, 6e9), ("first", 256 * MIB, 2e9), ("plain", 256 * MIB, 0.5e9)):
        rows += row(f"made_up/forward/{variant}/bf16/n:{bytes_ // 2}", 880, "read", bytes_, speed, 2, bytes_ // 2)
    rows += row("call/made_up/forward/first/n:16", 900, "", 0, 16 / 25e-9, 0, 16)
    rows += row("math/exp/first/inline", 901, "", 0, 4e9, 0, 1)
    failed = row("made_up/backward/first/n:16", 902, "read", 64, 1.0, 4, 16)[0]
    failed |= {"error_occurred": True, "error_message": "first and second give different bits"}
    context = {
        "date": "2001-02-03T04:05:06+00:00",
        "host_name": "secret",
        "num_cpus": 3,
        "mhz_per_cpu": 1234,
        "load_avg": [0.5, 0.25, 0.125],
        "caches": [
            {"type": "Data", "level": 1, "size": 32 * KIB, "num_sharing": 1},
            {"type": "Instruction", "level": 1, "size": 128 * KIB, "num_sharing": 1},
            {"type": "Unified", "level": 2, "size": 1 * MIB, "num_sharing": 1},
            {"type": "Unified", "level": 3, "size": 8 * MIB, "num_sharing": 3},
        ],
        "cpu": "<i>Made-Up CPU</i>",
        "ISAs": "first second third",
        "compiler": "none",
        "peer elsewhere<b>": "7.7: the same, on one thread",
    }
    return {"context": context, "benchmarks": rows + [failed]}


OPERATIONS = """# made up
function isa least fma add logic shuffle convert load
counted/forward first 0 160 40 120 0 0 50
counted/forward second 0 32 0 0 0 0 50
counted/rows first 100 16 0 0 0 0 50
"""


def against_plain() -> dict:
    """Plain loops of two ISAs, rates of the arithmetic, calls on cold caches."""
    rows = []
    for bytes_, speed in ((32 * KIB, 200e9), (512 * KIB, 60e9)):
        rows += row(f"limit/read/way/bytes:{bytes_}", len(rows), "read", bytes_, speed / 4, 4, bytes_ // 4)
    for isa, rates in {"first": {"fma": 40e9, "add": 20e9, "any": 45e9}, "second": {"fma": 20e9, "new": 1e9}}.items():
        for rate, speed in rates.items():
            rows += row(f"rate/{rate}/{isa}", 50 + len(rows), "", 0, speed, 0, 1)
    speeds = {  # in L1 and L2
        "first": (8e9, 7e9),
        "second": (5e9, 6e9),
        "plain-first": (4e9, 10e9),
        "plain-second": (10e9, 3e9),
        "elsewhere<b>": (6e9, 8e9),
    }
    for variant, of_sizes in speeds.items():
        for bytes_, speed in zip((32 * KIB, 512 * KIB), of_sizes):
            name = f"counted/forward/{variant}/n:{bytes_ // 4}"
            rows += row(name, 100 + len(rows), "read", bytes_, speed, 4, bytes_ // 4)
    for variant, speed in {"first": 9e9, "second": 4e9, "plain-first": 3e9, "plain-second": 3.2e9}.items():
        for classes in (10, 100):
            name = f"counted/rows/{variant}/V:{classes}/N:8"
            rows += row(name, 300 + len(rows), "read", classes * 32, speed, 4, classes * 8)
    rows += row("alone/forward/first/n:8192", 500, "read", 32 * KIB, 2e9, 4, 8192)
    rows += row("cold/counted/forward/first/n:16", 501, "", 0, 16 / 250e-9, 0, 16)
    cold = row("cold/counted/forward/plain-first/n:16", 502, "", 0, 16 / 500e-9, 0, 16)
    rows += [run | {"nanoseconds": 750} for run in cold]  # the time of more than the call
    return {"context": bench()["context"] | {"ISAs": "first second"}, "benchmarks": rows}


def busy() -> dict:
    """The same, but that the rows had two thirds of a CPU, others one and a half; and memory too small to show it."""
    made = bench()
    for run in made["benchmarks"]:
        run["real_time"] = 1.5 * run["cpu_time"]
        run["others_seconds"] = 0.75
    made["context"]["warning"] = "memory is <small>"
    return made


def check() -> dict:
    def line(function: str, bits: str, ulp: dict, failures: int = 0) -> dict:
        of = {"first": ulp, "second": ulp, "third": {output: worst / 2 for output, worst in ulp.items()}}
        return {
            "function": function,
            "what": "sums",
            "cases": 10,
            "failures": failures,
            "bits": bits,
            "ulp": ulp,
            "ulp_of": of,
        }

    lines = [
        line("made_up", "equal", {"loss": 0.5, "grad": 3.0, "predicted": 0}),
        line("made_up", "DIFF", {"loss": 1.5, "grad": 2.0, "grad_other": 1.0}, 2),
        line("made_up", "equal", {}),
    ]
    shown = [{"function": "made_up", "what": "sums", "isa": "third", "where": "n 7", "text": "loss[1] is <2>"}]
    return {"version": "0", "seed": 5, "isas": "first second third", "failures": 2, "lines": lines, "shown": shown}
