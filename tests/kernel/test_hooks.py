import inspect
import os
import re
import signal
import subprocess
import sys

import bcc
import pytest
from bcc import PerfSWConfig, PerfType
from helpers import held

from ebpf_lab import BPF, AttachError, LabError, VerifierError, attach, hooks, record, run
from ebpf_lab.hook_kinds import KINDS
from ebpf_lab.kernel import features, links, tracefs

TWO = """
int hello(void *ctx) { bpf_trace_printk("one"); return 0; }
int other(void *ctx) { bpf_trace_printk("two"); return 0; }
"""


@pytest.fixture
def b(hello):
    return BPF(text=hello)


def seen(b, pids):
    with record(b) as lines:
        started = pids()
    return [line.message for line in lines.lines if line.pid in started]


def bpftool(*arguments):
    return subprocess.run(["bpftool", *arguments], capture_output=True, text=True, check=True).stdout


def once():
    return run("/bin/true").pids


def test_a_system_call_is_attached_by_what_this_kernel_has(b, record_property):
    wanted = "kprobe:" if features.has_kprobes() else "tracepoint:syscalls:sys_enter_execve"
    hook = attach(b, syscall="execve", fn_name="hello")
    record_property('attach(b, syscall="execve", fn_name="hello")', hook)
    assert hook.startswith(wanted)
    assert hooks.attached(b) == [hook]
    assert "Hello World!" in seen(b, once)


def test_a_tracepoint_and_a_raw_tracepoint_are_attached_as_they_are(b):
    assert (
        attach(b, tracepoint="sched:sched_process_exec", fn_name="hello")
        == "tracepoint:sched:sched_process_exec"
    )
    assert "Hello World!" in seen(b, once)
    raw = attach(
        BPF(text="\nint hello(void *ctx) { return 0; }\n"), raw_tracepoint="sys_enter", fn_name="hello"
    )
    assert raw == "rawtracepoint:sys_enter"


def test_attaching_twice_changes_nothing(b):
    for kind in ({"syscall": "execve"}, {"raw_tracepoint": "sched_process_exec"}):
        assert attach(b, fn_name="hello", **kind) == attach(b, fn_name="hello", **kind)
    assert len(hooks.attached(b)) == 2


@pytest.mark.parametrize(
    "hook", [{"tracepoint": "sched:sched_process_exec"}, {"raw_tracepoint": "sched_process_exec"}]
)
def test_two_functions_share_a_hook_and_close_detaches_both(hook):
    b = BPF(text=TWO)
    attach(b, fn_name="hello", **hook)
    attach(b, fn_name="other", **hook)
    assert {"one", "two"} <= set(seen(b, once))


def test_bcc_s_own_detach_still_finds_what_attach_attached(b):
    attach(b, tracepoint="sched:sched_process_exec", fn_name="hello")
    b.detach_tracepoint("sched:sched_process_exec")
    assert hooks.attached(b) == []
    attach(b, tracepoint="sched:sched_process_exec", fn_name="hello")
    assert len(hooks.attached(b)) == 1


