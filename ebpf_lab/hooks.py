"""attach: putting a function on a hook that this kernel has, and what is known of it until it is detached."""

import ctypes as ct
import errno
import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from .diagnostics.errors import AttachError, LabError, SetupError
from .diagnostics.names import check_name, did_you_mean
from .hook_kinds import KINDS, Arguments, Kind, func_key, tracepoints
from .kernel import features, filters, links, proginfo, syscalls, tracefs
from .loading import stderr
from .loading.interrupts import held_back
from .loading.libbcc import bcc, lib

NO_KPROBES = "this kernel has no kprobes (CONFIG_KPROBES is off)"


def attach(
    bpf: bcc.BPF,
    *,
    syscall: str | None = None,
    tracepoint: str | None = None,
    raw_tracepoint: str | None = None,
    fn_name: str,
) -> str:
    """Run the function ``fn_name`` at one hook; returns the hook as bpftrace writes it.

    ``syscall="execve"``: the entry of that system call, by the book's kprobe
    (-> 'kprobe:__x64_sys_execve'); where the kernel has no kprobes, and the
    function takes ``void *ctx``, by the call's tracepoint
    (-> 'tracepoint:syscalls:sys_enter_execve').
    ``tracepoint="sched:sched_process_exit"`` and ``raw_tracepoint="sys_enter"``
    are tried as they are. Attaching a function twice to one hook changes nothing.

    Raises AttachError with each hook tried and the kernel's reason, and
    VerifierError where the verifier rejects the function itself.
    """
    if not hasattr(type(bpf), "check_loaded"):
        raise TypeError(f"attach() needs a program, an ebpf_lab.BPF, not {type(bpf).__name__}")
    given = {"syscall": syscall, "tracepoint": tracepoint, "raw_tracepoint": raw_tracepoint}
    named = [(kind, name) for kind, name in given.items() if name is not None]
    if len(named) != 1:
        raise TypeError("attach() needs exactly one of syscall=, tracepoint=, raw_tracepoint=")
    for argument, text in [*named, ("fn_name", fn_name)]:
        if not isinstance(text, str):
            raise TypeError(f"attach({argument}=...) needs a name, a str, not {type(text).__name__}")
    check_name(fn_name, bpf.functions)
    way = {"syscall": _syscall, "tracepoint": _tracepoint, "raw_tracepoint": _raw_tracepoint}[named[0][0]]
    return way(bpf, named[0][1], fn_name)


def _syscall(bpf: bcc.BPF, name: str, fn_name: str) -> str:
    tried, rule = [], "no-such-hook"
    if not features.has_kprobes():
        tried.append((f"kprobe on {name}", NO_KPROBES))
    elif symbol := syscalls.functions().get(name):
        try:
            return _kprobe(bpf, symbol, fn_name)
        except AttachError as e:
            tried, rule = e.tried, e.rule
    else:
        tried.append((f"kprobe on {name}", "the kernel has no function of that name (/proc/kallsyms)"))
    tracepoint = f"syscalls:sys_enter_{name}"
    if _takes_void_ctx(bpf, fn_name):
        try:
            return _tracepoint(bpf, tracepoint, fn_name)
        except AttachError as e:
            tried, rule = tried + e.tried, e.rule
        except SetupError as e:
            tried.append((f"tracepoint:{tracepoint}", e.what))
            rule = "not-permitted"
    else:
        reason = f"not tried: only a function that takes void *ctx fits both hooks, and {fn_name} does not"
        tried.append((f"tracepoint:{tracepoint}", reason))
        rule = rule if features.has_kprobes() else "no-kprobes"
    known = syscalls.functions() if features.has_kprobes() else _syscall_tracepoints()
    fix = did_you_mean(name, sorted(known))
    raise AttachError(rule=rule, hook=f"system call {name!r}", tried=tried, fix=fix)


