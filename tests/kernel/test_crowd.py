"""Twenty notebooks at once on one machine."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from helpers import until
from notebook_kernel import NOTEBOOKS, Kernel, code_of

EACH = 5  # kernels per chapter


@pytest.fixture
def nothing_left_behind():
    """Switched off: these tests look into the notebooks' processes, and Jupyter's client keeps threads in this one."""


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_notebooks_at_once_all_finish_each_with_its_own_events(capsys):
    """The chapters' cells assert exact counts of their own users' calls and of their own programs' events."""
    paths = NOTEBOOKS * EACH
    together = Barrier(len(paths), timeout=600)

    def work(path):
        kernel = Kernel(seconds=1200)
        try:
            together.wait()
            for cell in code_of(path):
                try:
                    kernel.run_cell(cell)
                except BaseException as e:
                    raise AssertionError(f"{path.stem}, cell {cell.id}") from e
            return path.stem, int(
                re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{kernel.pid}/status").read_text())[1]
            )
        finally:
            kernel.stop()
            until(lambda: not kernel.remains())

    with ThreadPoolExecutor(len(paths)) as pool:
        peaks = list(pool.map(work, paths))
    with capsys.disabled():
        for stem in sorted({stem for stem, _ in peaks}):
            most = max(peak for name, peak in peaks if name == stem)
            print(f"\n{stem}: {EACH} kernels, each {most / 1024:.0f} MiB at most", end="")
