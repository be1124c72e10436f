#!/usr/bin/env python3
"""score_test.py VLOSS-SCORE: holds the program against NumPy in double arithmetic, for each type and format; and bad input
against its messages. Exit status 77 means that there is no NumPy here; under
tests/run.sh, which installs it, that is a failure."""
import csv
import io
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError as reason:
    print(f"SKIP: nothing was compared: {reason} (package python3-numpy)")
    sys.exit(1 if os.environ.get("VLOSS_TESTS_HAVE_ALL") else 77)  # tests/run.sh installs it

program = sys.argv[1:]
work = tempfile.TemporaryDirectory()
os.chdir(work.name)
ROWS, CLASSES, TOP = 37, 5003, 3
failures = 0


def run(*words):
    return subprocess.run(program + list(words), capture_output=True, text=True)


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print(f"FAIL: {what}")


def near(what, got, expected, tolerance=2e-6):
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    expect(got.shape == expected.shape and np.all(np.abs(got - expected) <= tolerance * (1 + np.abs(expected))), what)


def exact(logits, ids):
    x = logits.astype(np.float64)
    top = np.argsort(-x, axis=1, kind="stable")[:, :TOP]
    lse = np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)) + x.max(1)
    lp = x - lse[:, None]
    own = np.array([lp[r, i] if i >= 0 else 0 for r, i in enumerate(ids)])
    rank = [int((x[r] > x[r, i]).sum() + (x[r, :i] == x[r, i]).sum()) if i >= 0 else -1 for r, i in enumerate(ids)]
    entropy = -(np.exp(lp) * lp).sum(1)
    return own, rank, lse, entropy, top, np.take_along_axis(lp, top, 1)


def read_csv(text):
    lines = list(csv.DictReader(io.StringIO(text)))
    columns = [[line[name] for line in lines] for name in ("logprob", "rank", "lse", "entropy")]
    top = [[line[f"top{j}"] for j in range(TOP)] for line in lines]
    return *columns, top, [[line[f"top{j}_logprob"] for j in range(TOP)] for line in lines]


def read_json(text):
    lines = json.loads(text)
    columns = [[line[name] for line in lines] for name in ("logprob", "rank", "lse", "entropy")]
    return *columns, [[pair[0] for pair in line["top"]] for line in lines], [[pair[1] for pair in line["top"]] for line in lines]


def read_npy(prefix):
    return [np.load(f"{prefix}.{name}.npy") for name in ("logprob", "rank", "lse", "entropy", "top_id", "top_logprob")]


def compare(what, found, expected):
    for name, got, right in zip(("logprob", "rank", "lse", "entropy", "top", "top_logprob"), found, expected):
        near(f"{what}: {name}", got, right)


def check_values():
    random = np.random.default_rng(1)
    wide = random.normal(0, 3, (ROWS, CLASSES)).astype(np.float32)
    ids = random.integers(0, CLASSES, ROWS)
    ids[5] = -100
    np.save("ids.npy", ids)
    np.save("ids32.npy", ids.astype(np.int32))
    with open("ids.txt", "w") as file:
        file.write("\n".join(map(str, ids)))
    bf16 = (wide.view(np.uint32) >> 16).astype(np.uint16)
    files = {"f4": (wide, []), "f8": (wide.astype(np.float64) * 1.0000001, []), "f2": (wide.astype(np.float16), []),
             "u2": (bf16, ["--type", "bf16"])}
    for name, (array, options) in files.items():
        np.save(f"{name}.npy", array.reshape(1, ROWS, CLASSES))
        values = (array.astype(np.uint32) << 16).view(np.float32) if name == "u2" else array
        expected = exact(values, ids)
        common = [f"{name}.npy", "--ids", "ids.npy", "--top", str(TOP), *options]
        compare(f"{name}, csv", read_csv(run(*common).stdout), expected)
        compare(f"{name}, json", read_json(run(*common, "--format", "json").stdout), expected)
        result = run(*common, "--format", "npy", "--out", f"out-{name}", "--threads", "1")
        expect(result.returncode == 0, result.stderr)
        compare(f"{name}, npy", read_npy(f"out-{name}"), expected)
        array.tofile(f"{name}.raw")
        raw = [f"{name}.raw", "--shape", f"{ROWS}x{CLASSES}", "--type", {"f4": "f32", "f8": "f64", "f2": "f16", "u2": "bf16"}[name]]
        compare(f"{name}, raw", read_csv(run(*raw, "--ids", "ids.txt", "--top", str(TOP)).stdout), expected)
    expected = exact(wide / np.float32(0.5), ids)
    compare("a temperature", read_csv(run("f4.npy", "--ids", "ids32.npy", "--top", str(TOP), "--temperature", "0.5").stdout), expected)
    expected = exact(7 * np.tanh(wide.astype(np.float64) / 7), ids)
    found = read_csv(run("f4.npy", "--ids", "ids.npy", "--top", str(TOP), "--softcap", "7").stdout)
    compare("a softcap", found[:1] + found[2:4], expected[:1] + expected[2:4])
    own = exact(wide, ids)[0]
    summary = run("f4.npy", "--ids", "ids.npy", "--summary")
    perplexity = float(summary.stderr.split("perplexity ")[1].split(",")[0])
    near("the perplexity", perplexity, np.exp(-own[ids >= 0].mean()), 1e-5)
    expect(summary.stdout == "", "--summary prints rows")


