import os
import platform
import re
from pathlib import Path

import pytest

from ebpf_lab import SetupError
from ebpf_lab.kernel import syscalls, uapi
from ebpf_lab.kernel.syscalls import syscall_name, syscall_nr

# linux/arch/*/entry/syscalls: what the two CPUs of this lab call the same numbers
NUMBERS = {
    "x86_64": {"execve": 59, "pipe2": 293, "timer_create": 222, "timer_delete": 226, "openat": 257},
    "aarch64": {"execve": 221, "pipe2": 59, "timer_create": 107, "timer_delete": 111, "openat": 56},
}


@pytest.mark.parametrize("cpu", NUMBERS)
def test_names_and_numbers_are_those_of_the_cpu(cpu, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: cpu)
    for name, number in NUMBERS[cpu].items():
        assert syscall_nr(name) == number and syscall_name(number) == name


def test_the_kernels_own_headers_agree_on_each_number():
    found = list(Path("/usr/include").glob("*/asm/unistd_64.h")) + list(
        Path("/usr/include").glob("asm/unistd_64.h")
    )
    if not found:
        pytest.skip("the kernel's header asm/unistd_64.h is not installed (linux-libc-dev, on x86_64)")
    defined = re.findall(r"#define __NR_(\w+) (\d+)", found[0].read_text())
    known = {name: int(number) for name, number in defined if name in syscalls._names()}
    assert len(known) > 300
    assert known == {name: syscall_nr(name) for name in known}


def test_getpid_by_its_number_is_getpid():
    assert syscalls.call(syscall_nr("getpid")) == os.getpid()


def test_the_fence_of_other_cpus_is_one_that_this_kernel_has(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(uapi, "MACHINE", "aarch64")
    monkeypatch.setattr(syscalls, "call", lambda *arguments: asked.append(arguments))
    syscalls.fence()
    monkeypatch.undo()
    ((number, command, *rest),) = asked
    assert number == syscall_nr("membarrier") and syscalls.call(number, command, *rest) == 0
    assert syscalls.call(number, uapi.MEMBARRIER_CMD_QUERY, 0, 0) & command


@pytest.mark.parametrize(
    ("wrong", "near"), [("exceve", "execve"), ("timer_creat", "timer_create"), ("openatt", "openat")]
)
def test_an_unknown_name_is_an_error_with_the_nearest_ones(wrong, near):
    with pytest.raises(ValueError, match=rf"no system call '{wrong}'; did you mean .*'{near}'"):
        syscall_nr(wrong)


def test_a_name_of_another_cpu_is_unknown_on_this_one(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(ValueError, match="aarch64 has no system call 'fork'"):
        syscall_nr("fork")


@pytest.mark.parametrize("number", [-1, 5000, 1 << 40])
def test_an_unknown_number_is_an_error(number):
    with pytest.raises(ValueError, match=f"no system call with the number {number}"):
        syscall_name(number)


def test_what_is_no_name_is_a_type_error():
    with pytest.raises(TypeError, match="not int"):
        syscall_nr(59)


def test_a_cpu_that_is_not_known_and_a_missing_library_are_setup_errors(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "m68k")
    with pytest.raises(SetupError, match="m68k"):
        syscall_nr("execve")
    syscalls._seccomp.cache_clear()
    monkeypatch.setattr(syscalls.ct, "CDLL", lambda name: (_ for _ in ()).throw(OSError("not found")))
    with pytest.raises(SetupError, match="libseccomp2"):
        syscall_nr("execve")
