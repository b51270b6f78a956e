import os
import re
from pathlib import Path

import pytest

from ebpf_lab.kernel import capabilities


@pytest.fixture
def status(monkeypatch, tmp_path):
    """Writes what /proc/self/status says of a process that has these capabilities and no others."""
    monkeypatch.setattr(capabilities, "STATUS", tmp_path / "status")

    def write(*names):
        bits = sum(1 << capabilities.CAPABILITIES[name] for name in names)
        capabilities.STATUS.write_text(f"Name:\tpython\nCapEff:\t{bits:016x}\nCapBnd:\t{bits:016x}\n")

    return write


def test_each_number_is_that_of_the_kernels_header():
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("the headers of the C library are not installed")
    numbers = dict(re.findall(r"^#define CAP_(\w+)\s+(\d+)$", header.read_text(), re.M))
    for name, number in capabilities.CAPABILITIES.items():
        assert numbers[name.upper()] == str(number)


def test_a_capability_that_the_process_has_is_not_missing(status):
    status("bpf")
    assert capabilities.effective() == {"bpf"}
    assert capabilities.missing(["bpf", "perfmon"]) == ["perfmon"]


def test_sys_admin_includes_what_was_split_off_it(status):
    status("sys_admin")
    assert capabilities.missing(["bpf", "perfmon", "net_admin"]) == ["net_admin"]


def test_what_a_container_withholds_is_not_available(status):
    status("bpf", "kill")
    assert capabilities.available() == ["bpf", "kill"]


def test_this_process_has_what_the_kernel_says():
    if os.geteuid() == 0 and "CapEff:\t000001ffffffffff" in Path("/proc/self/status").read_text():
        assert capabilities.missing(list(capabilities.PURPOSES)) == []