HOOKS = [
    ("attach_kprobe", {"event": "vfs_read", "fn_name": "f"}, "kprobe:vfs_read"),
    ("attach_kprobe", {"event": "vfs_read", "event_off": 8, "fn_name": "f"}, "kprobe:vfs_read+8"),
    ("attach_kretprobe", {"event": "tcp_connect", "fn_name": "f"}, "kretprobe:tcp_connect"),
    ("attach_uprobe", {"name": "/bin/sh", "sym": "main", "fn_name": "f"}, "uprobe:/bin/sh:main"),
    ("attach_uprobe", {"name": "/bin/sh", "sym": "main", "sym_off": 4}, "uprobe:/bin/sh:main+4"),
    ("attach_uretprobe", {"name": "/bin/sh", "addr": 64, "fn_name": "f"}, "uretprobe:/bin/sh:0x40"),
    ("attach_tracepoint", {"tp": "sched:sched_switch"}, "tracepoint:sched:sched_switch"),
    ("attach_raw_tracepoint", {"tp": "sys_enter"}, "rawtracepoint:sys_enter"),
    ("attach_kfunc", {"fn_name": "kfunc__vfs_open"}, "fentry:vfs_open"),
    ("attach_kfunc", {"fn_name": "kfunc__vmlinux__vfs_open"}, "fentry:vfs_open"),
    ("attach_kretfunc", {"fn_name": "kretfunc__vfs_open"}, "fexit:vfs_open"),
    ("attach_kretfunc", {"fn_name": "kretfunc__vmlinux__vfs_open"}, "fexit:vfs_open"),
    ("attach_lsm", {"fn_name": "lsm__bpf"}, "lsm:bpf"),
    ("attach_perf_event", {"ev_type": 1, "ev_config": 0, "sample_freq": 49}, "profile:hz:49"),
    ("attach_perf_event", {"ev_type": 1, "ev_config": 2, "sample_period": 100}, "software:page-faults:100"),
    ("attach_perf_event", {"ev_type": 0, "ev_config": 3}, "hardware:cache-misses"),
    ("attach_perf_event", {"ev_type": 4, "ev_config": 0x1A2}, "perf_event:4:0x1a2"),
    ("attach_xdp", {"dev": "eth0", "fn": None}, "xdp:eth0"),
    ("attach_func", {"fn": None, "attachable_fd": 1, "attach_type": 46}, "tcx_ingress:lo"),
    ("attach_raw_socket", {"fn": None, "dev": "lo"}, "socket:lo"),
]
if hasattr(bcc.BPF, "attach_fmod_ret"):
    HOOKS.append(
        ("attach_fmod_ret", {"fn_name": "kmod_ret__security_file_open"}, "fmod_ret:security_file_open")
    )


@pytest.mark.parametrize(("method", "arguments", "hook"), HOOKS, ids=[hook for _, _, hook in HOOKS])
def test_each_kind_of_hook_is_written_as_bpftrace_writes_it(method, arguments, hook):
    (kind,) = [kind for kind in KINDS if kind.method == method]
    given = inspect.signature(getattr(bcc.BPF, method)).bind_partial(**arguments)
    given.apply_defaults()
    decoded = {
        name: value.decode() if isinstance(value, bytes) else value for name, value in given.arguments.items()
    }
    assert kind.tell(decoded) == hook


def test_the_table_has_each_method_of_bcc_that_attaches_and_each_of_its_dicts():
    methods = {name for name in vars(bcc.BPF) if name.startswith("attach_")}
    assert {kind.method for kind in KINDS} == methods
    with BPF(text=TWO) as b:
        fds = {name for name in vars(b) if name.endswith("_fds")} | {"open_perf_events"}
    assert fds <= {kind.held for kind in KINDS}


def test_a_uprobe_is_shown_as_bpftool_shows_it(b):
    b.attach_uprobe(name="c", sym="mkfifo", fn_name="hello")
    (hook,) = hooks.attached(b)
    _, file, symbol = hook.split(":")
    assert symbol == "mkfifo" and f"filename {file}" in bpftool("perf", "show")
    assert repr(b) == f"<BPF hello: attached to {hook}>"


def test_what_a_program_waits_for_is_shown_with_what_makes_it_run(b):
    assert hooks.waiting(b) == ""
    b.attach_uprobe(name="c", sym="mkfifo", fn_name="hello")
    assert hooks.waiting(b) == f"{hooks.attached(b)[0]}: run a program that calls this function"


def test_a_program_on_the_clock_is_shown_as_bpftrace_writes_it():
    b = BPF(text="\nint tick(void *ctx) { return 0; }\n")
    b.attach_perf_event(
        ev_type=PerfType.SOFTWARE, ev_config=PerfSWConfig.CPU_CLOCK, fn_name="tick", sample_freq=49
    )
    assert repr(b) == "<BPF tick: attached to profile:hz:49>"
    b.detach_perf_event(PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK)
    assert repr(b) == "<BPF tick: loaded>"


