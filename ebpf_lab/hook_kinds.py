"""The kinds of hooks: one table, which attach(), BPF's attach_...() methods, close(), repr() and the views read.

A new kind is one entry in KINDS.
"""

import functools
import os
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .diagnostics.errors import SetupError
from .kernel import links, tracefs, uapi
from .loading.libbcc import bcc

Arguments = dict[str, Any]  # of one of BCC's methods, by name; its bytes as str


@dataclass(frozen=True)
class Kind:
    """One kind of hook.

    ``method``: what attaches a function, a method of bcc.BPF.
    ``held``: the program's dict of what is attached, {key: descriptor} or {key: {function or CPU: descriptor}}.
    ``detach``: detaches what is under a key.
    ``tell``: the hook as bpftrace writes it, from the method's arguments.
    ``names``: (the name asked for, the names that the kernel has), to tell the nearest one.
    ``trigger``: what makes the function run, for a view in which nothing has come yet.
    ``missing``: the rule of errors for a name that the kernel doesn't have.
    ``denied``: the rule of errors where this process lacks a right.
    ``attach``: attaches in place of BCC's method, where BCC forgets what it attached; returns its key in ``held``.
    """

    method: str
    held: str
    detach: Callable[[Any, Any], object]  # (program, key)
    tell: Callable[[Arguments], str]
    names: Callable[[Arguments], tuple[str, Iterable[str]]] = lambda arguments: ("", ())
    trigger: str = "run('/bin/true') in another cell"
    missing: str = "no-such-hook"
    denied: str = "not-permitted"
    attach: Callable[[Any, Arguments], object] | None = None  # (program, arguments)


def kernel_functions(name: str) -> list[str]:
    """The kernel's functions whose names start with the same three letters."""
    start = re.escape(name[:3])
    return re.findall(rf" [tT] ({start}[\w.]*)$", Path("/proc/kallsyms").read_text(), re.M)


def tracepoints() -> list[str]:
    """The kernel's tracepoints, as 'category:event'; none where tracefs can't be read."""
    with suppress(SetupError):
        return tracefs.events()
    return []


def raw_tracepoints() -> list[str]:
    """The raw tracepoints: those of the kernel's events, and the two that all system calls share."""
    names = [event.partition(":") for event in tracepoints()]
    return ["sys_enter", "sys_exit", *(name for category, _, name in names if category != "syscalls")]


def _offset(arguments: Arguments, name: str) -> str:
    return f"+{arguments[name]}" if arguments.get(name) else ""


def _file(arguments: Arguments) -> str:
    """The file of a uprobe; BCC accepts a library by its name alone, as 'c' (bcc_resolve_symname())."""
    name = arguments["name"]
    found = None if "/" in name else bcc.BPF.find_library(os.fsencode(name))
    return os.fsdecode(found) if found else name


def _uprobe(arguments: Arguments) -> str:
    symbol = arguments["sym"] or f"{arguments['addr'] or 0:#x}"
    return f"{_file(arguments)}:{symbol}{_offset(arguments, 'sym_off')}"


def _symbols(arguments: Arguments) -> tuple[str, Iterable[str]]:
    with suppress(Exception):  # BCC raises a plain Exception where there is no such file
        return arguments["sym"], map(
            os.fsdecode, bcc.BPF.get_user_functions(os.fsencode(_file(arguments)), b".*")
        )
    return "", ()


# Names as in bpftrace, in the order of linux/perf_event.h: enum perf_hw_id, enum perf_sw_ids.
_PERF_EVENTS = {
    uapi.PERF_TYPE_HARDWARE: (
        "hardware",
        "cpu-cycles instructions cache-references cache-misses branch-instructions branch-misses "
        "bus-cycles frontend-stalls backend-stalls ref-cycles",
    ),
    uapi.PERF_TYPE_SOFTWARE: (
        "software",
        "cpu-clock task-clock page-faults context-switches cpu-migrations minor-faults major-faults "
        "alignment-faults emulation-faults dummy bpf-output cgroup-switches",
    ),
}


