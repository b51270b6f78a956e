"""attach: putting a loaded function on a hook that this kernel has."""

import difflib
import re
from contextlib import contextmanager

from .bpf import BPF, check_name
from .diagnostics.errors import AttachError, SetupError
from .diagnostics.explanations import ATTACH, explained
from .kernel import features, syscalls, tracefs


def attach(bpf, *, syscall=None, tracepoint=None, raw_tracepoint=None, fn_name):
    """Run the function ``fn_name`` at one hook; returns the hook as bpftrace writes it.

    ``syscall="execve"``: the entry of that system call, by the book's kprobe
    (-> 'kprobe:__x64_sys_execve'); where the kernel has no kprobes, and the
    function takes ``void *ctx``, by the call's tracepoint
    (-> 'tracepoint:syscalls:sys_enter_execve').
    ``tracepoint="sched:sched_process_exit"`` and ``raw_tracepoint="sys_enter"``
    are tried as they are. Attaching a function twice to one hook changes nothing.

    Raises AttachError with each hook tried and the kernel's reason, and
    VerifierError where the kernel refuses the function itself.
    """
    given = {"syscall": syscall, "tracepoint": tracepoint, "raw_tracepoint": raw_tracepoint}
    given = {kind: name for kind, name in given.items() if name is not None}
    if not isinstance(bpf, BPF):
        raise TypeError(f"attach() takes a program, an ebpf_lab.BPF, not {type(bpf).__name__}")
    if len(given) != 1:
        raise TypeError("attach() takes exactly one of syscall=, tracepoint=, raw_tracepoint=")
    kind, name = given.popitem()
    for what, text in [(kind, name), ("fn_name", fn_name)]:
        if not isinstance(text, str):
            raise TypeError(f"attach({what}=...) takes a name, a str, not {type(text).__name__}")
    check_name(fn_name.encode(), bpf.functions, "function")
    return {"syscall": _syscall, "tracepoint": _tracepoint, "raw_tracepoint": _raw_tracepoint}[kind](
        bpf, name, fn_name
    )


def attached(bpf):
    """The hooks that ``bpf`` is attached to, as bpftrace writes them."""
    kinds = {b"p": "kprobe", b"r": "kretprobe"}
    hooks = [f"{kinds[event[:1]]}:{event[2:].decode()}" for event in list(bpf.kprobe_fds)]
    hooks += [f"u{kinds[event[:1]]}:{event[2:].decode()}" for event in list(bpf.uprobe_fds)]
    hooks += ["tracepoint:" + tp.decode().partition(" ")[0] for tp in list(bpf.tracepoint_fds)]
    hooks += ["rawtracepoint:" + tp.decode().partition(" ")[0] for tp in list(bpf.raw_tracepoint_fds)]
    for kind, fds in [("fentry", bpf.kfunc_entry_fds), ("fexit", bpf.kfunc_exit_fds), ("lsm", bpf.lsm_fds)]:
        hooks += [f"{kind}:{name.decode().partition('__')[2]}" for name in list(fds)]
    return hooks


def _syscall(bpf, name, fn_name):
    tried = []
    if not features.has_kprobes():
        tried.append((f"kprobe on {name}", "this kernel has no kprobes (CONFIG_KPROBES is off)"))
    elif symbol := syscalls.functions().get(name):
        try:
            return _kprobe(bpf, symbol, fn_name)
        except AttachError as e:
            tried += e.tried
    else:
        tried.append((f"kprobe on {name}", "the kernel has no function of that name (/proc/kallsyms)"))
    tracepoint = f"syscalls:sys_enter_{name}"
    if _takes_void_ctx(bpf, fn_name):
        try:
            return _tracepoint(bpf, tracepoint, fn_name)
        except (AttachError, SetupError) as e:
            tried += getattr(e, "tried", None) or [(f"tracepoint:{tracepoint}", e.what)]
    else:
        reason = f"not tried: only a function that takes void *ctx fits both hooks, and {fn_name} does not"
        tried.append((f"tracepoint:{tracepoint}", reason))
    known = sorted(syscalls.functions() if features.has_kprobes() else _syscall_tracepoints())
    raise _refused(f"system call {name!r}", tried, name, known)


def _kprobe(bpf, symbol, fn_name):
    bpf.load_func(fn_name, BPF.KPROBE)
    if fn_name.encode() not in bpf.kprobe_fds.get(b"p_" + symbol.encode(), ()):
        bpf.attach_kprobe(event=symbol, fn_name=fn_name)
    return f"kprobe:{symbol}"


def _tracepoint(bpf, name, fn_name):
    category, _, event = name.partition(":")
    if not event:
        raise AttachError(
            f"A tracepoint is written category:event, as in syscalls:sys_enter_execve, not {name!r}."
        )
    if not tracefs.event_exists(category, event):
        tried = [(f"tracepoint:{name}", "the kernel has no such tracepoint")]
        raise _refused(f"tracepoint {name!r}", tried, name, tracefs.events())
    bpf.load_func(fn_name, BPF.TRACEPOINT)  # first and apart: a refusal by the verifier is no missing hook
    with _beside(bpf.tracepoint_fds, f"tracepoint:{name}", name, fn_name, bpf) as wanted:
        if wanted:
            bpf.attach_tracepoint(tp=name, fn_name=fn_name)
    return f"tracepoint:{name}"


def _raw_tracepoint(bpf, name, fn_name):
    hook = f"rawtracepoint:{name}"
    bpf.load_func(fn_name, BPF.RAW_TRACEPOINT)
    try:
        with _beside(bpf.raw_tracepoint_fds, hook, name, fn_name, bpf) as wanted:
            if wanted:
                bpf.attach_raw_tracepoint(tp=name, fn_name=fn_name)
    except AttachError as e:
        known = ["sys_enter", "sys_exit", *(event.partition(":")[2] for event in tracefs.events())]
        raise _refused(f"raw tracepoint {name!r}", [(hook, e.tried[0][1])], name, known) from e
    return hook


@contextmanager
def _beside(fds, hook, name, fn_name, bpf):
    """Whether ``fn_name`` must still be attached; keeps what another function has at the same hook.

    BCC holds one file descriptor for each tracepoint, by its name: a second function's would replace
    the first one's, which would then stay attached for ever.
    """
    if bpf.hooks.get((hook, fn_name)) in fds.values():
        yield False
        return
    name = name.encode()
    other = fds.pop(name, None)
    try:
        yield True
        # A descriptor's number is used again when it was closed: what had this one before is no more.
        bpf.hooks = {key: fd for key, fd in bpf.hooks.items() if fd != fds[name]} | {
            (hook, fn_name): fds[name]
        }
    finally:
        if other is not None:
            fds[name + b" #%d" % other if name in fds else name] = other


def _refused(what, tried, name, known):
    near = [] if name in known else difflib.get_close_matches(name, dict.fromkeys(known), 3)
    lines = [f"Nothing to attach to for the {what}:", *(f"  {hook}: {reason}" for hook, reason in tried)]
    fix = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
    error = AttachError("\n".join(lines), **explained(ATTACH, "\n".join(lines), fix))
    error.tried = tried
    return error


def _takes_void_ctx(bpf, fn_name):
    return re.search(rf"\b{re.escape(fn_name)}\s*\(\s*void\s*\*\s*\w*\s*\)", bpf.source) is not None


def _syscall_tracepoints():
    try:
        return [e.partition("sys_enter_")[2] for e in tracefs.events("syscalls") if "sys_enter_" in e]
    except SetupError:
        return []
