"""page_test.py FOLDER: makes the report of FOLDER's bench.json and check.json, and of made-up numbers, opens it in
headless Chromium and holds what is in the page against the numbers. All kinds of reports are in this one file, as each
is made and opened once for its tests; what holds for all of them is in page.py.
"""

import json
import re
import statistics
import subprocess
import sys
import unittest
from pathlib import Path

import browser
import made_up
from page import REPORT, Page, make

FOLDER = Path(sys.argv.pop(1))


class Real(Page, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = json.loads((FOLDER / "bench.json").read_text())
        cls.check = json.loads((FOLDER / "check.json").read_text())
        cls.open(make(FOLDER / "real", cls.bench, cls.check))
        for name, width, dark in (("desktop", 1280, False), ("phone", 390, False), ("dark", 1280, True)):
            browser.screenshot(cls.folder / "report.html", width, dark, cls.folder / f"{name}.png")

    def test_everything_measured_is_there(self):
        measured = set()
        for run in self.bench["benchmarks"]:
            if re.search("/threads:|/(bf16|f16|f64)/", run["run_name"]):
                continue  # test_ratios
            parts = [part for part in run["run_name"].split("/") if not re.match(r"[A-Za-z]+:\d+$", part)]
            if parts[0] not in ("limit", "rate", "call", "cold", "math", "inputs", "inner"):
                measured.add(("/".join(parts[:-1]), parts[-1]))
        shown = {(bar["function"], bar["variant"]) for bar in self.desktop["bars"]}
        self.assertEqual(shown, measured)
        self.assertEqual(self.report["failed"], [])

    def test_every_function_was_checked(self):
        for function in self.report["functions"]:
            self.assertIsNotNone(function["check"], function["name"])
            self.assertEqual(function["check"]["bits"], "equal" if len(self.report["isas"]) > 1 else "one ISA")

    def test_ratios(self):
        """Rows with other inputs beside the ordinary one, inner beside inner 1, several threads beside one, and other
        types."""
        speed = {}
        for run in self.bench["benchmarks"]:
            if run["run_type"] == "iteration":
                speed.setdefault(run["run_name"], []).append(run["items_per_second"])
        median = {name: statistics.median(speeds) for name, speeds in speed.items()}
        found = {}
        for row in self.report["inputs"]:
            sizes = "/".join(f"{key}:{n}" for key, n in row["sizes"].items())
            for which, of in row["times"].items():
                found |= {f"inputs/{which}/{row['function']}/{v}/{sizes}": times for v, times in of.items()}
        for row in self.report["inner"]:
            for n, times in row["times"].items():
                found[f"inner/{row['function']}/{row['isa']}/V:{row['classes']}", n] = times
        for row in self.report["threads"]:
            sizes = "/".join(f"{key}:{n}" for key, n in row["sizes"].items())
            for n, times in row["times"].items():
                found[f"{row['function']}/{row['isa']}/{sizes}/threads:{n}/real_time"] = times
        for row in self.report["types"]:
            for type_, of in row["types"].items():
                name = f"{row['function']}/{row['variant']}/{type_}/"
                rows = [n for n, s in median.items() if n.startswith(name) and s == of["per_second"]]
                self.assertEqual(len(rows), 1, name)
                found[rows[0]] = of["per_second"]
                variant = row["variant"]
                plains = [rows[0].replace(f"/{variant}/", f"/{plain}/") for plain in (f"plain-{variant}", "plain")]
                plain = next((median[plain] for plain in plains if plain in median), None)
                if variant in self.report["isas"] and plain:
                    self.assertEqual(of["over_plain"], of["per_second"] / plain)
        expected = {
            name: median[name.split("/", 2)[2]] / speed for name, speed in median.items() if name.startswith("inputs/")
        }
        for name, speed in median.items():
            if inner := re.fullmatch(r"(inner/.*/V:\d+)/N:\d+/inner:(\d+)", name):
                one = next(s for n, s in median.items() if n.startswith(inner[1] + "/") and n.endswith("/inner:1"))
                if inner[2] != "1":
                    expected[inner[1], inner[2]] = one / speed
            if re.search("/(bf16|f16|f64)/", name):
                expected[name] = speed
            if several := re.fullmatch(r"(.*)/threads:\d+/real_time", name):
                expected[name] = speed / median[several[1]]
        self.assertGreater(len(expected), 30)
        self.assertEqual(found, expected)
        self.assertTrue(self.report["threads"])
        self.assertTrue(self.report["types"])
        tables = [self.report[name] for name in ("inputs", "inner", "types", "threads")]
        self.assertEqual(self.desktop["ratios"], sum(len(rows) for rows in tables))

    def test_machine(self):
        page = (self.folder / "report.html").read_text()
        for key in ("cpu", "compiler", "SLEEF", "kernel", "governor", "vloss", "rows in memory"):
            self.assertIn(f"<dt>{key}</dt><dd>{self.bench['context'][key]}</dd>", page.replace("&#39;", "'"))


class MadeUp(Page, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.open(make(FOLDER / "made_up", made_up.bench(), made_up.check()))

    def point(self, n: int) -> dict:
        return next(p for f, p in self.points() if p["sizes"] == {"n": n})

    def test_figures(self):
        at = [self.point(bytes_ // 4) for bytes_ in (32 << 10, 512 << 10, 4 << 20, 256 << 20)]
        self.assertEqual([p["level"] for p in at], ["L1", "L2", "L3", "memory"])
        self.assertEqual([p["limit"] for p in at], [50e9, 15e9, None, 2.5e9])
        self.assertEqual([p["fastest"] for p in at], ["first", "elsewhere<b>", "first", "elsewhere<b>"])
        speeds = at[1]["speeds"]
        self.assertEqual([s["variant"] for s in speeds], ["first", "second", "third", "plain", "elsewhere<b>"])
        self.assertEqual([s["kind"] for s in speeds], ["isa", "isa", "isa", "plain", "peer"])
        self.assertAlmostEqual(speeds[0]["share_of_limit"], 0.8)
        self.assertAlmostEqual(speeds[0]["over_plain"], 4)
        self.assertAlmostEqual(speeds[0]["spread"], 0.75)
        self.assertEqual(speeds[0]["ulp"], {"loss": 1.5})  # the forward alone writes no gradients
        self.assertEqual(speeds[2]["ulp"], {"loss": 0.75})  # the third ISA's own
        self.assertIsNone(speeds[3]["ulp"])
        rows = next(f for f in self.report["functions"] if f["name"] == "made_up/of_rows")
        self.assertEqual((rows["unit"], rows["points"][0]["limit"]), ("rows", None))
        self.assertEqual(rows["check"]["ulp"], {"loss": 1.5, "grad": 3, "grad_other": 1})
        summary = self.report["summary"]
        self.assertEqual((summary["points"], summary["limited"], summary["near_limit"]), (7, 3, 3))
        self.assertEqual(summary["wins"], {"first": 6, "second": 1})
        overview = self.desktop["overview"][0]["cells"]
        self.assertEqual(overview["L1"].split(), ["first", "80", "%", "40.0"])
        self.assertEqual(overview["L2"].split(), ["first", "80", "%", "12.0", "elsewhere<b>", "1.08×"])
        self.assertEqual(overview["memory"].split(), ["second", "80", "%", "2.00", "elsewhere<b>", "1.50×"])
        self.assertEqual([(b["level"], b["times"]) for b in summary["behind"]], [("memory", 1.5), ("L2", 13 / 12)])
        self.assertAlmostEqual(self.report["calls"][0]["nanoseconds"]["first"], 25)

    def test_ratios(self):
        sizes = {"n": (512 << 10) // 4}
        times = {"confident": {"first": 2, "plain": 6}, "denormal": {"first": 4}}
        self.assertEqual(self.report["inputs"], [{"function": "made_up/forward", "sizes": sizes, "times": times}])
        inner = {"function": "made_up/of_rows", "classes": 10, "isa": "first", "times": {"3": 2}}
        self.assertEqual(self.report["inner"], [inner])
        self.assertIn("| made_up/of_rows, 10 classes | first | 2.00× |", (self.folder / "report.md").read_text())
        bf16 = {(row["level"], row["variant"]): row["types"]["bf16"] for row in self.report["types"]}
        types = {
            row: [figures[of] for of in ("per_second", "over_f32", "over_plain")] for row, figures in bf16.items()
        }
        self.assertEqual(
            types,
            {
                ("L2", "first"): [6e9, 0.5, None],
                ("memory", "first"): [2e9, 2, 4],
                ("memory", "plain"): [0.5e9, 1, None],
            },
        )
        line = "| made_up/forward | memory | first | 2.00 | 2.00× | 4.00× |"
        self.assertIn(line, (self.folder / "report.md").read_text())
        threads = {"function": "made_up/forward", "sizes": sizes, "level": "L2", "isa": "first", "times": {"2": 1.5}}
        self.assertEqual(self.report["threads"], [threads])
        line = "| made_up/forward | 131,072 elements | L2 | first | 1.50× |"
        self.assertIn(line, (self.folder / "report.md").read_text())

    def test_for_trackers(self):
        name = "made_up/forward/first/n:131072"
        speed = {"value": 12e9, "lower_value": 6e9, "upper_value": 15e9}
        bencher = json.loads((self.folder / "bencher.json").read_text())
        self.assertEqual(bencher[name], {"throughput": speed})
        self.assertFalse([row for row in bencher if "/plain/" in row or "elsewhere" in row])
        rows = json.loads((self.folder / "github-action-benchmark.json").read_text())
        self.assertIn({"name": name, "unit": "elements/s", "value": 12e9, "range": "75.0%"}, rows)
        self.assertEqual([row["name"] for row in rows], list(bencher))

    def test_quiet(self):
        self.assertEqual(self.report["warnings"], [])
        self.assertNotIn("Warning", (self.folder / "report.html").read_text())

    def test_busy(self):
        folder = make(FOLDER / "busy", made_up.busy(), None)
        warnings = json.loads((folder / "report.json").read_text())["warnings"]
        busy = "the machine was busy: rows got 67% of a CPU, others used 1.5 of 3 CPUs"
        self.assertEqual(warnings, ["memory is <small>", busy])
        page = (folder / "report.html").read_text()
        self.assertIn(f"{busy}.", page)
        self.assertIn("memory is &lt;small&gt;.", page)
        self.assertIn(f"**Warning:** {busy}.", (folder / "report.md").read_text())

    def test_what_is_wrong_is_said(self):
        page = (self.folder / "report.html").read_text()
        self.assertIn("2 failed", page)
        self.assertIn("vloss-check, made_up on third, sums</code>: n 7: loss[1] is &lt;2&gt;", page)
        self.assertIn("made_up/backward/first/n:16</code>: first and second give different bits", page)
        self.assertIn("the ISAs give different bits in 2 functions", page)
        self.assertIn("2 failures", page)

    def test_peers(self):
        self.assertEqual(
            self.report["peers"],
            [{"name": "elsewhere<b>", "version": "7.7", "asked": "the same, on one thread", "timed": True}],
        )
        page = (self.folder / "report.html").read_text()
        self.assertIn("keep their heap between calls", " ".join(page.split()))
        self.assertIn("the same, on one thread", page)

    def test_no_host_name(self):
        for name in ("report.html", "report.md", "report.json", "bencher.json", "github-action-benchmark.json"):
            self.assertNotIn("secret", (self.folder / name).read_text())


class Used(Page, unittest.TestCase):
    """The page's script, under its policy; plain loops of ISAs, and both limits."""

    @classmethod
    def setUpClass(cls):
        cls.open(make(FOLDER / "used", made_up.against_plain(), None, made_up.OPERATIONS))
        cls.used = browser.use(cls.folder / "report.html", scripted=True)

    def speeds(self, function: str, level: str, **sizes) -> dict:
        found = [p for f, p in self.points() if f["name"] == function and p["level"] == level]
        point = next(p for p in found if all(p["sizes"][key] == n for key, n in sizes.items()))
        return {s["variant"]: s for s in point["speeds"]}

    def test_rivals(self):
        expected = {  # of a level: the ISA's rival, and how many times as fast as that it is
            "L1": {"first": ("plain-second", 0.8), "second": ("plain-second", 0.5)},
            "L2": {"first": ("plain-first", 0.7), "second": ("plain-second", 2)},
        }
        for level, of in expected.items():
            speeds = self.speeds("counted/forward", level)
            self.assertEqual({isa: (speeds[isa]["rival"], speeds[isa]["over_rival"]) for isa in of}, of)
            self.assertIsNone(speeds["plain-first"]["rival"])
        speeds = self.speeds("counted/forward", "L2")
        self.assertAlmostEqual(speeds["first"]["over_plain"], 0.7)
        self.assertAlmostEqual(speeds["second"]["over_plain"], 2)
        self.assertAlmostEqual(speeds["elsewhere<b>"]["over_plain"], 0.8)  # of the fastest
        self.assertIsNone(self.speeds("alone/forward", "L1")["first"]["rival"])
        self.assertEqual(
            self.report["summary"]["against_plain"],
            {"first": {"points": 4, "behind": 1, "worst": 0.7}, "second": {"points": 4, "behind": 1, "worst": 0.5}},
        )
        page = " ".join((self.folder / "report.html").read_text().split())
        self.assertIn("<b>first</b> is behind the plain loop compiled for it in 1 of 4, at worst 0.700×", page)

    def test_limits(self):
        of = ("limit", "bound_by", "arithmetic_limit")
        expected = {
            ("L1", "first"): (9e9, "any", 9e9),
            ("L2", "first"): (9e9, "any", 9e9),
            ("L1", "second"): (40e9, "fma", 40e9),
            ("L2", "second"): (15e9, "memory", 40e9),
            ("L1", "plain-first"): (50e9, "memory", None),
        }
        for (level, variant), wanted in expected.items():
            s = self.speeds("counted/forward", level)[variant]
            self.assertEqual(tuple(s[name] for name in of), wanted)
            self.assertAlmostEqual(s["share_of_limit"], s["per_second"] / wanted[0])
        # Of few classes other code runs, which was not counted.
        short, long = (self.speeds("counted/rows", "L1", V=classes)["first"] for classes in (10, 100))
        self.assertEqual((short["bound_by"], long["bound_by"]), ("memory", "memory"))
        self.assertEqual((short["arithmetic_limit"], long["arithmetic_limit"]), (None, 160e9))
        cells = self.desktop["overview"][0]["cells"]
        self.assertEqual(cells["L1"].split()[:5], ["first", "89", "%", "of", "arithmetic"])
        rates = [{"isa": "first", "per_second": {"fma": 40e9, "add": 20e9, "any": 45e9}},
                 {"isa": "second", "per_second": {"fma": 20e9, "new": 1e9}}]  # fmt: skip
        self.assertEqual(self.report["rates"], rates)

    def test_cold_calls(self):
        nanoseconds = self.report["cold"][0]["nanoseconds"]
        self.assertAlmostEqual(nanoseconds["first"], 250)
        self.assertAlmostEqual(nanoseconds["plain-first"], 750)
        self.assertIn("| counted/forward | 16 elements | 250.0 | 750.0 |", (self.folder / "report.md").read_text())

    def test_the_script_runs(self):
        self.assertEqual((self.used["controls"], self.used["hidden"]), (1, []))
        self.assertEqual(self.used["buttons"], 10 + 5)
        self.everything(self.used["start"])
        self.everything(self.used["end"])

    def test_sorting(self):
        for title, clicks in self.used["sorted"].items():
            column = list(self.used["sorted"]).index(title)
            for view, sign, said in zip(clicks, (1, -1), ("ascending", "descending")):
                self.assertTrue(view["focused"])
                self.assertEqual(view["sorted"], [said if i == column else None for i in range(10)])
                self.everything(view)
                cells = [row[column] for row in view["rows"]]
                known = [cell for cell in cells if cell != "–"]
                self.assertEqual(cells, known + ["–"] * (len(cells) - len(known)), "what is not known is last")
                if re.match(r"[\d.,]+", known[0]):
                    known = [float(re.match(r"[\d.,]+", cell)[0].replace(",", "")) for cell in known]
                self.assertEqual(known, sorted(known, reverse=sign < 0), title)
        self.assertEqual(self.used["overview"]["sorted"], [None, None, "ascending", None, None])
        self.assertEqual(self.used["overview"]["overview"][0], "counted/forward")  # the one that has a speed in L2
        names = ["alone/forward", "counted/forward", "counted/rows"]
        self.assertEqual(self.used["overviewByName"]["overview"], names)

    def test_choosing(self):
        name, isa, level = (self.used[by] for by in ("name", "isa", "level"))
        self.assertEqual({row[0] for row in name["rows"]}, {"counted/forward", "counted/rows"})
        self.assertEqual((len(name["rows"]), name["functions"]), (8, ["counted-forward", "counted-rows"]))
        self.assertEqual(name["said"], "8 of 9 rows")
        self.assertEqual({row[3] for row in isa["rows"]}, {"second"})
        self.assertEqual({variant for _, _, variant in isa["bars"]}, {"second", "plain-second", "elsewhere<b>"})
        self.assertNotIn("alone-forward", isa["functions"])
        self.assertEqual({row[2] for row in level["rows"]}, {"L1"})

    def test_where_something_is_ahead(self):
        shown = [(row[0], row[2], row[3], row[8]) for row in self.used["ahead"]["rows"]]
        behind = [
            (f["name"], p["level"], s["variant"], s["rival"])
            for f, p in self.points()
            for s in p["speeds"]
            if s["over_rival"] is not None and s["over_rival"] < 1
        ]
        self.assertEqual(len(behind), 3)
        self.assertEqual(sorted(shown), sorted(behind))
        self.assertEqual(self.used["ahead"]["overview"], ["counted/forward"])
        self.assertEqual(self.used["ahead"]["functions"], ["counted-forward"])


class Inputs(unittest.TestCase):
    def refused(self, bench: str, check: str | None, message: str):
        folder = FOLDER / "refused"
        folder.mkdir(exist_ok=True)
        (folder / "bench.json").write_text(bench)
        command = [sys.executable, str(REPORT), str(folder / "bench.json"), "--out", str(folder)]
        if check is not None:
            (folder / "check.json").write_text(check)
            command.insert(3, str(folder / "check.json"))
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(message, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse((folder / "report.html").exists())

    def test_refusals(self):
        good = json.dumps(made_up.bench())
        self.refused("{", None, "bench.json: not JSON")
        self.refused("{}", None, "not the JSON of vloss-bench")
        self.refused("[]", None, "not the JSON of vloss-bench")
        self.refused(good.replace("made_up/", "limit/"), None, "timed no function")
        self.refused(good, '{"lines": [{}]}', "not the JSON of vloss-check")
        self.refused(json.dumps({"context": {"ISAs": ""}, "benchmarks": []}), None, "not the JSON of vloss-bench")
        self.refused(good.replace('"working_set"', '"size"'), None, "no working_set")

    def test_without_check(self):
        folder = make(FOLDER / "unchecked", made_up.bench(), None)
        self.assertIn("Bits and errors were not checked", (folder / "report.html").read_text())

    def test_the_browser_complains(self):
        """Or test_nothing_to_complain would prove nothing."""
        page = FOLDER / "broken.html"
        page.write_text("<!DOCTYPE html><script>nothing_of_that_name()</script>")
        self.assertIn("nothing_of_that_name is not defined", browser.complaints(page)[0])
        folder = make(FOLDER / "unscripted", made_up.bench(), None)
        text = (folder / "report.html").read_text().replace("const controls", "const  controls")
        page.write_text(text)  # not what the hash is of
        self.assertIn("Content Security Policy", browser.complaints(page)[0])


if __name__ == "__main__":
    unittest.main(verbosity=2)
