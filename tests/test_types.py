"""The package is typed, and says so (py.typed): mypy accepts it, and ruff (ANN) finds no public function unannotated."""

import subprocess
import sys
from pathlib import Path


def test_mypy_accepts_the_package():
    mypy = [sys.executable, "-m", "mypy"]
    done = subprocess.run(mypy, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