def _kprobe(bpf: bcc.BPF, symbol: str, fn_name: str) -> str:
    bpf.load_func(fn_name, bcc.BPF.KPROBE)
    if not _is_attached(bpf, hook := f"kprobe:{symbol}", fn_name):
        bpf.attach_kprobe(event=symbol, fn_name=fn_name)
    return hook


def _tracepoint(bpf: bcc.BPF, name: str, fn_name: str) -> str:
    hook = f"tracepoint:{name}"
    category, _, event = name.partition(":")
    if not event:
        raise AttachError(
            f"A tracepoint is written category:event, as in syscalls:sys_enter_execve, not {name!r}."
        )
    if not tracefs.event_exists(category, event):
        tried = [(hook, "the kernel has no such tracepoint")]
        fix = did_you_mean(name, tracepoints())
        raise AttachError(rule="no-such-hook", hook=f"tracepoint {name!r}", tried=tried, fix=fix)
    bpf.load_func(fn_name, bcc.BPF.TRACEPOINT)  # Apart, so that a VerifierError is no missing hook.
    if not _is_attached(bpf, hook, fn_name):
        bpf.attach_tracepoint(tp=name, fn_name=fn_name)
    return hook


def _raw_tracepoint(bpf: bcc.BPF, name: str, fn_name: str) -> str:
    hook, key = f"rawtracepoint:{name}", name.encode()
    bpf.load_func(fn_name, bcc.BPF.RAW_TRACEPOINT)
    if not _is_attached(bpf, hook, fn_name):
        if key in bpf.raw_tracepoint_fds:  # BCC has one function for each raw tracepoint.
            _set_aside(bpf, "raw_tracepoint_fds", (key,), bpf.raw_tracepoint_fds.pop(key))
        bpf.attach_raw_tracepoint(tp=name, fn_name=fn_name)
    return hook


def _takes_void_ctx(bpf: bcc.BPF, fn_name: str) -> bool:
    return re.search(rf"\b{re.escape(fn_name)}\s*\(\s*void\s*\*\s*\w*\s*\)", bpf.source) is not None


def _syscall_tracepoints() -> list[str]:
    return [event.partition("sys_enter_")[2] for event in tracepoints() if "sys_enter_" in event]


class Attached(NamedTuple):
    """A function at a hook; it has been detached once another value, or none, stands in the program's dict."""

    hook: str
    fn_name: str
    value: Any
    trigger: str


def prepare(bpf: bcc.BPF) -> None:
    """Make the dicts of what is attached to ``bpf``: our own, and those of the kinds that BCC has none for."""
    bpf.attachments = {}  # (name of the dict, its keys) -> Attached
    bpf.on_cpus = []  # what one call attached to the CPUs so far; BCC forgets it where a later CPU fails
    for kind in KINDS:
        if kind.attach:
            setattr(bpf, kind.held, {})


def attached(bpf: bcc.BPF) -> list[str]:
    """The hooks that ``bpf`` is attached to, as bpftrace writes them."""
    return list(dict.fromkeys(one.hook for one in _still_attached(bpf)))


def waiting(bpf: bcc.BPF) -> str:
    """Where ``bpf`` waits for events, and what makes one; '' where it is attached to no hook."""
    return next((f"{one.hook}: {one.trigger}" for one in _still_attached(bpf)), "")


def _is_attached(bpf: bcc.BPF, hook: str, fn_name: str) -> bool:
    return any((one.hook, one.fn_name) == (hook, fn_name) for one in _still_attached(bpf))


def _still_attached(bpf: bcc.BPF) -> list[Attached]:
    now = {kind.held: _flat(getattr(bpf, kind.held)) for kind in KINDS}
    return [one for (held, path), one in list(bpf.attachments.items()) if now[held].get(path) == one.value]


def detach(bpf: bcc.BPF) -> None:
    """Detach ``bpf`` from all its hooks; one that fails does not keep the others attached."""
    for kind in KINDS:
        held = getattr(bpf, kind.held)
        for key in list(held):
            with suppress(Exception):
                kind.detach(bpf, key)
            held.pop(key, None)
    with suppress(OSError):
        _delete_filters(bpf)


