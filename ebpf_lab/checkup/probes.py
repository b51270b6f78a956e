"""One function for each row of the report: what is checked, what was found, what it means, the fix."""

import contextlib
import ctypes
import gzip
import importlib
import json
import mmap
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from ..diagnostics.errors import SetupError
from ..kernel import capabilities, features, headers, tracefs, uapi
from ..kernel.syscalls import bpf
from ..setup import helper, needs, unavailable
from ..setup import packages as distribution
from ..setup.bpftool import run as run_bpftool
from .report import Row

PROC, SYS, BOOT = Path("/proc"), Path("/sys"), Path("/boot")
_EVERY = "every chapter"
_LAB, _VM = "open the lab with ./lab", "use a virtual machine with a distribution's own kernel"
_CONTAINER = f"start the container with --privileged --pid=host, or {_VM}"


def kernel() -> Row:
    found = f"{platform.system()} {platform.release()}, {platform.machine()}{', WSL2' if _is_wsl2() else ''}"
    if platform.system() != "Linux":
        return Row("kernel", "missing", found, f"{_EVERY}: eBPF is a part of Linux", _VM)
    if _numbers(platform.release()) < (5, 8):
        return Row("kernel", "degraded", found, "03_ringbuffer: ring buffers came with Linux 5.8", _VM)
    return Row("kernel", "ok", found, f"{_EVERY}: ring buffers and CAP_BPF came with Linux 5.8")


def bpf_call() -> Row:
    name, tried, means = "bpf(2)", "a map", f"{_EVERY}: maps and programs are made by this call"
    try:
        _bpf(uapi.MAP_CREATE, uapi.MapCreate(uapi.MAP_TYPE_ARRAY, 4, 8, 1))
        tried = "a program"
        _bpf(uapi.PROG_LOAD, _program(uapi.PROG_TYPE_TRACEPOINT))
    except PermissionError as e:
        return _not_allowed(name, f"may not make {tried}: {e.strerror}", means)
    except OSError as e:
        return Row(name, "missing", f"can't make {tried}: {e.strerror}", means, _VM)
    try:
        _bpf(uapi.MAP_CREATE, uapi.MapCreate(uapi.MAP_TYPE_RINGBUF, 0, 0, mmap.PAGESIZE))
    except OSError as e:
        means = "03_ringbuffer: the perf buffer works, the ring buffer doesn't"
        return Row(name, "degraded", f"can't make a ring buffer: {e.strerror}", means, _VM)
    return Row(name, "ok", "made a map, a ring buffer and a program, and closed them", means)


def privileges() -> Row:
    lacks = capabilities.missing(capabilities.GRANTED)
    has = [name for name in capabilities.GRANTED if name not in lacks]
    found = f"uid {os.geteuid()}"
    found += f"; has {', '.join(has)}" if has else ""
    found += f"; lacks {', '.join(lacks)}" if lacks else ""
    if "bpf" in lacks or "perfmon" in lacks:
        return _not_allowed("privileges", found, f"{_EVERY}: no program loads")
    if lacks:
        lost = "; ".join(dict.fromkeys(capabilities.PURPOSES[name] for name in lacks))
        means = f"programs load, but this process can't: {lost}"
        return Row("privileges", "degraded", found, means, _LAB if os.geteuid() else _CONTAINER)
    return Row("privileges", "ok", found, f"{_EVERY}: programs load, and bpftool lists them")


def lockdown() -> Row:
    chosen = re.search(r"\[(\w+)\]", _read(SYS / "kernel/security/lockdown"))
    mode = chosen[1] if chosen else "can't be read"
    boot = "can't be read" if (SYS / "firmware/efi").exists() else "none (no EFI)"
    for variable in SYS.glob("firmware/efi/efivars/SecureBoot-*"):
        if value := _read(variable):  # Four bytes of attributes, then 0 or 1.
            boot = "on" if value[-1] == "\1" else "off"
    found = f"lockdown: {mode}; Secure Boot: {boot}"
    if mode == "confidentiality":  # include/linux/security.h: LOCKDOWN_KPROBES, LOCKDOWN_TRACEFS
        means = f"{_EVERY}: the kernel forbids kprobes and tracefs, even to root"
        return Row("lockdown", "missing", found, means, f"boot without lockdown=confidentiality, or {_VM}")
    return Row("lockdown", "ok", found, f"{_EVERY}: nothing seen here forbids tracing")


