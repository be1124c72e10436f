"""readme.py PAGE...: the programs in Python of these pages run, and print what the comments in them say."""
import contextlib
import io
import re
import sys

for page in sys.argv[1:]:
    programs = re.findall(r"^```python\n(.*?)^```$", open(page).read(), re.M | re.S)
    if not programs:
        sys.exit(f"FAIL: {page} has no program in Python")
    for program in programs:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(program, {})
        said = re.findall(r"# prints (.*)$", program, re.M)
        if output.getvalue().splitlines() != said:
            sys.exit(f"FAIL: a program of {page} prints {output.getvalue()!r}, and says {said}")
    print(f"ok: {len(programs)} of {page}")