def _delete_filters(bpf: bcc.BPF) -> None:
    """Delete the tc filters that others made of this program's functions, in this network namespace."""
    infos = map(proginfo.of_program, [function.fd for function in bpf.funcs.values()])
    if classifiers := {info.id for info in infos if info.type == bcc.BPF.SCHED_CLS}:
        filters.delete(classifiers)


def detach_device(programs: list[bcc.BPF], name: str) -> bool:
    """End the XDP links of ``programs`` on the device of that name in this network namespace; False where there is none."""
    with suppress(OSError):
        key = links.device_of(name)
        held = [program.xdp_links.pop(key) for program in programs if key in program.xdp_links]
        for link in held:
            links.end(link)
        return bool(held)
    return False


def detach_func(fn: bcc.BPF.Function, target: int, attach_type: int) -> bool:
    """Detach what attach_func() attached there; False where it attached nothing."""
    with suppress(OSError):
        if end := fn.bpf.func_detachers.pop(func_key(fn, target, attach_type), None):
            end()
            return True
    return False


def methods() -> dict[str, Callable]:
    """BCC's attach_...() methods, by name, made to raise AttachError and to note the hook."""
    on_one_cpu = ("_attach_perf_event", "_attach_perf_event_raw")
    return {kind.method: _method(kind) for kind in KINDS} | {name: _on_one_cpu(name) for name in on_one_cpu}


def _on_one_cpu(name: str) -> Callable:
    """BCC's method that attaches to one CPU, which BCC calls for each; its descriptor is noted, in case a later CPU fails."""
    bccs = getattr(bcc.BPF, name)

    @functools.wraps(bccs)
    def method(bpf: bcc.BPF, *args: Any) -> int:
        bpf.on_cpus.append(fd := bccs(bpf, *args))
        return fd

    return method


