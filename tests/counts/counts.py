"""Counts the instructions of each call of vloss-calls, by Valgrind's callgrind, and holds them against counts.txt.

    counts.py PROGRAM COUNTS [--write]

Only instructions of the program itself count, with vloss linked in: those of the C library differ from CPU to CPU.
Fails where a count is off by more than 2 percent, to either side: what has become cheaper is to be written down, too
(--write), so that it stays.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

MARGIN = 0.02


def own_instructions(profile, program):
    """The name of the call in a profile, and the instructions of its own objects."""
    name = None
    objects = {}
    of_program = inclusive = False
    total = 0
    for line in profile.splitlines():
        if line.startswith("desc: Trigger: Client Request: "):
            name = line.removeprefix("desc: Trigger: Client Request: ")
        elif match := re.match(r"ob=\((\d+)\)(?: (.*))?$", line):
            if match[2]:
                objects[match[1]] = match[2]
            of_program = objects[match[1]] == program
        elif match := re.match(r"cob=\((\d+)\) (.*)$", line):
            objects[match[1]] = match[2]
        elif line.startswith("calls="):
            inclusive = True  # the next line has the costs of the function that was called
        elif match := re.match(r"[+\-*]?\d* ?(\d+)$", line):
            if of_program and not inclusive:
                total += int(match[1])
            inclusive = False
    return name, total


def count(program):
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", "--collect-atstart=no", f"--callgrind-out-file={folder}/profile", program],
            capture_output=True, text=True, check=False)
        if run.returncode == 77:
            print(run.stdout, end="")
            sys.exit(77)
        if run.returncode != 0:
            sys.exit(run.stdout + run.stderr)
        profiles = sorted(pathlib.Path(folder).glob("profile.*"), key=lambda path: int(path.suffix[1:]))
        return dict(own_instructions(path.read_text(), program) for path in profiles)


def main():
    program, file = os.path.realpath(sys.argv[1]), pathlib.Path(sys.argv[2])
    counts = count(program)
    if not counts:
        sys.exit("callgrind counted no call")
    if sys.argv[3:] == ["--write"]:
        file.write_text("".join(f"{number:9} {name}\n" for name, number in counts.items()))
        return
    known = {line[10:]: int(line[:9]) for line in file.read_text().splitlines()}
    failed = known.keys() != counts.keys()
    for name in known.keys() ^ counts.keys():
        print(f"FAIL {name}: {'not counted' if name in known else 'not in ' + file.name}")
    for name in known.keys() & counts.keys():
        change = counts[name] / known[name] - 1
        if abs(change) > MARGIN:
            failed = True
            print(f"FAIL {name}: {counts[name]} instructions, {known[name]} written down ({change:+.1%})")
    if failed:
        sys.exit(f"if that is meant to be: python3 {' '.join(sys.argv)} --write")
    print(f"{len(counts)} calls have the instructions of {file.name}, within {MARGIN:.0%}")


main()