def kptr_restrict() -> Row:
    value = _read(PROC / "sys/kernel/kptr_restrict")
    if value in ("0", "1"):
        return Row("kptr_restrict", "ok", value, "01_hello: root can read the addresses of kernel functions")
    means = "01_hello: BCC's get_syscall_fnname() finds no addresses; attach() needs only names"
    found, fix = value or "can't be read", "sudo sysctl kernel.kptr_restrict=1"
    return Row("kptr_restrict", "degraded", found, means, fix)


def pid_namespace() -> Row:
    name, wsl = "PID namespace", _is_wsl2()
    if (PROC / "self/ns/pid").stat().st_ino == uapi.PID_INIT_INO:
        return Row(name, "ok", "the machine's own", f"{_EVERY}: a pid in an event is the pid seen here")
    found = f"not the machine's: {'WSL2' if wsl else 'a container'}"
    means = f"{_EVERY}: events carry the machine's pids, so checks don't find the processes they started"
    return Row(name, "degraded", found, means, _VM if wsl else _CONTAINER)


def kprobes() -> Row:
    if features.has_kprobes():
        return Row("kprobes", "ok", "the kernel has them", "01 to 03: the book's kprobe on execve is used")
    means = "01 to 03: attach() uses the same system call's tracepoint instead"
    return Row("kprobes", "degraded", "the kernel has none", means, _VM)


def fentry() -> Row:
    means = "no chapter needs it: they use kprobes and tracepoints"
    config = _config()
    if not (SYS / "kernel/btf/vmlinux").exists():
        return Row("fentry", "degraded", "none, for lack of BTF", means)
    if config and "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y" not in config:
        return Row("fentry", "degraded", "no DYNAMIC_FTRACE_WITH_DIRECT_CALLS", means)
    try:
        find = ctypes.CDLL("libbcc.so.0").libbpf_find_vmlinux_btf_id
        _bpf(uapi.PROG_LOAD, _program(uapi.PROG_TYPE_TRACEPOINT))
    except (OSError, AttributeError):
        return Row("fentry", "degraded", "not tried: this needs libbcc and the right to load programs", means)
    try:  # The configuration promises too much: a kernel may have all of it, and return EPERM.
        fentry = {"expected_attach_type": uapi.TRACE_FENTRY}
        fentry["attach_btf_id"] = find(b"vfs_read", uapi.TRACE_FENTRY)
        _bpf(uapi.PROG_LOAD, _program(uapi.PROG_TYPE_TRACING, **fentry))
    except OSError as e:
        return Row("fentry", "degraded", f"the kernel rejects it: {e.strerror}", means)
    return Row("fentry", "ok", "loads on vfs_read; attaching not tried", means)


def lsm() -> Row:
    name, means = "LSM", "no chapter needs it; LSM programs do"
    active, config = _read(SYS / "kernel/security/lsm"), _config()
    if config and "CONFIG_BPF_LSM=y" not in config:
        return Row(name, "degraded", "the kernel is built without BPF_LSM", means)
    if not active:
        found, fix = "not known: no securityfs", "sudo mount -t securityfs nodev /sys/kernel/security"
        return Row(name, "degraded", found, means, fix)
    if "bpf" in active.split(","):
        return Row(name, "ok", f"bpf is active, with {active}", means)
    option = f"lsm={active.removeprefix('capability,')},bpf"
    fix = f"boot with {option}"
    if _is_wsl2():  # security/security.c: an LSM that neither CONFIG_LSM nor lsm= names is ignored
        fix = f"kernelCommandLine={option} below [wsl2] in .wslconfig on Windows, then wsl --shutdown"
    return Row(name, "degraded", f"bpf is not among the active ones: {active}", means, fix)


def btf() -> Row:
    path, means = SYS / "kernel/btf/vmlinux", "no chapter needs it; fentry does"
    if path.exists():
        return Row("BTF", "ok", f"{path}, {path.stat().st_size / 1e6:.1f} MB", means)
    return Row("BTF", "degraded", f"no {path}", means)


def jit() -> Row:
    value = _read(PROC / "sys/net/core/bpf_jit_enable")  # Only root may read it.
    if value in ("1", "2") or "CONFIG_BPF_JIT_ALWAYS_ON=y" in _config():
        return Row("JIT", "ok", "on", "01_hello: a program's machine code can be shown")
    found = "off" if value else "not known: bpf_jit_enable can't be read"
    means = f"01_hello: {'' if value else 'perhaps '}no machine code to show, and slower programs"
    return Row("JIT", "degraded", found, means, "sudo sysctl net.core.bpf_jit_enable=1")