def check_comparison():
    wide = np.load("f4.npy").reshape(ROWS, CLASSES)
    np.save("fewer.npy", wide[1:])
    random = np.random.default_rng(2)
    other = (wide + random.normal(0, 0.3, wide.shape)).astype(np.float32)
    other[3] = wide[3]
    other[5, 7] = -np.inf
    np.save("other.npy", other)
    other.tofile("other.raw")
    bits = (other.view(np.uint32) >> 16).astype(np.uint16)
    np.save("other-bf16.npy", bits)
    narrow = (bits.astype(np.uint32) << 16).view(np.float32)

    def divergence(teacher, student, temperature=1.0):
        def log_softmax(x):
            x = (x / np.float32(temperature)).astype(np.float64)
            return x - (np.log(np.exp(x - x.max(1, keepdims=True)).sum(1)) + x.max(1))[:, None]
        p, q = log_softmax(teacher), log_softmax(student)
        with np.errstate(invalid="ignore"):
            return np.where(np.isinf(p), 0, np.exp(p) * (p - q)).sum(1)

    def columns(*words):
        result = run(*words)
        expect(result.returncode == 0, f"{words}: {result.stderr}")
        lines = list(csv.DictReader(io.StringIO(result.stdout)))
        return [line["kl"] for line in lines], [line["same_top"] for line in lines]

    same = wide.argmax(1) == other.argmax(1)
    for words, teacher in ((["--compare", "other.npy"], other), (["--compare", "other-bf16.npy", "--compare-type", "bf16"], narrow)):
        kl, tops = columns("f4.npy", *words)
        near(f"KL with {words}", kl, divergence(teacher, wide))
        near(f"same tops with {words}", tops, wide.argmax(1) == teacher.argmax(1))
    raw = ["f4.raw", "--shape", f"{ROWS}x{CLASSES}", "--type", "f32", "--compare", "other.raw"]
    near("KL of raw files", columns(*raw)[0], divergence(other, wide))
    near("KL at a temperature", columns("f4.npy", "--compare", "other.npy", "--temperature", "2")[0], divergence(other, wide, 2))
    found = json.loads(run("f4.npy", "--compare", "other.npy", "--format", "json").stdout)
    near("KL as JSON", [row["kl"] for row in found], divergence(other, wide))
    expect([row["same_top"] for row in found] == list(same), "same tops as JSON")
    run("f4.npy", "--compare", "other.npy", "--format", "npy", "--out", "kl")
    near("KL as .npy", np.load("kl.kl.npy"), divergence(other, wide))
    near("same tops as .npy", np.load("kl.same_top.npy"), same)
    told = run("f4.npy", "--compare", "other.npy", "--summary").stderr
    near("the mean KL", float(told.split("mean KL ")[1].split()[0]), divergence(other, wide).mean(), 1e-5)
    near("the share of same tops", float(told.split("same top ")[1].split("%")[0]), 100 * same.mean(), 1e-3)
    near("the greatest KL", float(told.split("100% ")[1].split()[0]), divergence(other, wide).max(), 1e-5)
    near("the median", float(told.split(": 50% ")[1].split(",")[0]), np.sort(divergence(other, wide))[ROWS // 2], 1e-5)
    # The other way round a class has no probability in the student alone.
    kl, _ = columns("other.npy", "--compare", "f4.npy")
    expect(kl[5] == "inf", f"a class that only one file masks: {kl[5]}")
    expect("100% inf" in run("other.npy", "--compare", "f4.npy", "--summary").stderr, "the summary of an infinite KL")


def refused(message, *words):
    before = sorted(os.listdir("."))
    result = run(*words)
    expect(result.returncode == 1 and message in result.stderr, f"{words}: {result.returncode}, {result.stderr}")
    expect(sorted(os.listdir(".")) == before, f"{words} left a file behind")


def check_refusals():
    whole = open("f4.npy", "rb").read()
    header = whole[: len(whole) - ROWS * CLASSES * 4]

    def damaged(name, data):
        with open(name, "wb") as file:
            file.write(data)
        return name

    refused("cannot open none.npy", "none.npy")
    refused("is no regular file", ".")
    refused("is empty", damaged("empty", b""))
    refused("--shape and --type must say", "ids.txt")
    refused("it is cut short", damaged("short.npy", whole[:-4]))
    refused("has 740575 bytes", damaged("long.npy", whole + b"abc"))
    refused("cut short", damaged("head.npy", whole[:40]))
    refused("version 9", damaged("version.npy", whole[:6] + b"\x09" + whole[7:]))
    refused("this machine's byte order", damaged("big.npy", whole.replace(b"'<f4'", b"'>f4'")))
    refused("Fortran", damaged("order.npy", whole.replace(b"False", b"True ")))
    refused("no descr", damaged("descr.npy", whole.replace(b"'descr'", b"'descx'")))
    refused("shape in the header is damaged", damaged("shape.npy", header.replace(b"(1, 37", b"(-, 37") + whole[len(header):]))
    refused("are no logits", "ids.npy")
    refused("only with --type bf16", "u2.npy")
    refused("not that of the file", "f4.npy", "--type", "f64")
    refused("not 1 of 5003", "f4.npy", "--shape", "1x5003")
    refused("has 37 ids, but there are 1 rows", "f4.raw", "--type", "f32", "--shape", "1x185111", "--ids", "ids.npy")
    refused("more than memory can address", "f4.raw", "--type", "f32", "--shape", "99999999999x99999999999")
    refused("--shape wants", "f4.raw", "--type", "f32", "--shape", "36")
    refused("is no whole number", "f4.npy", "--ids", damaged("bad.txt", b"1 2 x"))
    refused("id 5003 of row 1 is no class", "f4.npy", "--out", "rows.csv", "--ids", damaged("far.txt", b"1 5003 " + b"0 " * 35))
    refused("more than the 5003 classes", "f4.npy", "--top", "5004")
    refused("--top wants a whole number", "f4.npy", "--top", "-1")
    refused("--temperature wants a number above 0", "f4.npy", "--temperature", "0")
    refused("has 36 rows of 5003 classes, not 37 of 5003", "f4.npy", "--compare", "fewer.npy")
    refused("f64 compares with f64 only", "f4.npy", "--compare", "f8.npy")
    refused("cannot open none.npy", "f4.npy", "--compare", "none.npy")
    refused("bf16 only with --compare-type bf16", "f4.npy", "--compare", "u2.npy")
    refused("takes no --softcap", "f4.npy", "--compare", "f2.npy", "--softcap", "3")
    refused("needs --compare", "f4.npy", "--compare-type", "f32")
    refused("needs --out", "f4.npy", "--format", "npy")
    refused("does not know", "f4.npy", "--format", "xml")
    refused("unknown option", "f4.npy", "--nonsense")
    refused("cannot write none/rows.csv", "f4.npy", "--out", "none/rows.csv")
    refused("no file of logits")
    full = subprocess.run(program + ["f4.npy"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, text=True)
    expect(full.returncode == 1 and "cannot write" in full.stderr, f"a full disk: {full.returncode}, {full.stderr}")


check_values()
check_comparison()
check_refusals()
print(f"vloss-score: {failures} failures")
sys.exit(1 if failures else 0)
