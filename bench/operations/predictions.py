"""What llvm-mca predicts for the inner loops in libvloss.a: the cycles for 64 elements on several cores, as a table in
Markdown. Predictions, of data in L1 and of nothing but the loop: not measurements.

    predictions.py LLVM_MCA OBJDUMP ARCHIVE [OBJDUMP ARCHIVE]...
"""

import re
import subprocess
import sys

import counted

CORES = {  # of an ISA: what llvm-mca calls them
    "avx512": ("sapphirerapids", "znver4"),
    "avx2": ("sapphirerapids", "znver4"),
    "neon": ("neoverse-v2", "neoverse-n1"),
}
ITERATIONS = 200


def assembly(part: counted.Pass) -> str:
    """The loop without its jumps, each of which would need a place to go."""
    lines = [i.text for i in part.instructions if i.target is None]
    return "\n".join(re.sub(r"(adrp? \S+), [0-9a-f]+ <.*>", r"\1, 0", line) for line in lines) + "\n"


def cycles(llvm_mca: str, isa: str, core: str, part: counted.Pass) -> float:
    triple = "aarch64" if isa == "neon" else "x86_64"
    command = [llvm_mca, f"-mtriple={triple}-linux-gnu", f"-mcpu={core}", f"-iterations={ITERATIONS}"]
    run = subprocess.run(command, input=assembly(part), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{isa}: {run.stderr}")
    return part.times * int(re.search(r"Total Cycles: +(\d+)", run.stdout)[1]) / ITERATIONS


def main() -> None:
    llvm_mca, *archives = sys.argv[1:]
    passes = {}
    for objdump, archive in zip(archives[::2], archives[1::2]):
        passes |= counted.of_archive(objdump, archive)
    columns = [(isa, core) for isa, cores in CORES.items() for core in cores if any(isa == key[1] for key in passes)]
    print("| function |" + "".join(f" {isa}, {core} |" for isa, core in columns))
    print("|---|" + "--:|" * len(columns))
    for function in sorted({function for function, _ in passes}):
        cells = [sum(cycles(llvm_mca, isa, core, part) for part in passes[function, isa]) for isa, core in columns]
        print(f"| {function} |" + "".join(f" {cell:.0f} |" for cell in cells))


if __name__ == "__main__":
    main()