def trace_fs() -> Row:
    try:
        root = tracefs.root()
    except SetupError as e:
        means = "01 to 04: no tracepoints, no trace pipe"
        if os.geteuid() and "tracefs" in needs.mounts().values():
            return _not_allowed("tracefs", "mounted, but this process may not read it", means)
        return Row("tracefs", "missing", e.what, means, e.fix)
    if os.access(root / "instances", os.W_OK, effective_ids=True):
        return Row("tracefs", "ok", str(root), "01 to 04: tracepoints, and a trace pipe for each notebook")
    means = "01_hello: no trace pipe of one's own, so one notebook at a time"
    return Row("tracefs", "degraded", f"{root}, but no right to make an instance", means, _LAB)


def bpffs() -> Row:
    means = "02_maps: a pinned map has its file there; nothing else needs it"
    if needs.mounts().get("/sys/fs/bpf") == "bpf":
        return Row("bpffs", "ok", "/sys/fs/bpf", means)
    return Row("bpffs", "degraded", "not mounted", means, "sudo mount -t bpf bpf /sys/fs/bpf")


def kernel_headers() -> Row:
    means = f"{_EVERY}: BCC compiles against them"
    own = "./lab setup, or: sudo modprobe kheaders" if headers.has_module() else ""
    try:
        path, version = headers.find()
    except SetupError as e:
        fix = e.fix if "BCC_KERNEL_SOURCE" in os.environ else own or distribution.command("headers")
        return Row("headers", "missing", e.what, means, fix)
    except OSError as e:  # The merged view can't be made.
        return Row("headers", "missing", str(e), means, "./lab setup")
    if version == platform.release():
        return Row("headers", "ok", f"this kernel's own: {path}", means)
    means = f"{_EVERY} works: the book's programs use only types that are the same everywhere"
    return Row("headers", "degraded", f"borrowed from {version}", means, own and "sudo modprobe kheaders")


def bcc() -> Row:
    means = f"{_EVERY}: it compiles and loads the programs"
    try:
        module = importlib.import_module("bcc")
    except (Exception, SystemExit) as e:  # ImportError, or OSError without libbcc.so.0.
        return Row("BCC", "missing", str(e) or repr(e), means, distribution.command("bcc"))
    if not hasattr(module, "BPF"):
        place = getattr(module, "__file__", None) or next(iter(module.__path__))
        fix = f"{sys.executable} -m pip uninstall bcc; then {distribution.command('bcc')}"
        return Row("BCC", "missing", f"an unrelated package of that name (PyPI has one): {place}", means, fix)
    version = getattr(module, "__version__", "of unknown version")
    clang = re.search(r"lib(?:clang-cpp|LLVM)[-.](?:so\.)?(\d+)", _read(PROC / "self/maps"))
    found = f"bcc {version}" + (f" with clang {clang[1]}" if clang else "")
    tree: tuple[int, ...] = ()
    with contextlib.suppress(SetupError, OSError):
        tree = _numbers(headers.find()[1])
    includes = "programs that include headers such as linux/fs.h don't compile"
    limits = [  # the oldest BCC that works, when that matters, and what fails with an older one
        ("0.37", tree >= (7, 0), includes),
        ("0.36.1", tree >= (6, 18), includes),
        ("0.31", tree >= (6, 10), includes),
        ("0.27", clang and int(clang[1]) >= 15, "04_tailcalls: its program doesn't compile with this clang"),
        ("0.26", "debugfs" not in needs.mounts().values(), "01 to 04: it finds tracefs only in debugfs"),
    ]
    for oldest, matters, fails in limits:
        if matters and () < _numbers(version) < _numbers(oldest):
            return Row("BCC", "degraded", found, f"{fails}; bcc {oldest} is needed for that", _VM)
    return Row("BCC", "ok", found, means)


def bpftool() -> Row:
    means, found = "01_hello: it shows the loaded programs from outside", "neither in PATH nor in /usr/sbin"
    if done := run_bpftool():
        output = (done.stdout or done.stderr).strip().partition("\n")[0]
        if done.returncode == 0:
            return Row("bpftool", "ok", f"{done.args[0]} {output.rpartition(' ')[2]}", means)
        found = f"{done.args[0]} fails: {output}"
    fix = distribution.command("bpftool")
    if "bpftool" in unavailable.known():
        return Row("bpftool", "degraded", f"{found}; no package here brings it", means, fix)
    return Row("bpftool", "missing", found, means, fix)


