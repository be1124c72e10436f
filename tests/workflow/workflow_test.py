"""workflow_test.py SOURCE: the GitHub workflow holds together. GitHub itself cannot be asked here, so this reads it as
GitHub would: every job expanded over its matrix, every expression known, every command parsed by the shell, every
script, preset and file that a command names there; and what the project promises to run in CI is run."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    print("SKIP: no PyYAML for this python3 (package python3-yaml)")
    sys.exit(77)

source = Path(sys.argv[1])
text = (source / ".github/workflows/ci.yml").read_text()
workflow = yaml.safe_load(text)
presets = json.loads((source / "CMakePresets.json").read_text())
CONTEXTS = r"github\.(ref|event_name|event\.pull_request\.base\.sha)"  # those that are used
problems = []
steps = []  # (job, step) of every job, once for each combination of its matrix


def expect(condition: object, problem: str) -> None:
    if not condition:
        problems.append(problem)


def expanded(value: object, matrix: dict) -> object:
    """With the expressions ${{ matrix.NAME }} replaced; of others only CONTEXTS are known, and stay."""
    if isinstance(value, dict):
        return {key: expanded(item, matrix) for key, item in value.items()}
    if isinstance(value, list):
        return [expanded(item, matrix) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match) -> str:
        context, _, name = found[1].partition(".")
        if context == "matrix":
            expect(name in matrix, f"{value}: the matrix has no {name}")
            return matrix.get(name, "")
        expect(re.fullmatch(CONTEXTS, found[1]), f"{value}: unknown expression")
        return found[0]

    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", replaced, value)


def check_command(job: str, command: str) -> None:
    command = re.sub(r"\$\{\{.*?\}\}", "EXPRESSION", command)
    parsed = subprocess.run(["sh", "-n"], input=command, text=True, capture_output=True)
    expect(parsed.returncode == 0, f"{job}: {command}: {parsed.stderr}")
    for script in re.findall(r"\bsh (\S+)", command):
        expect((source / script).is_file(), f"{job}: no script {script}")
    for preset in re.findall(r"--preset (\S+)", command):
        for kind in ("configurePresets", "buildPresets", "testPresets"):
            expect(preset in [p["name"] for p in presets[kind]], f"{job}: {preset} is none of the {kind}")


expect(set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}, f"top-level keys: {list(workflow)}")
expect(set(workflow[True]) == {"push", "pull_request", "workflow_dispatch"}, "it runs on a push and a pull request")
for name, job in workflow["jobs"].items():
    expect({"runs-on", "timeout-minutes", "steps", "container"} <= set(job), f"{name}: it has only {list(job)}")
    expect(
        not set(job) - {"name", "if", "strategy", "runs-on", "timeout-minutes", "container", "steps"}, f"{name}: {job}"
    )
    axes = job.get("strategy", {}).get("matrix", {})
    for values in itertools.product(*axes.values()):
        one = expanded(job, dict(zip(axes, values)))
        label = f"{name} {values}"
        expect(re.fullmatch(r"ubuntu-24\.04(-arm)?", one["runs-on"]), f"{label}: no such runner: {one['runs-on']}")
        for step in one["steps"]:
            expect(("run" in step) != ("uses" in step), f"{label}: a step either runs or uses something: {step}")
            expect(not set(step) - {"run", "uses", "with", "if", "name"}, f"{label}: {step}")
            if "run" in step:
                check_command(label, step["run"])
            else:
                expect(re.fullmatch(r"actions/(checkout|upload-artifact)@v7", step["uses"]), f"{label}: {step['uses']}")
            steps.append((one, step))

# What has to be in it: (runner, words of a command or action).
for machine in ("ubuntu-24.04", "ubuntu-24.04-arm"):
    for wanted in (
        *(f"--preset {preset}" for preset in ("release", "release-clang", "asan-ubsan", "tsan")),
        "bench/compare.sh ${{ github.event.pull_request.base.sha }} HEAD",
        'build/compare/compare.md >>"$GITHUB_STEP_SUMMARY"',
        "bench/run.sh",
        'build/bench/report.md >>"$GITHUB_STEP_SUMMARY"',
        "build/bench/report.*",  # the artifact
    ):
        found = [
            step for job, step in steps if job["runs-on"] == machine and wanted in json.dumps(step).replace('\\"', '"')
        ]
        expect(found, f"nothing on {machine} has {wanted}")
for preset in ("arm64", "fuzz", "coverage"):
    expect(any(step.get("run") == f"sh tests/run.sh --preset {preset}" for _, step in steps), f"nothing runs {preset}")

# What they leave is where the steps behind them look for it.
for script, files in {
    "bench/compare.sh": ("build/compare", "compare.md"),
    "bench/run.sh": ("build/bench", "report.md"),
}.items():
    for file in files:
        expect(file in (source / script).read_text(), f"{script} does not name {file}")

print("\n".join(problems) or f"ok: {len(workflow['jobs'])} jobs, {len(steps)} steps with the matrices expanded")
sys.exit(1 if problems else 0)
