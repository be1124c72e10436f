"""readme.py README: its Python program gives what the comments in it say."""
import contextlib
import io
import re
import sys

text = open(sys.argv[1]).read()
programs = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
for program in programs:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program, {})
    said = re.findall(r"# prints (.*)$", program, re.M)
    if output.getvalue().splitlines() != said or not said:
        sys.exit(f"FAIL: the program of README.md prints {output.getvalue()!r}, and says {said}")
if not programs:
    sys.exit("FAIL: README.md has no program in Python")
print(f"ok: {len(programs)} of README.md")
