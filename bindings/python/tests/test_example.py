"""examples/fashion_mnist.py, for one epoch of some images."""
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "fashion_mnist.py"


def run(*options):
    return subprocess.run([sys.executable, str(EXAMPLE), *options], capture_output=True, text=True)


def test_fashion_mnist(tmp_path):
    pytest.importorskip("tqdm")
    pytest.importorskip("matplotlib")
    if not pathlib.Path("/usr/share/datasets/fashion-mnist").exists():
        pytest.skip("no Fashion-MNIST (package dataset-fashion-mnist)")
    ran = run("--epochs", "2", "--images", "6000", "--png", str(tmp_path / "losses.png"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = re.findall(r"mean loss (\S+), accuracy (\S+)%", ran.stdout)
    assert len(lines) == 4
    torch, vloss = lines[1], lines[3]
    assert float(torch[0]) == pytest.approx(float(vloss[0]), abs=2e-4) and float(vloss[1]) > 70
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert "package dataset-fashion-mnist" in run("--data", str(tmp_path)).stderr
