"""What instructions of x86-64 (in AT&T's syntax) and AArch64 are, as objdump prints them: by class of the ports that
execute them, with their addresses and the steps of their registers.
"""

import re

CLASSES = ("fma", "add", "logic", "shuffle", "convert", "divide", "load", "store", "move", "scalar")

# The first pattern that fits the mnemonic, without the v of AVX; moves and memory are dealt with below.
X86 = [
    ("fma", r"fn?m(add|sub|addsub)\d+[ps]|mul[ps][sd]|pmul|scalef"),
    ("divide", r"div|sqrt"),
    ("add", r"(add|sub)[ps][sd]"),
    ("convert", r"cvt|round|rndscale|getexp|getmant"),
    ("load", r"prefetch|p?gather"),
    ("shuffle", r"p?perm|p?shuf|p?unpck|p?extr(act)?|p?ins(ert|r)|p?align|mov(d|sh|sl)dup|mov(hl|lh)ps|p?broadcast"
                r"|p?expand|p?compress|pack|ps[lr]ldq|mov[dq]$"),
    ("scalar", r"zeroupper|stmxcsr|ldmxcsr"),
    ("logic", r""),
]  # fmt: skip
ARM = [
    ("fma", r"fn?ml[as]|fn?mul|s?mul|[su]?ml[as]l?|[su]mull|fn?madd|fn?msub|pmul"),
    ("divide", r"fdiv|fsqrt"),
    ("add", r"f(add|sub|abd)"),
    ("convert", r"fcvt|[su]cvtf|frint"),
    ("shuffle", r"zip|uzp|trn|ext$|dup|tb[lx]|ins|umov|smov|rev|f?(max|min)n?m?v|addv|faddp|f?(max|min)n?m?p|mov$"),
    ("logic", r""),
]  # fmt: skip
X86_MOVE = re.compile(r"v?mov([au]p[sd]|dq[au](8|16|32|64)?|ss|sd)\b")
PAST_CACHE = re.compile(r"v?movnt|stnp")
X86_VECTOR = re.compile(r"%[xyz]mm|%k[0-7]")
ARM_VECTOR = re.compile(r"\b[vq]\d+|\b[ds]\d+\b")
ARM_LOAD, ARM_STORE = re.compile(r"ld(r|p|ur|nr?p|[1-4]r?)\b"), re.compile(r"st(r|p|ur|np|[1-4])\b")
ARM_SAME = re.compile(r"mov\s+v\d+\.16b, v\d+\.16b")


def is_vector(text: str) -> bool:
    return bool(X86_VECTOR.search(text) or ARM_VECTOR.search(text) and "%" not in text)


def count(text: str) -> dict[str, int]:
    """How many operations of each class an instruction is."""
    mnemonic, _, operands = text.partition(" ")
    if "%" in operands or mnemonic.startswith("v"):
        return _count_x86(mnemonic, operands.strip())
    return _count_arm(text, mnemonic, operands.strip())


def _count_x86(mnemonic: str, operands: str) -> dict[str, int]:
    parts = re.split(r",\s*(?![^(]*\))", operands)
    reads, writes = any("(" in part for part in parts[:-1]), "(" in parts[-1]
    if mnemonic.startswith("prefetch"):
        return {"load": 1}
    if not X86_VECTOR.search(operands):
        return {"scalar": 1}
    if X86_MOVE.match(mnemonic):
        kind = "store" if writes else "load" if reads else "logic" if "{" in operands else "move"
        return {kind: 1}
    if "broadcast" in mnemonic and reads:
        return {"load": 1}
    kind = _first(X86, mnemonic.removeprefix("v"))
    return {kind: 1} | ({"load": 1} if reads and kind != "load" else {}) | ({"store": 1} if writes else {})


def _count_arm(text: str, mnemonic: str, operands: str) -> dict[str, int]:
    if mnemonic == "prfm":
        return {"load": 1}
    if not ARM_VECTOR.search(operands):
        return {"scalar": 1}
    for pattern, kind in ((ARM_LOAD, "load"), (ARM_STORE, "store")):
        if pattern.match(mnemonic):
            return {kind: 2 if mnemonic.endswith("p") else 1}  # of a pair both
    if ARM_SAME.match(text):
        return {"move": 1}
    return {_first(ARM, mnemonic): 1}


def _first(patterns: list[tuple[str, str]], mnemonic: str) -> str:
    return next(kind for kind, pattern in patterns if re.match(pattern, mnemonic))


def addresses(text: str):
    """Base, index and scale of every address."""
    for base, index, scale in re.findall(r"\((%\w+)?(?:,(%\w+)(?:,(\d))?)?\)", text):
        yield base, index, int(scale or 1)
    for base, index, shift in re.findall(r"\[(x\d+|sp)(?:, ([xw]\d+)(?:, lsl #(\d))?|[^\]]*)\]", text):
        yield base, index, 1 << int(shift or 0)


def increments(text: str):
    """The registers that an instruction adds a constant to."""
    if found := re.match(r"(add|sub)\s+\$(-?0x[0-9a-f]+|-?\d+),(%r\w+)$", text):
        yield found[3], _signed(found[2]) * (1 if found[1] == "add" else -1)
    elif found := re.match(r"lea\s+(-?0x[0-9a-f]+)\((%r\w+)\),(%r\w+)$", text):
        if found[2] == found[3]:
            yield found[3], _signed(found[1])
    elif found := re.match(r"(add|sub)s?\s+(x\d+), (x\d+), #(0x[0-9a-f]+)$", text):
        if found[2] == found[3]:
            yield found[2], int(found[4], 16) * (1 if found[1] == "add" else -1)
    elif found := re.search(r"\[(x\d+)\], #(-?\d+)$|\[(x\d+), #(-?\d+)\]!$", text):
        yield found[1] or found[3], int(found[2] or found[4])


def _signed(text: str) -> int:
    value = int(text, 0)
    return value - (1 << 64) if value >= 1 << 63 else value
