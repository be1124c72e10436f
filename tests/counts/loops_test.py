"""Holds bench/operations/loops.py and classes.py against loops of which everything is known."""

import collections
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "operations"))
import classes
import loops

# Two rows: each 16 elements at a time, entered in the middle; rarely a maximum is raised, and where much is written
# that goes past the cache. Behind it a loop for the rest.
X86 = """
x.c.o:     file format elf64-x86-64

0000000000000000 <rows>:
   0:	vbroadcastss 0x0(%rip),%ymm9        # 9 <rows+0x9>
   9:	mov    0x8(%rdi),%rcx
   d:	jmp    30 <rows+0x30>
  10:	vmovntps %ymm3,(%rdx,%rax,1)
  18:	jmp    25 <rows+0x25>
  1f:	nop
  20:	vmovups %ymm3,(%rdx,%rax,1)
  25:	add    $0x40,%rax
  29:	cmp    %rax,%rsi
  2c:	je     70 <rows+0x70>
  30:	vmovups (%rcx,%rax,1),%ymm1
  35:	vmaxps 0x20(%rcx,%rax,1),%ymm1,%ymm2
  3b:	vmovmskps %ymm2,%r8d
  3f:	test   %r8d,%r8d
  42:	jne    90 <rows+0x90>
  48:	vmovaps %ymm2,%ymm3
  4c:	vfmadd132ps 0x40(%rsp),%ymm9,%ymm3
  52:	vcvtps2pd %xmm3,%ymm4
  57:	vextractf128 $0x1,%ymm3,%xmm5
  5d:	vdivps %ymm9,%ymm3,%ymm3
  62:	vaddpd %ymm4,%ymm8,%ymm8
  66:	test   %edi,%edi
  68:	jne    10 <rows+0x10>
  6a:	jmp    1f <rows+0x1f>
  70:	sub    $0x1,%r9
  74:	jne    d <rows+0xd>
  76:	vaddss (%rcx),%xmm8,%xmm8
  7a:	add    $0x4,%rcx
  7e:	cmp    %rcx,%rdx
  81:	jne    76 <rows+0x76>
  83:	ret
  90:	vmulps %ymm8,%ymm8,%ymm8
  95:	vmulps %ymm8,%ymm8,%ymm8
  99:	jmp    48 <rows+0x48>

0000000000000100 <vloss_rows_avx2>:
 100:	ret
"""
ARM = """
y.c.o:     file format elf64-littleaarch64

0000000000000000 <rows>:
   0:	movi	v9.2d, #0x0
   4:	ldp	q0, q1, [x0], #32
   8:	fmla	v2.4s, v0.4s, v1.4s
   c:	mov	v3.16b, v2.16b
  10:	fcvtl2	v4.2d, v3.4s
  14:	fmax	v5.4s, v3.4s, v9.4s
  18:	zip1	v6.4s, v5.4s, v3.4s
  1c:	str	q6, [x1, #16]
  20:	add	x1, x1, #0x20
  24:	cmp	x0, x2
  28:	b.ne	4 <rows+0x4>  // b.any
  2c:	ret

0000000000000100 <vloss_rows_neon>:
 100:	ret
"""


def counts_of(path: list[loops.Instruction]) -> dict[str, int]:
    counts: collections.Counter = collections.Counter()
    for instruction in path:
        counts.update(classes.count(instruction.text))
    return dict(counts)


class Loops(unittest.TestCase):
    def test_x86(self):
        rows = next(function for function in loops.functions(X86) if function.name == "rows")
        self.assertEqual(rows.isa, "avx2")
        inner, rest = loops.inner_loops(rows)
        self.assertEqual((inner[0].address, loops.elements(inner)), (0x30, 16))
        self.assertEqual((rest[0].address, loops.elements(rest)), (0x76, 1))
        expected = {"load": 3, "logic": 2, "scalar": 9, "move": 1, "fma": 1, "convert": 1, "shuffle": 1, "divide": 1}
        self.assertEqual(counts_of(inner), expected | {"add": 1, "store": 1})

    def test_arm(self):
        rows = next(function for function in loops.functions(ARM) if function.name == "rows")
        self.assertEqual(rows.isa, "neon")
        (inner,) = loops.inner_loops(rows)
        self.assertEqual((inner[0].address, loops.elements(inner)), (4, 8))
        expected = {"load": 2, "fma": 1, "move": 1, "convert": 1, "logic": 1, "shuffle": 1, "store": 1, "scalar": 3}
        self.assertEqual(counts_of(inner), expected)

    def test_classes(self):
        for text, kind in {
            "vpmuludq %ymm1,%ymm2,%ymm3": "fma",
            "vfnmadd231ps %zmm9,%zmm4,%zmm26": "fma",
            "vsqrtpd %ymm1,%ymm2": "divide",
            "vpermt2ps %zmm1,%zmm2,%zmm3": "shuffle",
            "vmovq %r14,%xmm6": "shuffle",
            "vmovaps %zmm1,%zmm2{%k1}": "logic",
            "kortestw %k0,%k0": "logic",
            "vpslld $0x17,%zmm5,%zmm5": "logic",
            "vrndscaleps $0x8,%zmm1,%zmm2": "convert",
            "vbroadcastss 0x0(%rip),%ymm4": "load",
            "prefetcht0 0x40(%rax)": "load",
            "vzeroupper": "scalar",
            "add $0x40,%rdx": "scalar",
            "fmul v1.4s, v2.4s, v3.4s": "fma",
            "fsub v1.2d, v2.2d, v3.2d": "add",
            "shl v1.4s, v2.4s, #23": "logic",
            "mov v1.s[0], v2.s[1]": "shuffle",
            "fcvtn2 v1.4s, v2.2d": "convert",
            "ld1r {v1.4s}, [x1]": "load",
            "stp x1, x2, [sp]": "scalar",
        }.items():
            self.assertEqual(classes.count(text), {kind: 1}, text)


if __name__ == "__main__":
    unittest.main()
