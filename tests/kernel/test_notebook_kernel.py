"""Chapters in a real notebook kernel: run again and again, interrupted, killed."""

import gc
import os
import random
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import until
from notebook_kernel import LOAD, NOTEBOOKS, Kernel, code_of, objects_of, paths_of, settled, still_there

ENDLESS = """
with record(b) as lines:
    print("recording")
    while True:
        run("/bin/true", times=100)
"""


@pytest.fixture
def nothing_left_behind():
    """Switched off: these tests look into the notebook's process, and Jupyter's client keeps threads in this one."""


@pytest.mark.parametrize(
    ("paths", "runs"),
    [
        pytest.param(NOTEBOOKS[:1], 2, id="chapter 1 twice"),
        pytest.param(NOTEBOOKS, 10, id="all chapters ten times", marks=pytest.mark.long),
    ],
)
def test_chapters_run_again_and_again_side_by_side_leave_nothing(paths, runs):
    with ThreadPoolExecutor(len(paths)) as pool:
        for path, states in zip(paths, pool.map(lambda path: states_after(runs, path), paths), strict=True):
            descriptors, threads = zip(*states, strict=True)
            assert descriptors[-1] <= descriptors[0] and threads[-1] <= threads[0], (path.stem, states)
    gc.collect()  # Jupyter's client leaves one event loop per thread; the next test would see them go.


def states_after(runs, path):
    """The (descriptors, threads) that the chapter's kernel has after each run."""
    kernel, states = Kernel(), []
    try:
        for _ in range(runs):
            for cell in code_of(path):
                kernel.run_cell(cell)
            states.append(until(lambda: settled(kernel)))
        return states
    finally:
        kernel.stop()
        until(lambda: not kernel.remains())


def test_an_interrupt_while_recording_leaves_everything_usable(kernel):
    kernel.run(LOAD)
    kernel.run("with record(b): pass")  # the trace instance is made by the first, and kept until b goes
    before = until(lambda: settled(kernel))
    kernel.start(ENDLESS, "recording")
    kernel.manager.interrupt_kernel()
    until(lambda: settled(kernel) == before)
    kernel.run("pids = run('/bin/true', times=3).pids")
    kernel.run(
        "with record(b) as again: pids = run('/bin/true', times=23).pids\nassert set(pids) <= {l.pid for l in again.lines}"
    )


def test_after_kill_9_under_load_the_next_load_sweeps(kernel):
    kernel.run(LOAD)
    kernel.start(ENDLESS, "recording")
    objects, paths = objects_of(kernel.pid), paths_of(kernel.pid)
    assert objects and paths
    os.kill(kernel.pid, signal.SIGKILL)
    until(lambda: not still_there(objects))
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    kernel.run(LOAD)  # Another test's load may have been the next one.
    assert not still_there(paths)
    kernel.run("b.close()")
    until(lambda: not kernel.remains())


def test_after_a_restart_the_c_of_a_program_can_be_run_at_once_and_the_rest_names_the_first_cell(kernel):
    kernel.run("%%bpf program\nint hello(void *ctx) { return 0; }")
    kernel.run("assert program.startswith('\\nint hello')")
    for code in ("b = BPF(text=program)", "run('/bin/true')", "check('odd-even', program)"):
        with pytest.raises(AssertionError, match="run the notebook's first cell"):
            kernel.run(code)
    kernel.run(LOAD + "run('/bin/true')\nb.close()")


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if "hello" in path.stem else pytest.mark.long) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_each_cell_can_be_run_twice_and_later_works_in_any_order_or_says_what_to_run(path, kernel):
    cells = code_of(path)
    for cell in cells:
        kernel.run_cell(cell)
        kernel.run_cell(cell)
    for cell in random.Random(path.stem).sample(cells, len(cells)):
        try:
            kernel.run(cell.source)
        except AssertionError as e:
            text = re.sub(r"\x1b\[[\d;]*m", "", str(e))
            meant = "raises-exception" in cell.metadata.get("tags", [])
            assert meant or re.search(r"^Fix:|^AssertionError: .*\brun\b", text, re.M), (cell.id, text)