def _method(kind: Kind) -> Callable:
    bccs = getattr(bcc.BPF, kind.method)
    signature = inspect.signature(bccs)

    @functools.wraps(bccs)
    def method(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments: Arguments = {
            name: os.fsdecode(value) if isinstance(value, bytes) else value
            for name, value in bound.arguments.items()
        }
        if "self" not in arguments and not isinstance(arguments["fn"], bcc.BPF.Function):
            raise TypeError(
                f"{kind.method}() needs what b.load_func(...) returns, not {type(arguments['fn']).__name__}"
            )
        bpf = arguments["self"] if "self" in arguments else arguments["fn"].bpf
        bpf.check_loaded()
        with held_back():  # An interrupt between attaching and noting it would leave the function attached.
            return _attach(kind, bpf, arguments, functools.partial(bccs, *args, **kwargs))

    return method if "self" in signature.parameters else staticmethod(method)


def _attach(kind: Kind, bpf: bcc.BPF, arguments: Arguments, call: Callable[[], Any]) -> Any:
    held = getattr(bpf, kind.held)
    before, failed = _flat(held), None
    bpf.on_cpus.clear()
    with stderr.captured() as output:
        ct.set_errno(0)
        try:
            result = kind.attach(bpf, arguments) if kind.attach else call()
        except LabError:
            raise
        except Exception as e:
            failed, number = e, getattr(e, "errno", None) or ct.get_errno()
    if failed:
        for fd in bpf.on_cpus:
            lib.bpf_close_perf_event_fd(fd)
        raise _attach_error(kind, arguments, failed, number, output.text) from failed
    if kind.attach:
        new, result = [(result,)], None
    else:
        new = [path for path, value in _flat(held).items() if before.get(path) != value]
        for path in new:
            if path in before:  # BCC has lost the descriptor of a function attached earlier.
                _set_aside(bpf, kind.held, path, before[path])
    if not new:  # To BCC (0.26), a regular expression that matches nothing is no error.
        raise AttachError(rule="matched-nothing", method=kind.method, log=output.text)
    _note(bpf, kind, new, arguments)
    return result


def _note(bpf: bcc.BPF, kind: Kind, new: Iterable[tuple], arguments: Arguments) -> None:
    """Note what was attached; for a regular expression, BCC called the method for each match before."""
    values = _flat(getattr(bpf, kind.held))
    name = arguments["fn"].name if "fn" in arguments else arguments["fn_name"]
    for path in new:
        known = bpf.attachments.get((kind.held, path))
        if not (known and known.value == values[path]) or kind.attach:
            one = Attached(kind.tell(arguments), os.fsdecode(name), values[path], kind.trigger)
            bpf.attachments[kind.held, path] = one


def _flat(held: dict) -> dict[tuple, Any]:
    """{(key,): descriptor} or {(key, function or CPU): descriptor} of one of the program's dicts."""
    flat: dict[tuple, Any] = {}
    for key, value in list(held.items()):  # A view's thread asks, too.
        flat |= (
            {(key, inner): fd for inner, fd in value.items()} if isinstance(value, dict) else {(key,): value}
        )
    return flat


def _set_aside(bpf: bcc.BPF, held: str, path: tuple, value: int) -> None:
    """Keep a descriptor under a key of its own; BCC has one for each hook, and forgets an earlier function's."""
    *outer, key = path
    spare = b"%s #%d" % (key, value) if isinstance(key, bytes) else (key, value)
    fds = getattr(bpf, held)
    (fds[outer[0]] if outer else fds)[spare] = value
    if known := bpf.attachments.pop((held, path), None):
        bpf.attachments[held, (*outer, spare)] = known


def _attach_error(
    kind: Kind, arguments: Arguments, failed: Exception, number: int, output: str
) -> AttachError:
    hook, reason, rule = kind.tell(arguments), os.strerror(number) if number else str(failed), ""
    fn_name = os.fsdecode(arguments["fn"].name if "fn" in arguments else arguments["fn_name"])
    name, known = kind.names(arguments)
    fix = did_you_mean(name, known := set(known)) if name else ""
    if number in (errno.EPERM, errno.EACCES):
        rule = kind.denied
    elif kind.held == "kprobe_fds" and not features.has_kprobes():
        rule, reason, fix = "no-kprobes", NO_KPROBES, _instead_of_kprobe(kind, name, fn_name)
    elif kind.method == "attach_xdp" and number in (errno.EBUSY, errno.EEXIST):
        rule = "xdp-busy"
    elif name and name not in known:
        rule = kind.missing
    what = f"{fn_name} can't be attached to {hook}: {reason}"
    if output.strip():
        what += f"\nThe kernel: {output.strip()}"
    return AttachError(what, rule=rule, hook=hook, device=name, tried=[(hook, reason)], fix=fix, log=output)


def _instead_of_kprobe(kind: Kind, function: str, fn_name: str) -> str:
    """The fix where a kernel has no kprobes: what attaches the function to the same system call, or to another event."""
    call = {function: call for call, function in syscalls.functions().items()}.get(function)
    if not call:
        return (
            "attach(b, tracepoint=...) takes a tracepoint: /sys/kernel/tracing/available_events lists them."
        )
    prefix = f"{kind.method.removeprefix('attach_')}__"
    rename = f"name the function {call}_ instead of {fn_name}, which BCC attaches by its name, and call "
    renamed = fn_name.startswith(prefix)
    name = f"{call}_" if renamed else fn_name
    if kind.method == "attach_kretprobe":
        how = f"attach(b, tracepoint='syscalls:sys_exit_{call}', fn_name={name!r}), which runs where the call returns."
    else:
        how = f"attach(b, syscall={call!r}, fn_name={name!r}), which uses the call's tracepoint."
    return (rename if renamed else "call ") + how
