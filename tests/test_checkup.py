"""What doctor() says, against this machine and against machines made up here."""

import ctypes
import gzip
import importlib.metadata
import json
import os
import platform
import pty
import re
import shutil
import struct
import subprocess
import sys
import types
from pathlib import Path

import pytest

from ebpf_lab import SetupError
from ebpf_lab.checkup import Report, Row, doctor, probes
from ebpf_lab.kernel import capabilities, features, headers, tracefs, uapi
from ebpf_lab.setup import bpftool, needs, unavailable

REPO = Path(__file__).parent.parent
UNIT = Row("x", "missing", "found <this> " * 30, "means " * 40, "a command that fixes it " * 9)


def row(name):
    return next(row for row in doctor().rows if row.name == name)


def run(*options, path=()):
    """``python -m ebpf_lab.checkup`` in a process of its own, with ``path`` before all else."""
    python_path = os.pathsep.join([*map(str, path), str(REPO), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, *options, "-m", "ebpf_lab.checkup"]
    environment = {**os.environ, "PYTHONPATH": python_path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPO, check=False)


def said_of(name, done):
    """The lines about one thing in the text that a run printed."""
    return re.search(rf"^(\w+ +{re.escape(name)} .*\n(?: .*\n)*)", done.stdout, re.MULTILINE)[1]


@pytest.fixture
def proc(monkeypatch, tmp_path):
    """An empty /proc, /sys and /boot of the test's own; returns the function that writes files into them."""
    for name in ("proc", "sys", "boot"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(probes, name.upper(), tmp_path / name)
    monkeypatch.setattr(capabilities, "STATUS", tmp_path / "proc/self/status")
    monkeypatch.setattr(needs, "PROC_MOUNTS", tmp_path / "proc/mounts")
    monkeypatch.setattr(features, "KPROBES", tmp_path / "sys/bus/event_source/devices/kprobe")

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    return write


@pytest.fixture
def prefix(monkeypatch, tmp_path):
    """A .venv of uid 1000, whose kernelspec starts the capability helper as it should."""
    helper, spec = (
        tmp_path / "libexec/ebpf-lab/setpriv",
        tmp_path / "share/jupyter/kernels/python3/kernel.json",
    )
    for path in (helper, spec):
        path.parent.mkdir(parents=True)
    helper.touch(0o500)
    spec.write_text(json.dumps({"argv": [str(helper), "--", "python"]}))
    monkeypatch.setattr(headers, "VENV", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(capabilities, "available", lambda: ["kill"])
    attribute = struct.pack("<5I", 0x02000001, 1 << 5, 0, 0, 0)  # struct vfs_cap_data: kill, effective
    monkeypatch.setattr(os, "getxattr", lambda path, name: attribute)
    return types.SimpleNamespace(helper=helper, spec=spec)


# This machine


def test_there_is_one_row_for_each_probe():
    names = [row.name for row in doctor().rows]
    assert len(names) == len(set(names)) == len(probes.PROBES) == 19


def test_every_row_has_a_state_and_says_what_was_found_and_what_it_means():
    for each in doctor().rows:
        assert each.state in ("ok", "degraded", "missing")
        assert each.found and each.means


def test_every_missing_thing_has_a_fix(proc, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    monkeypatch.setattr(headers, "VENV", Path("/nonexistent"))
    lacking = [each for each in doctor().rows if each.state == "missing"]
    assert {"bpftool", "kernelspec"} <= {each.name for each in lacking}
    assert all(each.fix for each in lacking)


def test_the_kernel_is_the_one_that_runs():
    assert os.uname().release in row("kernel").found
    assert row("kernel").state == "ok"


def test_the_bpf_call_works_where_libbcc_can_make_a_map():
    try:
        make = ctypes.CDLL("libbcc.so.0").bcc_create_map
    except OSError:
        pytest.skip("needs libbcc")
    fd = make(2, b"test_checkup", 4, 8, 1, 0)  # BPF_MAP_TYPE_ARRAY
    if fd >= 0:
        os.close(fd)
    assert (row("bpf(2)").state == "ok") == (fd >= 0)


def test_kprobes_are_there_where_the_kernel_has_their_functions():
    names = {line.split()[2] for line in Path("/proc/kallsyms").read_text().splitlines()}
    assert row("kprobes").state == ("ok" if "perf_kprobe_init" in names else "degraded")


def test_btf_is_there_where_the_kernel_shows_it():
    assert row("BTF").state == ("ok" if Path("/sys/kernel/btf/vmlinux").exists() else "degraded")


def test_tracefs_is_there_where_it_is_mounted():
    try:
        tracefs.root()
    except SetupError:
        assert row("tracefs").state != "ok"
    else:
        assert row("tracefs").state in ("ok", "degraded")


def test_bpffs_is_there_where_it_is_mounted():
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/sys/fs/bpf"], capture_output=True, text=True).stdout
    assert row("bpffs").state == ("ok" if kind.strip() == "bpf_fs" else "degraded")


def test_the_pid_namespace_is_the_machines_own_where_its_number_says_so():
    first = os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"
    assert row("PID namespace").state == ("ok" if first else "degraded")


def test_packages_are_named_with_their_versions():
    assert f"pandas {importlib.metadata.version('pandas')}" in row("packages").found


def test_bcc_is_named_with_its_version():
    bcc = pytest.importorskip("bcc")
    assert row("BCC").found.startswith(f"bcc {bcc.__version__}")


def test_the_doctor_leaves_no_file_open():
    doctor()  # the first may load libraries
    before = os.listdir("/proc/self/fd")
    doctor()
    assert os.listdir("/proc/self/fd") == before


def test_the_doctor_imports_neither_pandas_nor_matplotlib_nor_jupyter():
    code = "import sys, ebpf_lab; ebpf_lab.doctor(); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, cwd=REPO, check=True).stdout.split()
    assert not {"pandas", "matplotlib", "ipywidgets", "anywidget", "jupyterlab", "numpy"} & {*loaded}


# Machines that lack something


@pytest.mark.parametrize(
    ("release", "state"), [("5.7.19", "degraded"), ("5.8.0-rc1", "ok"), ("6.18.4-x", "ok")]
)
def test_kernels_before_5_8_are_degraded(monkeypatch, release, state):
    monkeypatch.setattr(platform, "release", lambda: release)
    assert probes.kernel().state == state


def test_another_system_than_linux_is_missing_the_kernel(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert probes.kernel().state == "missing"


def forbid(command, attr):
    raise PermissionError(1, "Operation not permitted")


def test_a_bpf_call_forbidden_to_root_is_missing(monkeypatch):
    monkeypatch.setattr(probes, "_bpf", forbid)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert probes.bpf_call().state == "missing"
    assert "Operation not permitted" in probes.bpf_call().found


def test_a_bpf_call_forbidden_to_a_user_is_degraded_if_notebooks_have_the_helper(monkeypatch, prefix):
    monkeypatch.setattr(probes, "_bpf", forbid)
    assert probes.bpf_call().state == "degraded"
    prefix.helper.unlink()
    assert probes.bpf_call().state == "missing"


def test_a_kernel_without_the_bpf_call_is_missing(monkeypatch, prefix):
    def not_there(command, attr):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(probes, "_bpf", not_there)
    assert probes.bpf_call().state == "missing"


def test_a_kernel_without_ring_buffers_is_degraded(monkeypatch):
    def reject_ring_buffers(command, attr):
        if command == uapi.MAP_CREATE and attr.map_type == uapi.MAP_TYPE_RINGBUF:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(probes, "_bpf", reject_ring_buffers)
    assert probes.bpf_call().state == "degraded"
    assert "03_ringbuffer" in probes.bpf_call().means


@pytest.mark.parametrize(
    ("bits", "state", "found"),
    [
        (0, "missing", "lacks bpf, perfmon"),
        (1 << 39, "missing", "has bpf; lacks perfmon"),
        (1 << 39 | 1 << 38, "degraded", "has bpf, perfmon; lacks sys_admin"),
        (
            1 << 34 | 1 << 21 | 1 << 7 | 1 << 6 | 1 << 5 | 1 << 2 | 1 << 1,
            "ok",
            "has bpf, perfmon, sys_admin, syslog, dac_read_search",
        ),
    ],
)
def test_privileges_are_read_from_the_effective_capabilities(proc, monkeypatch, bits, state, found):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    proc("proc/self/status", f"Name:\tpython\nCapPrm:\t0\nCapEff:\t{bits:016x}\n")
    assert probes.privileges().state == state
    assert found in probes.privileges().found


@pytest.mark.parametrize(
    ("modes", "state"),
    [("[none] integrity", "ok"), ("none [integrity]", "ok"), ("none [confidentiality]", "missing")],
)
def test_only_lockdown_for_confidentiality_forbids_the_lab(proc, modes, state):
    proc("sys/kernel/security/lockdown", modes)
    assert probes.lockdown().state == state


@pytest.mark.parametrize(("last", "found"), [("\1", "Secure Boot: on"), ("\0", "Secure Boot: off")])
def test_secure_boot_is_read_from_the_firmware(proc, last, found):
    proc("sys/firmware/efi/efivars/SecureBoot-8be4", "\6\0\0\0" + last)
    assert found in probes.lockdown().found


@pytest.mark.parametrize(("value", "state"), [("0", "ok"), ("1", "ok"), ("2", "degraded"), ("", "degraded")])
def test_only_addresses_hidden_from_root_are_degraded(proc, value, state):
    proc("proc/sys/kernel/kptr_restrict", f"{value}\n")
    assert probes.kptr_restrict().state == state


def test_a_container_is_degraded(proc):
    proc("proc/self/ns/pid", "a file with another inode number than the first namespace's")
    assert probes.pid_namespace().state == "degraded"
    assert "--pid=host" in probes.pid_namespace().fix


@pytest.fixture
def wsl2(proc, monkeypatch, tmp_path):
    """Ubuntu in WSL2, as its kernel is by default: microsoft/WSL2-Linux-Kernel, Microsoft/config-wsl of 6.6."""
    release = "6.6.87.2-microsoft-standard-WSL2"
    monkeypatch.setattr(platform, "release", lambda: release)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "ubuntu", "ID_LIKE": "debian"})
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    for name in ("MODULES", "SOURCES", "KHEADERS", "VENV"):
        monkeypatch.setattr(headers, name, tmp_path / name)
    monkeypatch.setattr(bpftool, "LINUX_TOOLS", tmp_path / "linux-tools")
    monkeypatch.setattr(shutil, "which", lambda name, **options: None)
    (tmp_path / "VENV/libexec/ebpf-lab").mkdir(parents=True)
    proc(f"MODULES/{release}/modules.dep", "kernel/kernel/kheaders.ko:\n")
    proc("proc/self/ns/pid", "a file with another inode number than the first namespace's")
    proc("sys/kernel/security/lsm", "capability,landlock,yama,safesetid,selinux,ima")
    proc("proc/config.gz", "")
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"CONFIG_BPF_LSM=y\nCONFIG_IKHEADERS=m\n"))


def test_wsl2_is_named(wsl2):
    assert "WSL2" in probes.kernel().found and "WSL2" in probes.pid_namespace().found


def test_in_wsl2_the_headers_are_those_of_its_module(wsl2, proc):
    assert probes.kernel_headers().state == "missing"
    assert probes.kernel_headers().fix == "./lab setup, or: sudo modprobe kheaders"
    proc("KHEADERS", "")
    assert probes.kernel_headers().state == "ok"


def test_in_wsl2_the_bpf_lsm_is_activated_from_windows(wsl2):
    row = probes.lsm()
    assert row.state == "degraded"
    assert (
        "kernelCommandLine=lsm=landlock,yama,safesetid,selinux,ima,bpf" in row.fix and ".wslconfig" in row.fix
    )


def test_in_wsl2_bpftool_is_got_elsewhere_once_apt_was_asked(wsl2):
    assert probes.bpftool().state == "missing" and probes.bpftool().fix.startswith("./lab setup")
    unavailable.remember(["bpftool"])
    row = probes.bpftool()
    assert row.state == "degraded" and "no package here brings it" in row.found
    assert "./lab" not in row.fix and "/usr/local/bin" in row.fix


@pytest.mark.parametrize(
    ("active", "config", "state", "words"),
    [
        ("capability,landlock,bpf", "CONFIG_BPF_LSM=y", "ok", "bpf is active"),
        ("capability,yama", "CONFIG_BPF_LSM=y", "degraded", "boot with lsm=yama,bpf"),
        ("capability,yama", "# CONFIG_BPF_LSM is not set", "degraded", "built without BPF_LSM"),
        ("", "CONFIG_BPF_LSM=y", "degraded", "mount -t securityfs"),
    ],
)
def test_lsm_programs_need_the_bpf_lsm_to_be_active(proc, active, config, state, words):
    proc("sys/kernel/security/lsm", active)
    proc(f"boot/config-{platform.release()}", config)
    row = probes.lsm()
    assert row.state == state and words in row.found + row.fix


def test_no_kprobes_is_degraded_and_names_the_tracepoint_used_instead(proc):
    assert probes.kprobes().state == "degraded"
    assert "tracepoint" in probes.kprobes().means


def test_kprobes_are_ok_if_perf_events_have_them(proc):
    proc("sys/bus/event_source/devices/kprobe/type", "8")
    assert probes.kprobes().state == "ok"


def test_without_btf_fentry_is_degraded_too(proc):
    assert probes.btf().state == probes.fentry().state == "degraded"


@pytest.fixture
def libbcc(proc, monkeypatch):
    """A kernel that has BTF, and a libbcc that finds every function in it."""
    proc("sys/kernel/btf/vmlinux", "")
    library = types.SimpleNamespace(libbpf_find_vmlinux_btf_id=lambda name, kind: 42)
    monkeypatch.setattr(ctypes, "CDLL", lambda name, **options: library)
    monkeypatch.setattr(probes, "_bpf", lambda command, attr: None)
    return library


def test_fentry_is_ok_where_its_program_loads(libbcc):
    assert probes.fentry().state == "ok"


def test_fentry_is_degraded_without_direct_calls_of_ftrace(libbcc, proc):
    proc(f"boot/config-{platform.release()}", "CONFIG_FUNCTION_TRACER=y\n")
    assert probes.fentry().state == "degraded"
    assert "DIRECT_CALLS" in probes.fentry().found


def test_fentry_is_not_tried_without_libbcc(libbcc):
    del libbcc.libbpf_find_vmlinux_btf_id
    assert probes.fentry().state == "degraded"
    assert probes.fentry().found.startswith("not tried")


def test_fentry_is_not_tried_without_the_right_to_load(libbcc, monkeypatch):
    monkeypatch.setattr(probes, "_bpf", forbid)
    assert probes.fentry().state == "degraded"
    assert probes.fentry().found.startswith("not tried")


def test_fentry_is_degraded_if_the_kernel_rejects_only_its_program(libbcc, monkeypatch):
    def forbid_tracing_programs(command, attr):
        if attr.prog_type == uapi.PROG_TYPE_TRACING:
            forbid(command, attr)

    monkeypatch.setattr(probes, "_bpf", forbid_tracing_programs)
    assert probes.fentry().state == "degraded"
    assert "rejects" in probes.fentry().found


@pytest.mark.parametrize(("value", "state"), [("0", "degraded"), ("1", "ok"), ("2", "ok"), ("", "degraded")])
def test_a_jit_that_is_off_or_unknown_is_degraded(proc, value, state):
    proc("proc/sys/net/core/bpf_jit_enable", value)
    assert probes.jit().state == state


def test_a_jit_that_is_always_on_is_found_in_the_kernels_configuration(proc):
    proc(f"boot/config-{platform.release()}", "CONFIG_BPF_JIT=y\nCONFIG_BPF_JIT_ALWAYS_ON=y\n")
    assert probes.jit().state == "ok"


def test_tracefs_that_is_not_mounted_is_missing_with_the_mount_command(proc, monkeypatch, tmp_path):
    monkeypatch.setattr(tracefs, "Path", lambda path: tmp_path / "none")
    proc("proc/mounts", "")
    assert probes.trace_fs().state == "missing"
    assert "mount -t tracefs" in probes.trace_fs().fix


def test_tracefs_that_a_user_may_not_read_is_degraded_if_notebooks_have_the_helper(proc, monkeypatch, prefix):
    monkeypatch.setattr(tracefs, "Path", lambda path: prefix.helper.parent)
    proc("proc/mounts", "nodev /sys/kernel/tracing tracefs rw 0 0\n")
    assert probes.trace_fs().state == "degraded"


def test_tracefs_without_the_right_to_make_instances_is_degraded(monkeypatch, tmp_path):
    monkeypatch.setattr(tracefs, "root", lambda: tmp_path)  # which has no folder "instances"
    assert probes.trace_fs().state == "degraded"


def test_no_bpffs_is_degraded_with_the_mount_command(proc):
    proc("proc/mounts", "proc /proc proc rw 0 0\n")
    assert (probes.bpffs().state, probes.bpffs().fix) == ("degraded", "sudo mount -t bpf bpf /sys/fs/bpf")


def test_no_headers_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    monkeypatch.setattr(headers, "MODULES", tmp_path)
    monkeypatch.setattr(headers, "KHEADERS", tmp_path / "none")
    monkeypatch.setattr(headers, "Path", lambda *parts: tmp_path)
    missing = probes.kernel_headers()
    assert missing.state == "missing" and missing.fix


def test_headers_that_cannot_be_merged_are_missing(monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(headers, "find", full)
    assert probes.kernel_headers().state == "missing"
    assert "No space left" in probes.kernel_headers().found


def test_a_wrong_bcc_kernel_source_is_missing_headers_and_should_be_unset(monkeypatch, tmp_path):
    monkeypatch.setenv("BCC_KERNEL_SOURCE", str(tmp_path))
    assert (probes.kernel_headers().state, probes.kernel_headers().fix) == (
        "missing",
        "unset BCC_KERNEL_SOURCE",
    )


@pytest.mark.parametrize(("version", "state"), [(platform.release(), "ok"), ("6.1.0-9-amd64", "degraded")])
def test_headers_of_another_kernel_are_degraded(monkeypatch, version, state):
    monkeypatch.setattr(headers, "find", lambda: (Path("/tree"), version))
    assert probes.kernel_headers().state == state


def test_an_unrelated_package_named_bcc_is_recognised(tmp_path):
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc/__init__.py").write_text("__version__ = '1.0'\n")
    said = said_of("BCC", run(path=[tmp_path]))
    assert said.startswith("missing") and "unrelated" in said and "pip uninstall bcc" in said


def test_no_bcc_is_missing(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['bcc'] = None\n")
    said = said_of("BCC", run(path=[tmp_path]))
    assert said.startswith("missing") and "bcc" in said and "Fix:" in said


def test_a_bcc_without_its_library_is_missing_and_the_library_is_named(tmp_path):
    (tmp_path / "bcc.py").write_text("raise OSError('libbcc.so.0: cannot open shared object file')\n")
    said = said_of("BCC", run(path=[tmp_path]))
    assert said.startswith("missing") and "libbcc.so.0" in said


@pytest.mark.parametrize(
    ("version", "library", "tree", "state", "means"),
    [
        ("0.26.0", "libLLVM-14.so.1", "6.1.0-9-amd64", "ok", ""),
        ("0.26.0", "libclang-cpp.so.15", "6.1.0-9-amd64", "degraded", "04_tailcalls"),
        ("0.27.0", "libLLVM.so.18.1", "6.1.0-9-amd64", "ok", ""),
        ("0.30.0", "libLLVM.so.18.1", "6.10.3", "degraded", "0.31"),
        ("0.31.0", "libLLVM.so.18.1", "6.17.0", "ok", ""),
        ("0.36.0", "libLLVM.so.20.1", "6.18.0", "degraded", "0.36.1"),
        ("0.36.1", "libLLVM.so.20.1", "7.0.0", "degraded", "0.37"),
        ("0.37.0", "libLLVM.so.20.1", "7.0.0", "ok", ""),
    ],
)
def test_a_bcc_too_old_for_clang_or_headers_is_degraded(
    proc, monkeypatch, version, library, tree, state, means
):
    proc("proc/self/maps", f"7f00-7f01 r-xp 0 08:01 1 /usr/lib/{library}\n")
    proc("proc/mounts", "debugfs /sys/kernel/debug debugfs rw 0 0\n")
    monkeypatch.setitem(sys.modules, "bcc", types.SimpleNamespace(BPF=object, __version__=version))
    monkeypatch.setattr(headers, "find", lambda: (Path("/tree"), tree))
    assert probes.bcc().state == state
    assert means in probes.bcc().means


def test_a_bcc_that_finds_tracefs_only_in_debugfs_is_degraded_without_debugfs(proc, monkeypatch):
    monkeypatch.setitem(sys.modules, "bcc", types.SimpleNamespace(BPF=object, __version__="0.25.0"))
    monkeypatch.setattr(headers, "find", lambda: (Path("/tree"), "6.1.0-9-amd64"))
    proc("proc/mounts", "nodev /sys/kernel/tracing tracefs rw 0 0\n")
    assert probes.bcc().state == "degraded"
    proc("proc/mounts", "debugfs /sys/kernel/debug debugfs rw 0 0\n")
    assert probes.bcc().state == "ok"


def test_a_bpftool_that_runs_is_ok_with_its_version(monkeypatch, tmp_path):
    (tmp_path / "bpftool").write_text("#!/bin/sh\necho bpftool v7.9.9\n")
    (tmp_path / "bpftool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert (probes.bpftool().state, probes.bpftool().found) == ("ok", f"{tmp_path}/bpftool v7.9.9")


def test_a_bpftool_that_fails_is_missing(monkeypatch, tmp_path):
    (tmp_path / "bpftool").write_text(
        "#!/bin/sh\necho 'WARNING: bpftool not found for kernel 6.8' >&2\nexit 2\n"
    )
    (tmp_path / "bpftool").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    missing = probes.bpftool()
    assert missing.state == "missing" and "not found for kernel" in missing.found


def test_an_old_python_is_missing(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert probes.python().state == "missing"


def test_missing_packages_are_named(monkeypatch):
    def version(name):
        if name in ("pandas", "anywidget"):
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert (probes.packages().state, probes.packages().found) == ("missing", "no anywidget, no pandas")


def test_no_kernelspec_is_missing(prefix):
    prefix.spec.unlink()
    assert (probes.kernelspec().state, probes.kernelspec().fix) == ("missing", "./lab setup")


def test_the_kernelspec_of_a_user_is_ok_with_the_helper(prefix):
    assert probes.kernelspec().state == "ok"


def test_the_kernelspec_of_a_user_is_missing_without_the_helper_in_it(prefix):
    prefix.spec.write_text('{"argv": ["python"]}')
    assert probes.kernelspec().state == "missing"


def test_the_kernelspec_of_a_user_is_missing_with_a_helper_that_carries_no_capabilities(prefix, monkeypatch):
    def nothing(path, name):
        raise OSError(61, "No data available")

    monkeypatch.setattr(os, "getxattr", nothing)
    assert probes.kernelspec().state == "missing"


def test_root_needs_no_helper(prefix, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    prefix.spec.write_text('{"argv": ["python"]}')
    assert probes.kernelspec().state == "ok"
    assert "no capability helper" in probes.kernelspec().found


# There is a report whatever is missing


def test_empty_proc_and_sys_make_a_report(proc):
    assert len(doctor().rows) == len(probes.PROBES)


def test_unreadable_files_make_a_report(monkeypatch):
    def closed(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    for name in ("read_text", "read_bytes", "stat"):
        monkeypatch.setattr(Path, name, closed)
    assert len(doctor().rows) == len(probes.PROBES)


def test_a_probe_that_fails_becomes_a_row_with_the_reason(monkeypatch):
    def some_thing():
        raise RuntimeError("the disk is on fire")

    monkeypatch.setattr(probes, "PROBES", (some_thing, probes.python))
    failed, after = doctor().rows
    assert (failed.name, failed.state) == ("some thing", "degraded")
    assert "RuntimeError: the disk is on fire" in failed.found
    assert after == probes.python()


# What the report looks like


@pytest.mark.parametrize(("states", "ok"), [(("ok", "degraded"), True), (("ok", "missing"), False)])
def test_a_report_is_ok_unless_something_is_missing(states, ok):
    assert Report(tuple(Row("x", state, "f", "m") for state in states)).ok == ok


def test_the_text_fits_100_columns():
    lines = str(Report((*doctor().rows, UNIT))).splitlines()
    assert max(map(len, lines)) <= 100


def test_each_row_of_the_text_starts_with_the_state_as_a_word():
    rows = doctor().rows
    starts = re.findall(r"^(ok|degraded|missing) ", str(Report(rows)), re.MULTILINE)
    assert starts == [row.state for row in rows]


def test_the_text_ends_with_the_count_of_each_state():
    rows = tuple(Row("x", state, "f", "m") for state in ("ok", "missing", "ok", "degraded", "ok", "missing"))
    assert str(Report(rows)).endswith("\n2 missing, 1 degraded, 3 ok")


def test_a_row_without_a_fix_shows_none():
    assert "Fix: sudo x" in str(Report((Row("x", "missing", "f", "m", "sudo x"),)))
    assert "Fix" not in str(Report((Row("x", "ok", "f", "m"),)))


def test_each_row_of_the_html_starts_with_the_state_and_the_rows_that_are_ok_are_folded():
    rows = doctor().rows
    text = Report(rows)._repr_html_()
    shown, folded = text.split("<details>")
    states = [re.findall(r"<tr[^>]*><td[^>]*>(\w+)<br>", part) for part in (shown, folded)]
    assert states[0] == [row.state for row in rows if row.state != "ok"]
    assert states[1] == ["ok"] * (len(rows) - len(states[0]))


def test_the_header_cells_of_the_html_are_scoped():
    heads = re.findall(r"<th [^>]*>", doctor()._repr_html_())
    assert heads and all('scope="col"' in head for head in heads)


def test_the_html_sets_no_colour_of_text_or_background():
    assert not re.search(r"(?<!-)color|background", doctor()._repr_html_())


def test_the_html_escapes_what_was_found():
    assert "found &lt;this&gt;" in Report((UNIT,))._repr_html_()


def test_the_command_exits_1_if_something_is_missing_else_0():
    done = run()
    assert done.returncode == (1 if re.search("^missing", done.stdout, re.MULTILINE) else 0)


def test_the_command_works_without_site_packages_and_exits_1():
    done = run("-S")
    assert done.returncode == 1
    assert "jupyterlab" in said_of("packages", done)


def test_colour_is_for_terminals_only():
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-m", "ebpf_lab.checkup"], stdout=theirs, cwd=REPO, check=False)
    os.close(theirs)
    assert b"\033[" in os.read(ours, 65536)
    os.close(ours)
    assert "\033[" not in run().stdout
