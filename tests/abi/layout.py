"""Pins the interface of vloss.h: the size of every struct, the place of every field, the number of every enumerator.

    layout.py COMPILER INCLUDE LAYOUT [--write]

The compiler tells them, of what the header declares; LAYOUT is what they were, on machines with pointers of 64 bits.
What is added at the end of a struct or of an enumeration is to be written down (--write); anything else is another
interface (docs/versions.md).
"""

import pathlib
import re
import subprocess
import sys
import tempfile


def declared(text):
    """The structs of a preprocessed header, with the names of their fields, and its enumerators."""
    structs, enumerators = {}, []
    for name, body in re.findall(r"struct\s+(vloss_\w+)\s*\{(.*?)\n\}", text, re.DOTALL):
        fields = structs.setdefault(name, [])
        for declaration in body.split(";"):
            if pointer := re.search(r"\(\s*\*\s*(\w+)\s*\)\s*\(", declaration):
                fields.append(pointer[1])
            elif declaration.strip():
                fields += [re.search(r"(\w+)\s*(?:\[[^]]*\])?\s*$", part)[1] for part in declaration.split(",")]
    for body in re.findall(r"enum\s*(?:vloss_\w+\s*)?\{(.*?)\}", text, re.DOTALL):
        enumerators += re.findall(r"(?:^|,)\s*(VLOSS_\w+)", body)
    return structs, enumerators


def measured(compiler, include):
    def preprocessed(source):
        return subprocess.run(
            [*compiler.split(), "-E", "-P", "-I", include, "-"], input=source, capture_output=True, text=True,
            check=True).stdout

    structs, enumerators = declared(preprocessed("#include <vloss/vloss.h>\n"))
    lines = ["#include <stdio.h>", "#include <vloss/vloss.h>", "int main(void) {"]
    for name, fields in structs.items():
        lines.append(f'printf("struct {name}: %zu bytes\\n", sizeof(struct {name}));')
        for field in fields:
            of = f"struct {name}, {field}"
            lines.append(f'printf("  %4zu %zu {field}\\n", offsetof({of}), sizeof(((struct {name} *)0)->{field}));')
    lines += [f'printf("{name} = %lld\\n", (long long){name});' for name in enumerators]
    lines += ["return sizeof(void *) != 8; }", ""]
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "layout")
        subprocess.run([*compiler.split(), "-I", include, "-x", "c", "-", "-o", program], input="\n".join(lines), text=True,
                       check=True)
        run = subprocess.run([program], capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        sys.exit(f"the program that tells the layout ended with {run.returncode}")
    if run.returncode == 1:
        print("SKIP: pointers are not of 64 bits here")
        sys.exit(77)
    return run.stdout


def main():
    compiler, include, file = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    now = measured(compiler, include)
    if sys.argv[4:] == ["--write"]:
        file.write_text(now)
        return
    then = file.read_text()
    if now != then:
        difference = subprocess.run(["diff", "-u", file, "-"], input=now, capture_output=True, text=True, check=False)
        print(difference.stdout)
        sys.exit(f"if only ends have grown: python3 {' '.join(sys.argv)} --write")
    print(f"{now.count('struct ')} structs and {now.count(' = ')} enumerators are as they were")


main()
