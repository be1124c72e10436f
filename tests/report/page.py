"""Makes a report, and what holds for every report: the page shows the numbers of report.json, to every reader, and asks
for nothing from outside.
"""

import html.parser
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import browser

REPORT = Path(__file__).resolve().parents[2] / "bench" / "report" / "report.py"


def make(folder: Path, bench: dict, check: dict | None, operations: str | None = None) -> Path:
    """The folder with the report's three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(bench))
    command = [sys.executable, str(REPORT), str(folder / "bench.json"), "--out", str(folder)]
    if check is not None:
        (folder / "check.json").write_text(json.dumps(check))
        command.insert(3, str(folder / "check.json"))
    if operations is not None:
        (folder / "operations.txt").write_text(operations)
        command += ["--operations", str(folder / "operations.txt")]
    subprocess.run(command, check=True)
    return folder


def luminance(colour: str) -> float:
    """Of "rgb(1, 2, 3)", as the Web Content Accessibility Guidelines define it."""
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class Attributes(html.parser.HTMLParser):
    """Of all elements."""

    def __init__(self):
        super().__init__()
        self.all: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.all += attrs


class Page:
    """What holds for every report."""

    folder: Path
    report: dict
    desktop: dict
    phone: dict
    dark: dict

    @classmethod
    def open(cls, folder: Path) -> None:
        cls.folder = folder
        cls.report = json.loads((folder / "report.json").read_text())
        page = folder / "report.html"
        cls.desktop = browser.probe(page, 1280)
        cls.phone = browser.probe(page, 390)
        cls.dark = browser.probe(page, 390, dark=True)

    def points(self):
        return [(function, point) for function in self.report["functions"] for point in function["points"]]

    def test_nothing_to_complain(self):
        self.assertEqual(browser.complaints(self.folder / "report.html"), [])

    def test_nothing_outside(self):
        page = (self.folder / "report.html").read_text()
        for reference in re.findall(r'(?:href|src|url)\s*[=(]\s*"?([^">)\s]*)', page):
            self.assertTrue(reference.startswith("#"), reference)

    def test_one_script_by_its_hash(self):
        page = (self.folder / "report.html").read_text()
        scripts = re.findall(r"<script([^>]*)>(.*?)</script", page, re.S | re.I)
        self.assertEqual([attributes for attributes, _ in scripts], [""])
        self.assertEqual(len(re.findall("<script", page, re.I)), 1)
        policy = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
        allowed = dict(directive.strip().split(" ", 1) for directive in policy[0].split(";"))
        self.assertEqual(len(policy), 1)
        self.assertEqual(
            allowed,
            {
                "default-src": "'none'",
                "style-src": "'unsafe-inline'",
                "script-src": browser.hash_of(scripts[0][1]),
                "base-uri": "'none'",
                "form-action": "'none'",
            },
        )
        self.assertLess(len(scripts[0][1]), 4000)
        found = Attributes()
        found.feed(page)
        self.assertFalse([name for name, _ in found.all if name.startswith("on")], "event handlers")
        self.assertFalse([value for _, value in found.all if value and value.strip().lower().startswith("javascript:")])

    def test_without_its_script_nothing_is_hidden(self):
        used = browser.use(self.folder / "report.html", scripted=False)
        self.assertEqual((used["hidden"], used["buttons"], used["controls"]), ([], 0, 0))
        self.everything(used["start"])

    def everything(self, view: dict):
        points = self.points()
        self.assertEqual(len(view["rows"]), sum(s["kind"] == "isa" for _, p in points for s in p["speeds"]))
        self.assertEqual(len(view["bars"]), sum(len(p["speeds"]) for _, p in points))
        self.assertEqual(len(view["overview"]), len(self.report["functions"]))
        self.assertEqual(len(view["functions"]), len(self.report["functions"]))

    def test_a_bar_for_every_speed(self):
        for probed in (self.desktop, self.phone, self.dark):
            shown = {}
            for bar in probed["bars"]:
                key = (bar["function"], bar["size"], bar["variant"])
                self.assertNotIn(key, shown, "two bars of the same")
                shown[key] = bar
            for function, point in self.points():
                longest = max([point["limit"] or 0] + [s["most_per_second"] for s in point["speeds"]])
                for s in point["speeds"]:
                    bar = shown.pop((function["name"], self.words(point["sizes"]), s["variant"]))
                    self.one_bar(bar, s, point, longest)
            self.assertEqual(shown, {}, "bars of what is not in the JSON")

    def one_bar(self, bar: dict, s: dict, point: dict, longest: float):
        for name in ("per_second", "share_of_limit", "over_plain", "over_scalar"):
            value = bar["values"][name]
            self.assertEqual(None if value is None else float(value), s[name], f"{bar}: {name}")
        # what is printed is the number, rounded
        self.assertAlmostEqual(float(bar["texts"]["per_second"]) / (s["per_second"] / 1e9), 1, delta=0.006)
        if s["over_plain"] is not None:
            self.assertAlmostEqual(float(bar["texts"]["over_plain"].rstrip("×")) / s["over_plain"], 1, delta=0.006)
        if s["ulp"]:
            self.assertEqual(bar["texts"]["ulp"], f"{max(s['ulp'].values()):.2f}")
        # and as long as it says, on the screen
        self.assertGreater(bar["chart"], 100)
        self.assertAlmostEqual(bar["speed"] / bar["chart"], s["per_second"] / longest, delta=0.01)
        ends = [s["least_per_second"] / longest, s["most_per_second"] / longest]
        for end, expected in zip(bar["spread"], ends):
            self.assertAlmostEqual(end / bar["chart"], expected, delta=0.01)
        for word in (f"{s['variant']}: median", f"in {s['repetitions']} repetition", "spread"):
            self.assertIn(word, bar["title"])
        self.assertEqual("the memory's limit" in bar["title"], point["limit"] is not None)
        self.assertEqual("the arithmetic's" in bar["title"], s["arithmetic_limit"] is not None)
        self.assertEqual(bar["track"] is not None, point["limit"] is not None)
        if point["limit"] is not None:
            self.assertAlmostEqual(bar["track"] / bar["chart"], point["limit"] / longest, delta=0.01)
        self.assertEqual(bar["fastest"], s["variant"] == point["fastest"])

    @staticmethod
    def words(sizes: dict[str, int]) -> str:
        words = {"V": "classes", "N": "rows", "n": "elements"}
        text = " × ".join(f"{n:,} {words[key]}" for key, n in sizes.items())
        return re.sub(r"\b1 rows", "1 row", re.sub(r"\b1 elements", "1 element", text))

    def test_colours_tell_variants_apart(self):
        for probed in (self.desktop, self.dark):
            fills = {}
            for bar in probed["bars"]:
                fills.setdefault(bar["variant"], set()).add(bar["fill"])
                self.assertGreater(
                    contrast(bar["fill"], probed["background"]), 4.5, bar["variant"]
                )  # names have it, too
            self.assertTrue(all(len(colours) == 1 for colours in fills.values()), fills)
            self.assertEqual(len(set.union(*fills.values())), len(fills), fills)

    def test_curves(self):
        curves = {curve["title"]: curve for curve in self.phone["curves"]}
        caches = self.report["machine"]["caches"]
        for function in self.report["functions"]:
            points = [p for p in function["points"] if p["sizes"].get("V") == function["main_classes"]]
            sets = [p["working_set"] for p in points]
            if len(set(sets)) < 2:
                continue
            curve = curves[f"{function['name']}: speed against size"]
            measured = [("limit", p["working_set"], p["limit"]) for p in points if p["limit"] is not None]
            measured += [(s["variant"], p["working_set"], s["per_second"]) for p in points for s in p["speeds"]]
            self.assertEqual(set(curve["names"]), {name for name, _, _ in measured})
            self.assertEqual(
                sorted(p["text"] for p in curve["points"]),
                sorted(f"{n}: {speed / 1e9:.3g}" for n, _, speed in measured),
            )
            # from left to right by size, and the faster the higher
            self.in_order([p["x"] for p in curve["points"]], [size for _, size, _ in measured])
            self.in_order([-p["y"] for p in curve["points"]], [speed for _, _, speed in measured])
            inside = [c["name"] for c in caches if min(sets) < c["bytes"] < max(sets)]
            self.assertLessEqual(set(inside), set(curve["marks"]))
            self.assertGreater(curve["letters"], 10, "letters in px on a phone")
            self.assertEqual(curve["outside"], [], "texts that are cut off")

    def in_order(self, places: list[float], values: list[float]):
        """On a logarithmic scale: equal ratios are equal distances."""
        places, logs = sorted(places), sorted(math.log(value) for value in values)
        for place, log in zip(places, logs):
            expected = (log - logs[0]) / (logs[-1] - logs[0]) * (places[-1] - places[0])
            self.assertAlmostEqual(place - places[0], expected, delta=0.05)

    def test_one_look(self):
        overview = {row["function"]: row for row in self.desktop["overview"]}
        self.assertEqual(list(overview), [function["name"] for function in self.report["functions"]])
        for function, point in self.points():
            row = overview[function["name"]]
            self.assertTrue(row["target"], "the link leads to the function")
            self.assertFalse(row["cut"], "a cell's text is wider than the cell")
            winners = set()
            for p in function["points"]:
                if p["level"] == point["level"]:
                    ours = [s for s in p["speeds"] if s["kind"] == "isa"]
                    winners.add(max(ours, key=lambda s: s["per_second"])["variant"])
            self.assertIn(row["cells"][point["level"]].split()[0], winners)

    def test_phone(self):
        self.assertEqual(self.phone["width"], 390)
        self.assertLessEqual(self.phone["needed"], 390)

    def test_light_and_dark(self):
        self.assertGreater(luminance(self.phone["background"]), 0.8)
        self.assertLess(luminance(self.dark["background"]), 0.05)
        for probed in (self.phone, self.dark):
            self.assertGreater(contrast(probed["background"], probed["text"]), 7)

    def test_markdown(self):
        text = (self.folder / "report.md").read_text()
        rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines()]
        for function, point in self.points():
            for s in point["speeds"]:
                found = [r for r in rows if len(r) == 9 and r[0].startswith(self.words(point["sizes"]) + " (")
                         and r[3] == s["variant"]]  # fmt: skip
                speeds = [float(r[4]) for r in found]
                self.assertTrue(
                    any(abs(x / (s["per_second"] / 1e9) - 1) < 0.006 for x in speeds), (function["name"], s)
                )
