"""Finds the inner loops of functions in what objdump prints: the fewest instructions that an iteration has, whichever
of its branches are taken, and how many elements it is for.
"""

import collections
import pathlib
import re
from dataclasses import dataclass, field

import classes

FLOAT = 4  # bytes
ISAS = re.findall(r"^ISA\((\w+)", (pathlib.Path(__file__).parents[2] / "kernels/isas.def").read_text(), re.M)
JUMP = re.compile(r"(j[a-z]+|b(?:\.[a-z]+)?|cbn?z|tbn?z)$")
ALWAYS = ("jmp", "b")
ENDS = re.compile(r"(ret|jmp\s+\*|br\b|ud2|hlt)")
TARGET = re.compile(r"\b([0-9a-f]+) <[^>]*>")


@dataclass
class Instruction:
    address: int
    text: str  # mnemonic and operands
    mnemonic: str
    target: int | None = None  # of a jump


@dataclass
class Function:
    name: str
    isa: str
    instructions: list[Instruction] = field(default_factory=list)


def functions(listing: str):
    """Every function, with the ISA of its object file: that which the names of its global functions end with."""
    for member in re.split(r"\n\S+:     file format .*\n", listing)[1:]:
        found = re.search(rf"<vloss_\w+_({'|'.join(ISAS)})>:", member)
        if not found or found[1] == "scalar":  # whose loops are over the lanes of a vector
            continue
        function = None
        for line in member.splitlines():
            if named := re.match(r"[0-9a-f]+ <(.+)>:$", line):
                function = Function(named[1], found[1])
            elif function and (parts := re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line)):
                function.instructions.append(_instruction(int(parts[1], 16), parts[2]))
            elif function and not line.strip():
                yield function
                function = None
        if function:
            yield function


def _instruction(address: int, text: str) -> Instruction:
    text = " ".join(re.sub(r"\s*(?:# [0-9a-f]+ <|//).*", "", text).split())
    mnemonic = text.split()[0]
    target = TARGET.search(text) if JUMP.match(mnemonic) else None
    return Instruction(address, text, mnemonic, int(target[1], 16) if target else None)


def inner_loops(function: Function) -> list[list[Instruction]]:
    """The shortest path through each loop from its first instruction back to it, of those without another loop in them.
    Stores past the cache are for what does not fit it, and on no such path.
    """
    code = function.instructions
    at = {instruction.address: i for i, instruction in enumerate(code)}
    behind = [_behind(code, at, i) for i in range(len(code))]
    back = _back_edges(behind)
    heads = sorted({head for _, head in back})
    past_cache = {i for i, x in enumerate(code) if classes.PAST_CACHE.match(x.mnemonic)}
    bodies = [(head, _body(behind, head, back)) for head in heads]
    paths = [_shortest(behind, head, body - past_cache) for head, body in bodies if _is_inner(behind, head, body, back)]
    return [[code[i] for i in path] for path in paths if path]


def _behind(code: list[Instruction], at: dict[int, int], i: int) -> list[int]:
    """The instructions that may follow one, the likely one first."""
    x = code[i]
    after = [] if ENDS.match(x.text) or x.mnemonic in ALWAYS or i + 1 == len(code) else [i + 1]
    return after + ([at[x.target]] if x.target in at else [])


def _before(behind: list[list[int]]) -> list[list[int]]:
    before: list[list[int]] = [[] for _ in behind]
    for i, after in enumerate(behind):
        for to in after:
            before[to].append(i)
    return before


def _back_edges(behind: list[list[int]]) -> set[tuple[int, int]]:
    """Those to an instruction without which the edge would not be reached (by dominators, as Cooper, Harvey and Kennedy
    find them).
    """
    order, left, seen = [], [(0, iter(behind[0]))], {0}
    while left:
        i, rest = left[-1]
        if (to := next((to for to in rest if to not in seen), None)) is not None:
            seen.add(to)
            left.append((to, iter(behind[to])))
        else:
            order.append(i)
            left.pop()
    order.reverse()
    rank, before, above = {i: n for n, i in enumerate(order)}, _before(behind), {0: 0}

    def common(one: int, other: int) -> int:
        while one != other:
            while rank[one] > rank[other]:
                one = above[one]
            while rank[other] > rank[one]:
                other = above[other]
        return one

    changed = True
    while changed:
        changed = False
        for i in order[1:]:
            known = [j for j in before[i] if j in above]
            new = known[0]
            for j in known[1:]:
                new = common(new, j)
            if above.get(i) != new:
                above[i], changed = new, True
    return {(i, to) for i in order for to in behind[i] if rank[to] <= rank[i] and common(i, to) == to}


def _body(behind: list[list[int]], head: int, back: set[tuple[int, int]]) -> set[int]:
    """The instructions from which the head is reached without leaving the loop."""
    before, body, left = _before(behind), {head}, [i for i, to in back if to == head]
    while left:
        i = left.pop()
        if i not in body:
            body.add(i)
            left += before[i]
    return body


def _is_inner(behind: list[list[int]], head: int, body: set[int], back: set[tuple[int, int]]) -> bool:
    """Whether no other loop is where the program comes along without a jump: what is rare is put elsewhere, with its
    loops.
    """
    i = head
    while head not in behind[i]:
        if any((i, to) in back for to in behind[i]):
            return False
        i = next(to for to in behind[i] if to in body)
    return True


def _shortest(behind: list[list[int]], head: int, body: set[int]) -> list[int] | None:
    before: dict[int, int] = {}
    left = collections.deque([head])
    while left:
        i = left.popleft()
        if head in behind[i]:
            path = [i]
            while path[-1] != head:
                path.append(before[path[-1]])
            return path[::-1]
        for to in behind[i]:
            if to in body and to not in before:
                before[to] = i
                left.append(to)
    return None


def elements(path: list[Instruction]) -> int:
    """By how many floats the addresses of the arrays rise from one iteration to the next: the most frequent step."""
    steps = collections.Counter()
    moved = _steps(path)
    for instruction in path:
        for base, index, scale in classes.addresses(instruction.text):
            step = moved.get(base, 0) + moved.get(index, 0) * scale
            if step > 0 and classes.is_vector(instruction.text):
                steps[step // FLOAT] += 1
    return steps.most_common(1)[0][0] if steps else 0


def _steps(path: list[Instruction]) -> dict[str, int]:
    """By how much each general register rises in an iteration."""
    moved: dict[str, int] = collections.defaultdict(int)
    for instruction in path:
        for register, step in classes.increments(instruction.text):
            moved[register] += step
    return moved