def python() -> Row:
    state, fix = ("ok", "") if sys.version_info >= (3, 11) else ("missing", "./lab setup")
    found = f"{platform.python_version()}, {sys.executable}"
    return Row("Python", state, found, f"{_EVERY}: 3.11 or newer is needed", fix)


def packages() -> Row:
    means, found, lacks = f"{_EVERY}: notebooks, live views, data frames and charts", [], []
    for name in ("jupyterlab", "ipywidgets", "anywidget", "pandas", "matplotlib"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lacks.append(name)
    if lacks:
        return Row("packages", "missing", f"no {', no '.join(lacks)}", means, "./lab setup")
    return Row("packages", "ok", ", ".join(found), means)


def kernelspec() -> Row:
    if fault := _kernelspec_fault():
        fix = "move the lab to a file system without nosuid" if "nosuid" in fault else "./lab setup"
        return Row("kernelspec", "missing", fault, f"{_EVERY}: notebooks can't load programs", fix)
    start = "with the capability helper" if os.geteuid() else "root needs no capability helper"
    return Row("kernelspec", "ok", f"python3; {start}", f"{_EVERY}: notebooks start, able to load programs")


PROBES = (
    *(kernel, bpf_call, privileges, lockdown, kptr_restrict, pid_namespace, kprobes, fentry, lsm, btf, jit),
    *(trace_fs, bpffs, kernel_headers, bcc, bpftool, python, packages, kernelspec),
)


def _is_wsl2() -> bool:
    """Whether Windows runs this kernel: Microsoft's ends in -microsoft-standard-WSL2, those of others have WSL2 in the name."""
    return "wsl2" in platform.release().lower()


def _not_allowed(name: str, found: str, means: str) -> Row:
    """The row for what this process may not do; the lab's notebooks perhaps may."""
    if os.geteuid() == 0:
        return Row(name, "missing", found, means, _CONTAINER)
    if _kernelspec_fault():
        return Row(name, "missing", found, means, f"./lab setup, then {_LAB}")
    return Row(name, "degraded", found, f"{_EVERY}: the lab's notebooks may, this process may not", _LAB)


def _kernelspec_fault() -> str:
    """Why notebooks would not start as they should, or an empty string."""
    try:
        spec = headers.VENV / "share/jupyter/kernels/python3/kernel.json"
        first = Path(json.loads(spec.read_text())["argv"][0])
    except (OSError, ValueError, LookupError, TypeError):
        return f"no usable kernelspec python3 in {headers.VENV}"
    if os.geteuid() == 0 and first != helper.path():
        usable = not first.is_absolute() or os.access(first, os.X_OK)  # Jupyter finds "python" itself.
        return "" if usable else f"python3 starts {first}, which can't be executed"
    if first.resolve() != helper.path().resolve():
        return f"python3 starts {first}, not the capability helper"
    if fault := helper.fault():
        return fault
    if os.statvfs(first).f_flag & os.ST_NOSUID:
        return f"the capability helper {first} is on a file system mounted nosuid, where capabilities have no effect"
    return ""


def _read(path: Path) -> str:
    """The text of a small file, or an empty string if it can't be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _config() -> str:
    """The running kernel's configuration, or an empty string."""
    try:
        return gzip.decompress((PROC / "config.gz").read_bytes()).decode()
    except OSError:
        return _read(BOOT / f"config-{platform.release()}")


def _numbers(version: str) -> tuple[int, ...]:
    """'6.1.0-56-amd64' -> (6, 1, 0)"""
    return tuple(map(int, re.findall(r"\d+", re.split(r"[^\d.]", version)[0])))


_RETURN_0 = ctypes.create_string_buffer(bytes.fromhex("b700000000000000 9500000000000000"), 16)
_GPL = ctypes.create_string_buffer(b"GPL")


def _program(prog_type: int, **attach: int) -> uapi.ProgLoad:
    """union bpf_attr for BPF_PROG_LOAD: a program that returns 0."""
    code = {"insn_cnt": 2, "insns": ctypes.addressof(_RETURN_0), "license": ctypes.addressof(_GPL)}
    return uapi.ProgLoad(prog_type, **code, **attach)


def _bpf(command: int, attr: ctypes.Structure) -> None:
    """Make a map or a program by bpf(2) and close it at once; OSError if the kernel rejects it."""
    os.close(bpf(command, attr))
