import ctypes
import errno
import time

import pytest
from helpers import children, held

from ebpf_lab import BPF, VerifierError
from ebpf_lab.loading import testload

TOO_LONG = """
int hello(void *ctx) {
  u64 times = 0;
  while (bpf_ktime_get_ns())
    times++;
  return times;
}
"""


def fails(number):
    ctypes.set_errno(number)
    return -1


def test_a_program_that_loads_is_not_rejected():
    assert testload.rejection(lambda log, size, level: 3) is None


def test_a_rejection_has_the_errno_of_the_first_load_and_the_logs_of_both():
    def load(log, size, level):
        log.value = b"verdict" if level == 4 else b"path and verdict"
        return fails(errno.EACCES if level == 4 else errno.ENOSPC)

    rejection = testload.rejection(load)
    assert (rejection.number, rejection.verdict, rejection.path) == (
        errno.EACCES,
        "verdict",
        "path and verdict",
    )
    assert rejection.log("said verdict, HINT") == "path and verdict\nsaid , HINT"


def test_a_path_that_lost_its_end_is_followed_by_the_verdict():
    rejection = testload.Rejection(
        errno.E2BIG, "too large\nprocessed 9 insns\n", "0: (05) goto pc-1\n0: (05) go"
    )
    assert rejection.log("").endswith("0: (05) go\ntoo large\nprocessed 9 insns")


@pytest.mark.parametrize("slow", [4, 1])
def test_a_load_that_exceeds_its_time_is_ended(monkeypatch, slow):
    monkeypatch.setattr(testload, "SECONDS", 0.5)

    def load(log, size, level):
        log.value = b"log"
        time.sleep(60 if level == slow else 0)
        return fails(errno.EINVAL)

    before = held(), children()
    rejection = testload.rejection(load)  # which the child would take a minute for
    assert rejection.number == (errno.ETIMEDOUT if slow == 4 else errno.EINVAL) and rejection.path == ""
    assert (held(), children()) == before


def test_a_child_that_fails_in_python_exits_without_an_answer():
    rejection = testload.rejection(lambda log, size, level: 1 / 0)
    assert rejection.number == errno.ETIMEDOUT


def test_a_verifier_that_exceeds_its_time_is_a_verifier_error(monkeypatch):
    monkeypatch.setattr(testload, "SECONDS", 0.2)
    with (
        BPF(text=TOO_LONG) as b,
        pytest.raises(VerifierError, match=r"line 2.*had not finished after") as raised,
    ):
        b.load_func("hello", BPF.TRACEPOINT)
    assert raised.value.rule == "time"


def test_four_mebibytes_are_enough_for_the_longest_log(monkeypatch):
    monkeypatch.setattr(testload, "SECONDS", 120)  # on a busy machine ten may not be enough
    with (
        BPF(text=TOO_LONG) as b,
        pytest.raises(VerifierError, match=r"line 4.*a million instructions") as raised,
    ):
        b.load_func("hello", BPF.TRACEPOINT)
    assert len(raised.value.log) < testload.BYTES + (1 << 16)
