"""Counts the operations of the inner loops in libvloss.a and holds them against a table (operations.txt).

    operations.py OBJDUMP ARCHIVE TABLE [--write]

Fails where a count is off by more than 5 percent and more than 2, for the ISAs that the archive has. --write replaces
their rows. What a compiler makes of the source differs from version to version: the table is of GCC 12, Release.
"""

import pathlib
import sys

import classes
import counted

MARGIN, FEW = 0.05, 2
HEADER = """\
# Operations of the inner loops of each function for 64 elements, by class (classes.py), on the shortest way through them;
# rows have at least `least` classes. By operations.py, from what GCC 12 makes of the preset release, for NEON arm64.
"""


def read(table: pathlib.Path) -> dict[tuple[str, str], list[int]]:
    """The counts by function and ISA."""
    lines = [line.split() for line in table.read_text().splitlines() if not line.startswith("#")]
    return {(function, isa): list(map(int, counts)) for function, isa, *counts in lines[1:]}


def write(table: pathlib.Path, rows: dict[tuple[str, str], list[int]]) -> None:
    lines = [f"{'function':<38}{'isa':<8}" + "".join(f"{name:>8}" for name in ("least", *classes.CLASSES))]
    for (function, isa), counts in sorted(rows.items()):
        lines.append(f"{function:<38}{isa:<8}" + "".join(f"{n:8}" for n in counts))
    table.write_text(HEADER + "\n".join(lines) + "\n")


def main() -> None:
    objdump, archive, table = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    found = {
        key: [counted.least_classes(key[0]), *counted.operations(passes).values()]
        for key, passes in counted.of_archive(objdump, archive).items()
    }
    if not found:
        sys.exit(f"{archive} has no ISA whose operations are counted")
    isas = {isa for _, isa in found}
    known = read(table) if table.exists() else {}
    if sys.argv[4:] == ["--write"]:
        write(table, {key: counts for key, counts in known.items() if key[1] not in isas} | found)
        return
    known = {key: counts for key, counts in known.items() if key[1] in isas}
    unmatched = known.keys() ^ found.keys()
    failed = [f"{' '.join(key)}: {'not found' if key in known else 'not in the table'}" for key in sorted(unmatched)]
    for key in sorted(known.keys() & found.keys()):
        for name, old, new in zip(("least", *classes.CLASSES), known[key], found[key]):
            if abs(new - old) > max(FEW, MARGIN * old):
                failed.append(f"{' '.join(key)}: {new} of {name}, {old} written down")
    for text in failed:
        print("FAIL", text)
    if failed:
        sys.exit(f"if that is meant to be: python3 {' '.join(sys.argv)} --write")
    print(f"{len(found)} inner loops on {', '.join(sorted(isas))} have the operations of {table.name}")


if __name__ == "__main__":
    main()
