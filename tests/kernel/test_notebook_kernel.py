"""Chapters in a real notebook kernel: run again and again, interrupted, killed."""

import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import until
from notebook_kernel import LOAD, NOTEBOOKS, Kernel, code_of, in_linux, nothing_new_since, settled

ENDLESS = """
with record(b) as lines:
    print("recording")
    while True:
        run("/bin/true", times=100)
"""


@pytest.fixture
def nothing_left_behind():
    """Not for these: they look into the notebook's process, and Jupyter's client keeps threads in ours."""


def test_ten_runs_of_each_chapter_side_by_side_leave_nothing():
    before = in_linux()
    with ThreadPoolExecutor(len(NOTEBOOKS)) as pool:
        for path, states in zip(NOTEBOOKS, pool.map(ten_runs, NOTEBOOKS), strict=True):
            descriptors, threads = zip(*states, strict=True)
            assert descriptors[-1] <= descriptors[0] and threads[-1] <= threads[0], (path.stem, states)
    until(lambda: nothing_new_since(before))
    gc.collect()  # Jupyter's client leaves an event loop a thread, which the next test would see go


def ten_runs(path):
    """-> the (descriptors, threads) that the chapter's kernel has after each run."""
    kernel, states = Kernel(), []
    try:
        for _ in range(10):
            for cell in code_of(path):
                kernel.run_cell(cell)
            states.append(until(lambda: settled(kernel)))
        return states
    finally:
        kernel.stop()


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
    before = in_linux()
    kernel.run(LOAD)
    kernel.start(ENDLESS, "recording")
    left = Path(f"/sys/kernel/tracing/instances/ebpf_lab-{kernel.pid}-0")
    assert left.exists()
    os.kill(kernel.pid, signal.SIGKILL)
    until(lambda: nothing_new_since(before, "prog", "map"))
    assert left.exists()
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    kernel.run(LOAD)
    assert not left.exists()
    kernel.run("b.close()")
    until(lambda: nothing_new_since(before))
