"""Every test here loads programs into the real kernel, and must leave nothing there."""

import signal

import pytest
from helpers import held, until
from notebook_kernel import Kernel


@pytest.fixture(scope="session", autouse=True)
def warm():
    """BCC and matplotlib keep a few descriptors from their first use on; they are not leftovers of a test."""
    from ebpf_lab import BPF
    from ebpf_lab.views import map as map_view

    map_view._draw([("0", 1, 0)], "key")
    with BPF(text="\nint warm(void *ctx) { return 0; }\n"):
        pass


@pytest.fixture(autouse=True)
def nothing_left_behind(warm):
    """Closes the programs that a test left open, and asserts that nothing else stays."""
    from ebpf_lab import bpf

    before = held()
    yield
    for program in list(bpf._loaded):
        program.close()
    until(lambda: held() == before or None, seconds=5)


@pytest.fixture
def kernel():
    """A kernel as a notebook has it."""
    kernel = Kernel()
    yield kernel
    kernel.stop()


@pytest.fixture
def interruptible():
    """SIGINT as in a terminal: in a background job it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
