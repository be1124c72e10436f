"""What vloss-bench wrote of the machine: its CPU and caches, and whether it was busy."""

# As in bench/machine.cc: the machine counts as busy where rows got less of a CPU, or other programs used more; with
# less watched nothing is said.
LEAST_SHARE, MOST_OTHERS, JUDGED_SECONDS = 0.97, 0.25, 0.5


def caches(context: dict) -> list[dict]:
    """The caches that hold data, smallest first."""
    data = [cache for cache in context.get("caches", []) if cache["type"] != "Instruction"]
    return [
        {"name": f"L{cache['level']}", "bytes": cache["size"], "shared_by": cache["num_sharing"]}
        for cache in sorted(data, key=lambda cache: cache["level"])
    ]


_NOT_THE_MACHINE = {"host_name", "executable", "caches", "load_avg", "num_cpus", "mhz_per_cpu", "ISAs",
                    "cpu_scaling_enabled", "library_build_type", "json_schema_version", "library_version",
                    "warning"}  # fmt: skip


def properties(context: dict) -> dict[str, str]:
    # Keys that are about peers are in their own table.
    rest = {key: value for key, value in context.items() if key not in _NOT_THE_MACHINE and not key.startswith("peer")}
    machine = {"cpu": rest.pop("cpu", "unknown"), "date": rest.pop("date", "unknown")}
    machine["logical CPUs"] = f"{context['num_cpus']}, nominally {context['mhz_per_cpu']} MHz; one was used"
    if "executor" in rest:
        machine["logical CPUs"] += ", but by the rows of several threads"
    machine["load before the run"] = ", ".join(f"{load:.2f}" for load in context["load_avg"]) or "unknown"
    return machine | rest


def warnings(context: dict, benchmarks: list[dict]) -> list[str]:
    """What the bench says of the machine; and whether it was busy, by the sum over all rows."""
    said = [context["warning"]] if "warning" in context else []
    runs = [run for run in benchmarks if run["run_type"] == "iteration" and "watched_seconds" in run]
    total = {
        name: sum(run.get(name, 0.0) * (run.get("iterations", 1) if name.endswith("time") else 1) for run in runs)
        for name in ("cpu_time", "real_time", "watched_seconds", "others_seconds")
    }
    share = total["cpu_time"] / total["real_time"] if total["real_time"] else 1.0
    others = total["others_seconds"] / total["watched_seconds"] if total["watched_seconds"] else 0.0
    if total["watched_seconds"] >= JUDGED_SECONDS and (share < LEAST_SHARE or others > MOST_OTHERS):
        said.append(
            f"the machine was busy: rows got {100 * min(1.0, share):.0f}% of a CPU, others used {max(0.0, others):.1f} "
            f"of {context['num_cpus']} CPUs"
        )
    return said