def _perf_event(arguments: Arguments) -> str:
    """As profile:hz:49 or software:page-faults:100; perf_event:TYPE:CONFIG where bpftrace has no name for it."""
    attr = arguments.get("attr")
    kind, config = (attr.type, attr.config) if attr else (arguments["ev_type"], arguments["ev_config"])
    frequency, period = arguments.get("sample_freq"), arguments.get("sample_period")
    if frequency and (kind, config) == (uapi.PERF_TYPE_SOFTWARE, uapi.PERF_COUNT_SW_CPU_CLOCK):
        return f"profile:hz:{frequency}"
    source, names = _PERF_EVENTS.get(kind, ("", ""))
    named = 0 <= config < len(names.split())
    event = f"{source}:{names.split()[config]}" if named else f"perf_event:{kind}:{config:#x}"
    return event + (f":hz:{frequency}" if frequency else f":{period}" if period else "")


def _devices(arguments: Arguments) -> tuple[str, Iterable[str]]:
    return arguments["dev"], (name for _, name in socket.if_nameindex())


def _traced(arguments: Arguments, prefix: str) -> str:
    """The kernel function in the name of BCC's function, as kfunc__vmlinux__vfs_open; BCC before 0.31 has no vmlinux there."""
    return arguments["fn_name"].removeprefix(prefix).removeprefix("vmlinux__")


def _func(arguments: Arguments) -> str:
    """The attach type with its device or file, which bpftrace has no notation for."""
    target = links.target_name(arguments["attach_type"], arguments["attachable_fd"])
    return f"{links.attach_type_name(arguments['attach_type'])}:{target}"


def _attach_xdp(program: Any, arguments: Arguments) -> tuple[int, int]:
    """Attach by a link, which replaces only what this program has there (BCC replaces anybody's program)."""
    flags, held = arguments["flags"], program.xdp_links
    key = links.device_of(arguments["dev"])
    if key in held and not flags & uapi.XDP_FLAGS_UPDATE_IF_NOEXIST:
        links.end(held.pop(key))
    modes = flags & ~uapi.XDP_FLAGS_UPDATE_IF_NOEXIST  # A link is never put in the place of a program.
    held[key] = links.create(arguments["fn"].fd, key[1], uapi.XDP, modes)
    return key


def _attach_func(program: Any, arguments: Arguments) -> tuple:
    """Attach by a link where the kernel has one of that type, else as BCC does, to be detached by descriptor.

    Without BPF_F_ALLOW_MULTI a function replaces the one that this program has there, as with BCC.
    """
    fn, target, attach_type = (arguments[name] for name in ("fn", "attachable_fd", "attach_type"))
    key, held = func_key(fn, target, attach_type), program.func_detachers
    for earlier in list(held):
        if earlier[1:] == key[1:] and (earlier == key or not arguments["flags"] & uapi.F_ALLOW_MULTI):
            held.pop(earlier)()
    try:
        held[key] = functools.partial(links.end, links.create(fn.fd, target, attach_type))
    except OSError:
        if links.on_device(attach_type):
            raise
        bcc.BPF.attach_func(fn, target, attach_type, arguments["flags"])
        held[key] = functools.partial(_detach_func, fn, os.dup(target), attach_type)
    return key


def func_key(fn: Any, target: int, attach_type: int) -> tuple:
    """What attach_func() attached, whatever descriptor the target has by now."""
    return (fn.name, attach_type, links.target_of(attach_type, target))


def _detach_func(fn: Any, target: int, attach_type: int) -> None:
    try:
        bcc.BPF.detach_func(fn, target, attach_type)
    finally:
        os.close(target)


def _attach_socket(program: Any, arguments: Arguments) -> tuple[int, int]:
    """The key is the descriptor with its socket's number: a program may close the descriptor by itself."""
    bcc.BPF.attach_raw_socket(arguments["fn"], os.fsencode(arguments["dev"]))
    number = arguments["fn"].sock
    program.sockets[key := (number, os.fstat(number).st_ino)] = number
    return key


def _close_socket(program: Any, key: tuple[int, int]) -> None:
    if os.fstat(key[0]).st_ino == key[1]:
        os.close(key[0])