@pytest.mark.skipif(os.cpu_count() == 1, reason="this machine has one CPU")
def test_a_perf_event_that_one_cpu_lacks_is_attached_to_none(b, monkeypatch):
    real, calls = bcc.lib.bpf_attach_perf_event, []

    def only_the_first(*arguments):
        calls.append(arguments)
        return real(*arguments) if len(calls) == 1 else -1

    monkeypatch.setattr(bcc.lib, "bpf_attach_perf_event", only_the_first)
    with pytest.raises(AttachError):
        b.attach_perf_event(
            ev_type=PerfType.SOFTWARE, ev_config=PerfSWConfig.CPU_CLOCK, fn_name="hello", sample_freq=49
        )
    assert len(calls) == 2
    assert not [link for link in held()["descriptors"] if "perf_event" in link]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can open a raw socket")
def test_a_socket_filter_is_shown_and_close_closes_its_socket():
    b = BPF(text="\nint filter(struct __sk_buff *skb) { return 0; }\n")
    function = b.load_func("filter", BPF.SOCKET_FILTER)
    b.attach_raw_socket(function, "lo")
    assert hooks.attached(b) == ["socket:lo"]
    b.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(function.sock)


def test_without_the_right_to_open_a_raw_socket_the_capability_is_named():
    code = r"""
from ebpf_lab import BPF, AttachError
b = BPF(text="int filter(struct __sk_buff *skb) { return 0; }")
try:
    b.attach_raw_socket(b.load_func("filter", BPF.SOCKET_FILTER), "lo")
except AttachError as e:
    print(e.rule, e)
"""
    fewer = ["setpriv", "--bounding-set", "-net_raw"] if os.geteuid() == 0 else []
    done = subprocess.run([*fewer, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.match(r"network-not-permitted .*socket:lo(?s:.)*CAP_NET_RAW", done.stdout), done.stdout


@pytest.fixture
def device():
    """A network device of our own, one end of a pair."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a network device")
    subprocess.run(["ip", "link", "add", "ebpf0", "type", "veth", "peer", "name", "ebpf1"], check=True)
    yield "ebpf0"
    subprocess.run(["ip", "link", "del", "ebpf0"], check=True)


def test_an_xdp_program_is_shown_as_bpftool_shows_it_until_it_is_removed(device):
    b = BPF(text="\nint pass(struct xdp_md *ctx) { return XDP_PASS; }\n")
    b.attach_xdp(device, b.load_func("pass", BPF.XDP), BPF.XDP_FLAGS_SKB_MODE)
    assert hooks.attached(b) == [f"xdp:{device}"] and device in bpftool("net", "show")
    b.remove_xdp(device, BPF.XDP_FLAGS_SKB_MODE)
    assert hooks.attached(b) == [] and device not in bpftool("net", "show")


@pytest.mark.parametrize(
    ("attach_it", "near"),
    [
        (lambda b: b.attach_uprobe(name="c", sym="mkfif", fn_name="hello"), "mkfifo"),
        (lambda b: b.attach_uretprobe(name="c", sym="mkfif", fn_name="hello"), "mkfifo"),
        (lambda b: b.attach_uprobe(name="/nowhere", sym="main", fn_name="hello"), ""),
        (lambda b: b.attach_perf_event(ev_type=99, ev_config=0, fn_name="hello"), ""),
        (lambda b: b.attach_xdp("loo", b.load_func("hello", BPF.XDP)), "lo"),
        (lambda b: b.attach_raw_socket(b.load_func("hello", BPF.SOCKET_FILTER), "loo"), "lo"),
        (lambda b: b.attach_raw_tracepoint(tp="sys_entr", fn_name="hello"), "sys_enter"),
    ],
    ids=["uprobe", "uretprobe", "no such file", "perf event", "xdp", "socket", "raw tracepoint"],
)
def test_a_hook_that_is_not_there_is_an_attach_error_for_each_kind(b, attach_it, near):
    with pytest.raises(AttachError) as raised:
        attach_it(b)
    assert near in raised.value.fix and raised.value.tried[0][0] == raised.value.hook
    assert hooks.attached(b) == []


def test_an_interrupt_while_an_xdp_program_is_attached_leaves_it_to_close(device, monkeypatch, interruptible):
    b = BPF(text="\nint pass(struct xdp_md *ctx) { return XDP_PASS; }\n")
    real = links.create

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    function = b.load_func("pass", BPF.XDP)
    monkeypatch.setattr(links, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        b.attach_xdp(device, function, BPF.XDP_FLAGS_SKB_MODE)
    monkeypatch.undo()
    assert hooks.attached(b) == [f"xdp:{device}"]
    b.close()
    assert device not in bpftool("net", "show")


def test_two_functions_on_one_event_are_both_detached_by_close():
    b = BPF(text=TWO)
    for name in ("hello", "other"):
        b.attach_tracepoint(tp="sched:sched_process_exec", fn_name=name)
        b.attach_perf_event(
            ev_type=PerfType.SOFTWARE, ev_config=PerfSWConfig.CPU_CLOCK, fn_name=name, sample_freq=49
        )
    assert hooks.attached(b) == ["tracepoint:sched:sched_process_exec", "profile:hz:49"]
    b.close()
    assert not [link for link in held()["descriptors"] if "perf_event" in link]


@pytest.fixture
def no_kprobes(monkeypatch):
    """A kernel without kprobes, as far as BCC and the lab see it."""
    monkeypatch.setattr(features, "has_kprobes", lambda: False)
    monkeypatch.setattr(bcc.lib, "bpf_attach_kprobe", lambda *_: -1)


@pytest.mark.parametrize(
    ("attach_it", "fix"),
    [
        (
            lambda b: b.attach_kprobe(event=b.get_syscall_fnname("execve"), fn_name="hello"),
            "attach(b, syscall='execve', fn_name='hello')",
        ),
        (
            lambda b: b.attach_kretprobe(event=b.get_syscall_fnname("execve"), fn_name="hello"),
            "attach(b, tracepoint='syscalls:sys_exit_execve', fn_name='hello')",
        ),
        (lambda b: b.attach_kprobe(event="vfs_raed", fn_name="hello"), "attach(b, tracepoint=...)"),
        (lambda b: b.attach_kprobe(event_re="^no_such_.*", fn_name="hello"), "attach(b, tracepoint=...)"),
        (
            lambda _: BPF(text="\nint kprobe__sys_clone(void *ctx) { return 0; }\n"),
            "name the function clone_ instead of kprobe__sys_clone",
        ),
        (
            lambda _: BPF(text="\nint kretprobe__sys_clone(void *ctx) { return 0; }\n"),
            "attach(b, tracepoint='syscalls:sys_exit_clone', fn_name='clone_')",
        ),
    ],
    ids=["entry", "return", "a function", "an expression", "by its name", "a return by its name"],
)
def test_without_kprobes_the_error_names_the_way_that_works(b, no_kprobes, attach_it, fix):
    with pytest.raises(AttachError, match="no kprobes") as raised:
        attach_it(b)
    assert fix in raised.value.fix and "did you mean" not in str(raised.value)


@pytest.mark.parametrize("hook", [{"syscall": "clone"}, {"tracepoint": "syscalls:sys_exit_clone"}])
def test_the_ways_without_kprobes_that_an_error_names_can_be_attached(hook, no_kprobes):
    attach(BPF(text="\nint clone_(void *ctx) { return 0; }\n"), fn_name="clone_", **hook)


def test_an_unknown_system_call_is_an_error_with_each_hook_tried_and_the_nearest_name(b):
    with pytest.raises(AttachError) as raised:
        attach(b, syscall="exceve", fn_name="hello")
    assert len(raised.value.tried) == 2
    assert all(
        hook in str(raised.value) and reason in str(raised.value) for hook, reason in raised.value.tried
    )
    assert "'execve'" in raised.value.fix


@pytest.mark.parametrize(
    ("hook", "near"),
    [
        ({"tracepoint": "syscalls:sys_enter_exceve"}, "syscalls:sys_enter_execve"),
        ({"raw_tracepoint": "sys_entr"}, "sys_enter"),
    ],
)
def test_an_unknown_tracepoint_is_an_error_with_the_nearest_name(b, hook, near):
    with pytest.raises(AttachError) as raised:
        attach(b, fn_name="hello", **hook)
    assert repr(near) in raised.value.fix
    assert hooks.attached(b) == []


def test_a_tracepoint_without_its_category_is_an_error(b):
    with pytest.raises(AttachError, match="category:event"):
        attach(b, tracepoint="sys_enter_execve", fn_name="hello")


def test_an_unknown_kernel_function_is_an_error_with_the_nearest_name(b, monkeypatch):
    monkeypatch.setattr(features, "has_kprobes", lambda: True)
    with pytest.raises(AttachError, match="no_such_function"):
        b.attach_kprobe(event="no_such_function", fn_name="hello")
    with pytest.raises(AttachError) as raised:
        b.attach_kprobe(event="vfs_raed", fn_name="hello")
    assert "'vfs_read'" in raised.value.fix


def test_a_descriptor_used_again_is_not_taken_for_an_attachment():
    b = BPF(text=TWO)
    hook = "sched:sched_process_exec"
    for name in ("hello", "other", "hello", "other"):  # each may get the number that an earlier one had
        attach(b, tracepoint=hook, fn_name=name)
        assert len(b.tracepoint_fds) == 1
        b.detach_tracepoint(hook)


def test_an_unknown_function_of_the_program_is_named(b):
    with pytest.raises(LabError, match="no function named 'hallo'"):
        attach(b, syscall="execve", fn_name="hallo")


@pytest.mark.parametrize("hook", [{}, {"syscall": "execve", "tracepoint": "a:b"}])
def test_exactly_one_hook_must_be_named(b, hook):
    with pytest.raises(TypeError, match="exactly one"):
        attach(b, fn_name="hello", **hook)


@pytest.mark.parametrize(
    "wrong",
    [{"syscall": 5}, {"tracepoint": b"a:b"}, {"raw_tracepoint": 5}, {"syscall": "execve", "fn_name": None}],
)
def test_a_name_that_is_no_str_is_a_type_error(b, wrong):
    with pytest.raises(TypeError, match="needs a name"):
        attach(b, **({"fn_name": "hello"} | wrong))


@pytest.mark.parametrize("name", ["x" * 100_000, "../..", "a b", "exe\nc", ""])
def test_an_odd_name_is_an_unknown_one(b, name):
    with pytest.raises(AttachError):
        attach(b, syscall=name, fn_name="hello")


def test_an_object_that_is_no_program_is_a_type_error():
    with pytest.raises(TypeError, match="not str"):
        attach("hello", syscall="execve", fn_name="hello")


def test_only_a_function_that_takes_void_ctx_falls_back_to_a_tracepoint(hello, monkeypatch):
    monkeypatch.setattr(features, "has_kprobes", lambda: False)
    b = BPF(text=hello.replace("void *ctx", "struct pt_regs *ctx"))
    with pytest.raises(AttachError, match=r"void \*ctx"):
        attach(b, syscall="execve", fn_name="hello")
    assert (
        attach(BPF(text=hello), syscall="execve", fn_name="hello") == "tracepoint:syscalls:sys_enter_execve"
    )


def test_a_program_that_the_verifier_rejects_is_not_taken_for_a_missing_hook():
    b = BPF(text="\nint hello(void *ctx) {\n  return *(int *)0xffff888000000000;\n}\n")
    with pytest.raises(VerifierError, match="line 3"):
        attach(b, syscall="execve", fn_name="hello")


def test_a_function_loaded_as_a_kprobe_first_can_still_be_attached(b):
    b.load_func("hello", BPF.KPROBE)
    attach(b, syscall="execve", fn_name="hello")
    assert "Hello World!" in seen(b, once)


def test_without_tracefs_the_error_says_how_to_mount_it(b, monkeypatch, tmp_path):
    monkeypatch.setattr(features, "has_kprobes", lambda: False)

    def unmounted():
        raise hooks.SetupError("tracefs is not mounted", fix="mount it")

    monkeypatch.setattr(tracefs, "root", unmounted)
    with pytest.raises(AttachError, match="tracefs is not mounted"):
        attach(b, syscall="execve", fn_name="hello")


def test_the_functions_of_system_calls_are_known_without_their_addresses(b, monkeypatch):
    known = b.get_syscall_fnname("execve")
    assert known.endswith(b"sys_execve") and known.startswith(b"__")
    monkeypatch.setattr(BPF, "ksymname", lambda *_: -1)  # what BCC answers to all but uid 0
    assert b.get_syscall_fnname("execve") == known
