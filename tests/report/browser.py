"""Debian's Chromium without a window: opens a page and tells what is in it, and what went wrong."""

import base64
import hashlib
import html
import json
import re
import subprocess
import tempfile
from pathlib import Path

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr""".split()
PROBE = Path(__file__).with_name("probe.js")
USE = Path(__file__).with_name("use.js")


def run(page: Path, width: int, dark: bool, *flags: str) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},900", *flags]
        if dark:
            command.append("--force-dark-mode")
        return subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=3600, check=True)


def complaints(page: Path) -> list[str]:
    """What the browser's console has to say about a page as it is: errors of scripts, styles, blocked requests."""
    return re.findall(r"CONSOLE.*", run(page, 1280, False, "--dump-dom").stderr)


def probe(page: Path, width: int, dark: bool = False) -> dict:
    """What probe.js finds in the rendered page. It is added to a copy, which may run scripts, in a frame: a window
    cannot be as narrow as a phone.
    """
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", text)
    copy = page.with_name(f"probed-{width}-{'dark' if dark else 'light'}.html")
    text = text.replace("</body>", f"<script>{PROBE.read_text(encoding='utf-8')}</script></body>")
    frame = f'<iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{html.escape(text)}"></iframe>'
    copy.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body>{frame}<pre id="probed"></pre>', encoding="utf-8")
    dom = run(copy, width, dark, "--dump-dom").stdout
    return json.loads(html.unescape(re.search(r'<pre id="probed">(.*?)</pre>', dom, re.S)[1]))


def hash_of(script: str) -> str:
    """As a Content-Security-Policy names a script that it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def use(page: Path, scripted: bool) -> dict:
    """What use.js finds when it uses the page. It is added to a copy whose policy allows it, too; or it alone, so that
    the page's own script does not run.
    """
    script = USE.read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    own = re.search(r"script-src ('sha256-[^']*')", text)[1]
    text = text.replace(own, f"{own} {hash_of(script)}" if scripted else hash_of(script))
    copy = page.with_name("used.html" if scripted else "unscripted.html")
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    dom = run(copy, 1280, False, "--dump-dom").stdout
    return json.loads(html.unescape(re.search(r'<pre id="used">(.*?)</pre>', dom, re.S)[1]))


def screenshot(page: Path, width: int, dark: bool, to: Path) -> None:
    run(page, width, dark, f"--screenshot={to}")