KINDS = [
    Kind(
        "attach_kprobe",
        "kprobe_fds",
        detach=lambda program, key: program.detach_kprobe_event(key),
        tell=lambda a: f"kprobe:{a['event'] or a['event_re']}{_offset(a, 'event_off')}",
        names=lambda a: (a["event"], kernel_functions(a["event"])),
    ),
    Kind(
        "attach_kretprobe",
        "kprobe_fds",
        detach=lambda program, key: program.detach_kprobe_event(key),
        tell=lambda a: f"kretprobe:{a['event'] or a['event_re']}",
        names=lambda a: (a["event"], kernel_functions(a["event"])),
    ),
    Kind(
        "attach_uprobe",
        "uprobe_fds",
        detach=lambda program, key: program.detach_uprobe_event(key),
        tell=lambda a: f"uprobe:{_uprobe(a)}",
        names=_symbols,
        trigger="run a program that calls this function",
        missing="",
    ),
    Kind(
        "attach_uretprobe",
        "uprobe_fds",
        detach=lambda program, key: program.detach_uprobe_event(key),
        tell=lambda a: f"uretprobe:{_uprobe(a)}",
        names=_symbols,
        trigger="run a program that calls this function",
        missing="",
    ),
    Kind(
        "attach_tracepoint",
        "tracepoint_fds",
        detach=lambda program, key: program.detach_tracepoint(key),
        tell=lambda a: f"tracepoint:{a['tp']}",
        names=lambda a: (a["tp"], tracepoints()),
    ),
    Kind(
        "attach_raw_tracepoint",
        "raw_tracepoint_fds",
        detach=lambda program, key: program.detach_raw_tracepoint(key),
        tell=lambda a: f"rawtracepoint:{a['tp']}",
        names=lambda a: (a["tp"], raw_tracepoints()),
        missing="no-raw-tracepoint",
    ),
    Kind(
        "attach_kfunc",
        "kfunc_entry_fds",
        detach=lambda program, key: program.detach_kfunc(key),
        tell=lambda a: f"fentry:{_traced(a, 'kfunc__')}",
    ),
    Kind(
        "attach_kretfunc",
        "kfunc_exit_fds",
        detach=lambda program, key: program.detach_kretfunc(key),
        tell=lambda a: f"fexit:{_traced(a, 'kretfunc__')}",
    ),
    Kind(
        "attach_lsm",
        "lsm_fds",
        detach=lambda program, key: program.detach_lsm(key),
        tell=lambda a: f"lsm:{a['fn_name'].removeprefix('lsm__')}",
    ),
    Kind(
        "attach_perf_event",
        "open_perf_events",
        detach=lambda program, key: program.detach_perf_event(*key),
        tell=_perf_event,
    ),
    Kind(
        "attach_perf_event_raw",
        "open_perf_events",
        detach=lambda program, key: program.detach_perf_event(*key),
        tell=_perf_event,
    ),
    Kind(
        "attach_xdp",
        "xdp_links",
        detach=lambda program, key: links.end(program.xdp_links[key]),
        tell=lambda a: f"xdp:{a['dev']}",
        names=_devices,
        trigger="send a packet through this device",
        missing="",
        denied="network-not-permitted",
        attach=_attach_xdp,
    ),
    Kind(
        "attach_func",
        "func_detachers",
        detach=lambda program, key: program.func_detachers[key](),
        tell=_func,
        trigger="send a packet through it",
        missing="",
        attach=_attach_func,
    ),
    Kind(
        "attach_raw_socket",
        "sockets",
        detach=_close_socket,
        tell=lambda a: f"socket:{a['dev']}",
        names=_devices,
        trigger="send a packet through this device",
        missing="",
        denied="network-not-permitted",
        attach=_attach_socket,
    ),
]
if hasattr(bcc.BPF, "attach_fmod_ret"):  # BCC 0.35
    KINDS.append(
        Kind(
            "attach_fmod_ret",
            "fmod_ret_fds",
            detach=lambda program, key: program.detach_fmod_ret(key),
            tell=lambda a: f"fmod_ret:{_traced(a, 'kmod_ret__')}",
        )
    )
