import pytest
from helpers import kernel_has

from ebpf_lab import BPF, AttachError, LabError, VerifierError, attach, hooks, record, run
from ebpf_lab.kernel import tracefs

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


def once():
    return run("/bin/true").pids


def test_a_system_call_is_attached_by_what_this_kernel_has(b, record_property):
    wanted = "kprobe:" if kernel_has("register_kprobe") else "tracepoint:syscalls:sys_enter_execve"
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


def test_the_hooks_are_named_as_bpftrace_names_them(b):
    attach(b, raw_tracepoint="sched_process_exec", fn_name="hello")
    b.kprobe_fds |= {b"p_vfs_read": {}, b"r_tcp_connect": {}}
    assert hooks.attached(b) == [
        "kprobe:vfs_read",
        "kretprobe:tcp_connect",
        "rawtracepoint:sched_process_exec",
    ]
    b.kprobe_fds.clear()


def test_an_unknown_system_call_is_refused_with_every_hook_tried_and_the_nearest_name(b):
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
def test_an_unknown_tracepoint_is_refused_with_the_nearest_name(b, hook, near):
    with pytest.raises(AttachError) as raised:
        attach(b, fn_name="hello", **hook)
    assert repr(near) in raised.value.fix
    assert hooks.attached(b) == []


def test_a_tracepoint_without_its_category_is_refused(b):
    with pytest.raises(AttachError, match="category:event"):
        attach(b, tracepoint="sys_enter_execve", fn_name="hello")


def test_an_unknown_kernel_function_is_refused_with_the_nearest_name(b):
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
def test_what_is_no_name_is_refused(b, wrong):
    with pytest.raises(TypeError, match="takes a name"):
        attach(b, **({"fn_name": "hello"} | wrong))


@pytest.mark.parametrize("name", ["x" * 100_000, "../..", "a b", "exe\nc", ""])
def test_an_odd_name_is_an_unknown_one(b, name):
    with pytest.raises(AttachError):
        attach(b, syscall=name, fn_name="hello")


def test_what_is_no_program_is_refused():
    with pytest.raises(TypeError, match="not str"):
        attach("hello", syscall="execve", fn_name="hello")


def test_only_a_function_that_takes_void_ctx_falls_back_to_a_tracepoint(hello, monkeypatch):
    monkeypatch.setattr(hooks.features, "has_kprobes", lambda: False)
    b = BPF(text=hello.replace("void *ctx", "struct pt_regs *ctx"))
    with pytest.raises(AttachError, match=r"void \*ctx"):
        attach(b, syscall="execve", fn_name="hello")
    assert (
        attach(BPF(text=hello), syscall="execve", fn_name="hello") == "tracepoint:syscalls:sys_enter_execve"
    )


def test_a_refusal_by_the_verifier_is_not_taken_for_a_missing_hook():
    b = BPF(text="\nint hello(void *ctx) {\n  return *(int *)0xffff888000000000;\n}\n")
    with pytest.raises(VerifierError, match="line 3"):
        attach(b, syscall="execve", fn_name="hello")


def test_a_function_loaded_as_a_kprobe_first_can_still_be_attached(b):
    b.load_func("hello", BPF.KPROBE)
    attach(b, syscall="execve", fn_name="hello")
    assert "Hello World!" in seen(b, once)


def test_without_tracefs_the_error_says_how_to_mount_it(b, monkeypatch, tmp_path):
    monkeypatch.setattr(hooks.features, "has_kprobes", lambda: False)

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
