import copy
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import bcc
import pytest
from helpers import HELLO, held, until

from ebpf_lab import (
    BPF,
    AttachError,
    CompileError,
    LabError,
    MapError,
    PrivilegeError,
    UnloadedError,
    VerifierError,
    attach,
    bpf,
    record,
    run,
)
from ebpf_lab.loading import compile, sandbox, testload

COUNTER = """
BPF_HASH(counter_table);
int hello(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  u64 *p = counter_table.lookup(&uid);
  *p += 1;
  return 0;
}
"""


def loaded(program):
    """Whether the kernel, asked through bpftool, still has the program that ``program`` gave the id of."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, check=True).stdout
    return program in [entry["id"] for entry in json.loads(shown)]


def prog_id(fd):
    return int(fdinfo("self", fd)["prog_id"])


def fdinfo(pid, fd):
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines())


def test_it_is_bcc_s_own_class(hello):
    with BPF(text=hello) as b:
        assert isinstance(b, bcc.BPF) and b.functions == ["hello"]


def test_bcc_s_arguments_and_methods_stay(hello, tmp_path):
    source = tmp_path / "hello.c"
    source.write_text(hello.replace("Hello World!", "%d").replace('"%d"', '"%d", ANSWER'))
    b = BPF(src_file=str(source), cflags=["-DANSWER=42"], debug=0)
    function = b.load_func("hello", BPF.TRACEPOINT)
    assert isinstance(function, BPF.Function) and b.load_func(b"hello", BPF.TRACEPOINT) is function
    b.attach_tracepoint(tp="syscalls:sys_enter_execve", fn_name="hello")
    with record(b) as lines:
        pids = run("/bin/true", times=3).pids
    assert {(p, "42") for p in pids} <= {(line.pid, line.message) for line in lines.lines}


def test_a_load_unloads_the_earlier_program(hello):
    first = BPF(text=hello)
    attach(first, syscall="execve", fn_name="hello")
    known = prog_id(first.funcs[b"hello"].fd)
    assert loaded(known)
    BPF(text="\nint other(void *ctx) { return 0; }\n")
    until(lambda: not loaded(known))


def test_reloading_five_times_leaves_one_program(hello):
    ids = []
    for _ in range(5):
        b = BPF(text=hello)
        attach(b, syscall="execve", fn_name="hello")
        ids.append(prog_id(b.funcs[b"hello"].fd))
    until(lambda: [i for i in ids if loaded(i)] == ids[-1:])


def test_keep_leaves_other_programs_and_replaces_one_of_the_same_source(hello):
    first, other = BPF(text=hello), BPF(text=COUNTER, keep=True)
    again = BPF(text=hello, keep=True)
    assert other.functions == again.functions == ["hello"]
    with pytest.raises(UnloadedError, match="later BPF"):
        first.check_loaded()


def test_keep_all_leaves_even_a_program_of_the_same_source(hello):
    first = BPF(text=hello)
    with BPF(text=hello, keep="all") as second:
        first.check_loaded()
    first.check_loaded()
    with pytest.raises(UnloadedError):
        second.check_loaded()


def test_an_unloaded_program_keeps_its_source_and_can_be_copied(hello):
    b = BPF(text=hello)
    b.close()
    assert copy.copy(b).source == hello and not hasattr(b, "_repr_html_")


def test_a_program_that_does_not_compile_leaves_the_earlier_one(hello):
    b = BPF(text=hello)
    with pytest.raises(CompileError):
        BPF(text="\nint hello(")
    assert b.functions == ["hello"]


def test_close_may_be_called_twice_and_the_end_of_a_with_block_closes(hello):
    with BPF(text=hello) as b:
        attach(b, syscall="execve", fn_name="hello")
    b.close()
    b.cleanup()


@pytest.mark.parametrize(
    "use",
    [
        lambda b: b.functions,
        lambda b: b["counter_table"],
        lambda b: b.load_func("hello", BPF.TRACEPOINT),
        lambda b: attach(b, syscall="execve", fn_name="hello"),
        lambda b: b.trace_fields(),
        lambda b: record(b).__enter__(),
        lambda b: b.__enter__(),
        lambda b: len(b),
        lambda b: list(b),
    ],
)
def test_using_an_unloaded_program_says_what_unloaded_it_and_how_to_keep_it(hello, use):
    b = BPF(text=hello)
    b.close()
    with pytest.raises(UnloadedError, match=r"b\.close") as raised:
        use(b)
    assert "keep=True" in raised.value.fix
    assert "unloaded" in repr(b)


def test_nothing_relies_on_garbage_collection_and_nothing_prevents_it(hello):
    b = BPF(text=hello)
    gone = weakref.ref(b)
    b.close()
    del b
    gc.collect()
    assert gone() is None


def test_threads_may_load_and_attach_at_once(hello):
    failed, stderr = [], os.readlink("/proc/self/fd/2")

    def load(n):
        try:
            b = BPF(text=hello.replace("World", str(n)), keep=True)
            attach(b, syscall="execve", fn_name="hello")
        except Exception as e:
            failed.append(e)

    threads = [threading.Thread(target=load, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and os.readlink("/proc/self/fd/2") == stderr


def test_a_close_that_was_interrupted_can_be_done_again(hello):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    known = prog_id(b.funcs[b"hello"].fd)

    class Interrupted:
        def close(self):
            b.disown("interrupted")
            raise KeyboardInterrupt

    b.own("interrupted", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        b.close()
    assert loaded(known)
    b.close()
    assert not loaded(known)


def test_an_interrupt_in_the_middle_of_a_close_waits_for_its_end(hello, monkeypatch, interruptible):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    known = prog_id(b.funcs[b"hello"].fd)
    real = BPF.detach_tracepoint

    def interrupted(self, tp):
        real(self, tp)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(BPF, "detach_tracepoint", interrupted)
    monkeypatch.setattr(BPF, "detach_kprobe_event", interrupted)
    with pytest.raises(KeyboardInterrupt):
        b.close()
    monkeypatch.undo()
    until(lambda: not loaded(known))
    assert BPF(text=hello).functions == ["hello"]


def test_an_interrupt_while_bcc_compiles_leaves_nothing(monkeypatch, interruptible):
    text = COUNTER.replace("*p += 1", "if (p) *p += 1")
    BPF(text=text).close()
    real = bcc.BPF._trace_autoload

    def interrupted(self):
        signal.raise_signal(signal.SIGINT)
        real(self)

    monkeypatch.setattr(bcc.BPF, "_trace_autoload", interrupted)
    before = held()
    with pytest.raises(KeyboardInterrupt):
        BPF(text=text)
    assert held() == before and not bpf._loaded


def test_a_hook_that_fails_to_detach_keeps_no_other_attached(hello):
    b = BPF(text=hello)
    attach(b, tracepoint="sched:sched_process_exec", fn_name="hello")
    attach(b, raw_tracepoint="sched_process_exec", fn_name="hello")
    os.close(b.tracepoint_fds[b"sched:sched_process_exec"])
    b.close()
    assert not [link for link in held()["descriptors"] if "bpf" in link]


def test_a_forked_child_leaves_the_parents_program_alone(hello):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    for _ in range(5):
        with record(b) as lines:
            code = "import os, sys; sys.exit(0)"
            if (pid := os.fork()) == 0:
                try:
                    b.close()
                    exec(code)
                finally:
                    os._exit(0)
            pids = run("/bin/true", times=5).pids
            os.waitpid(pid, 0)
        assert set(pids) <= {line.pid for line in lines.lines}


def test_maps_and_functions_of_an_unloaded_program_point_nowhere():
    b = BPF(text=COUNTER.replace("*p += 1", "if (p) *p += 1"))
    table, function = b["counter_table"], b.load_func("hello", BPF.TRACEPOINT)
    b.close()
    assert (table.map_fd, function.fd) == (-1, -1)


@pytest.mark.parametrize("name", [None, 5])
def test_a_map_is_asked_for_by_name(name):
    with pytest.raises(TypeError, match="by its name"):
        BPF(text=COUNTER)[name]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("// a\x0cb\nint hello(void *c) {\n  return zz;\n}\n", "line 3, column 10"),
        ("\nint hello(void *c) {\n  float f = 1.5; f *= (long)c; return f;\n}\n", "line 3"),
        (
            "\nBPF_HASH(none, u32, u32, 0);\nint hello(void *c) { return 0; }\n",
            "line 2: could not open bpf map: none",
        ),
        ("\nint hello(void *c) { return 0; }\n\udcff", "line 3"),
    ],
)
def test_every_error_about_the_source_names_a_line(text, message):
    with pytest.raises(CompileError, match=message):
        BPF(text=text)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("\nTRACEPOINT_PROBE(syscalls, sys_enter_chdri) { return 0; }\n", "sys_enter_chdir"),
        ("\nRAW_TRACEPOINT_PROBE(sys_entr) { return 0; }\n", "sys_enter"),
    ],
)
def test_a_probe_macro_with_an_unknown_hook_is_an_error_with_the_nearest_name(text, near):
    with pytest.raises((AttachError, CompileError), match=near):
        BPF(text=text)


def test_a_pattern_that_matches_nothing_is_an_error(hello):
    b = BPF(text=hello)
    with pytest.raises(AttachError, match="matched no hook"):
        b.attach_tracepoint("syscalls:sys_enter_execve", "hello")


def test_a_function_loads_anew_as_another_type(hello):
    b = BPF(text=hello)
    first = b.load_func("hello", BPF.TRACEPOINT).fd
    known = prog_id(first)
    b.load_func("hello", BPF.RAW_TRACEPOINT)
    assert not loaded(known)


def test_a_syntax_error_is_marked_in_the_learners_source():
    with pytest.raises(CompileError) as raised:
        BPF(text='\nint hello(void *ctx) {\n  bpf_trace_printk("Hello World!")\n  return 0;\n}\n')
    assert "line 3, column 35: expected ';'" in str(raised.value)
    assert "^" in str(raised.value) and "/virtual/main.c:3:35" in raised.value.log


def test_an_unknown_helper_is_a_compile_error():
    with pytest.raises(CompileError, match=r"line 3, column 3.*printf") as raised:
        BPF(text='\nint hello(void *ctx) {\n  printf("Hello World!");\n  return 0;\n}\n')
    assert "bpf_trace_printk" in raised.value.fix


def test_warnings_are_folded_away_but_kept(hello, capfd):
    b = BPF(text=hello.replace("return", "char c = 300; return"))
    assert "warning: implicit conversion from 'int' to 'char' changes value" in b.warnings
    assert capfd.readouterr().err == ""
    assert "1 warning in .warnings" in repr(b)


def test_debug_output_is_not_swallowed(hello, capfd):
    b = BPF(text=hello, debug=bcc.DEBUG_PREPROCESSOR | bcc.DEBUG_BPF)
    assert "bpf_trace_printk_" in capfd.readouterr().err
    b.load_func("hello", BPF.TRACEPOINT)
    assert "processed" in capfd.readouterr().err


@pytest.mark.parametrize("text", ["", "  \n\t\n", b""])
def test_an_empty_source_is_a_program_that_knows_the_names_of_system_calls(text):
    with BPF(text=text) as b:
        assert b.functions == [] and b.get_syscall_fnname("execve").endswith(b"sys_execve")


def test_a_source_that_is_no_str_is_a_type_error():
    with pytest.raises(TypeError, match="C source as a str"):
        BPF(text=5)
    with pytest.raises(TypeError, match="C source as a str"):
        BPF()


def test_a_nul_character_is_named_with_its_line(hello):
    with pytest.raises(CompileError, match="line 3"):
        BPF(text=hello.replace("World", "\0"))


def test_a_source_file_that_is_not_there_is_named():
    with pytest.raises(CompileError, match=r"nowhere\.c"):
        BPF(src_file="nowhere.c")


def test_600_bytes_of_stack_are_a_compile_error_and_python_lives_on():
    text = (
        "\nint hello(void *ctx) {\n  char b[600];\n  bpf_probe_read_kernel(b, 600, ctx);\n  return b[9];\n}\n"
    )
    with pytest.raises(CompileError, match=r"line 2.*BPF stack limit"):
        BPF(text=text)


def test_a_verifier_error_names_the_learners_line_and_the_fix():
    b = BPF(text=COUNTER)
    with pytest.raises(VerifierError, match="line 6") as raised:
        b.load_func("hello", BPF.TRACEPOINT)
    assert "map_value_or_null" in str(raised.value) and "NULL" in raised.value.fix
    assert "bpf_map_lookup_elem" in raised.value.log


def test_a_program_too_long_to_verify_gets_the_verdict_too(monkeypatch):
    monkeypatch.setattr(testload, "SECONDS", 120)  # other programs may keep the CPUs busy
    b = BPF(
        text="\nint hello(void *ctx) {\n  u64 t = 0;\n  while (bpf_ktime_get_ns()) t++;\n  return t;\n}\n"
    )
    with pytest.raises(VerifierError, match=r"(?s)line \d.*too large"):
        b.load_func("hello", BPF.TRACEPOINT)


def test_an_unverifiable_autoloaded_probe_leaves_nothing():
    probe = "\nTRACEPOINT_PROBE(syscalls, sys_enter_execve) {\n  return *(int *)args->filename;\n}\n"
    with pytest.raises(VerifierError, match="line 3"):
        BPF(text=probe)


def test_an_unknown_function_is_named_with_the_nearest(hello):
    with pytest.raises(LabError, match=r"no function named 'hallo'.*(?s:.)*'hello'"):
        BPF(text=hello).load_func("hallo", BPF.TRACEPOINT)


def test_an_unknown_map_is_named_with_the_nearest():
    with pytest.raises(MapError, match=r"no map named 'counter_tabel'(?s:.)*'counter_table'"):
        BPF(text=COUNTER)["counter_tabel"]


def test_a_type_of_program_that_the_kernel_rejects_is_an_error_with_the_kernels_log(hello):
    with pytest.raises(LabError, match="rejected hello as this type"):
        BPF(text=hello).load_func("hello", BPF.LSM)


@pytest.mark.parametrize("text", [HELLO, COUNTER], ids=["a program", "a map"])
def test_without_privileges_the_missing_capabilities_are_named(text):
    code = f"""
import ctypes
from ebpf_lab import BPF, PrivilegeError
BPF(text={HELLO!r}).close()
ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)())
try:
    BPF(text={text!r}).load_func("hello", BPF.TRACEPOINT)
except PrivilegeError as e:
    print(e)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "CAP_BPF and CAP_PERFMON" in done.stdout and "./lab" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("have", "use", "message"),
    [
        ("0", "b.load_func('hello', BPF.XDP)", "PrivilegeError.*lacks CAP_BPF and CAP_NET_ADMIN .*CAP_NET_ADMIN: to load"),
        ("1 << 39", "b.load_func('hello', BPF.TRACEPOINT)", "PrivilegeError.*lacks CAP_PERFMON .*trace"),
        ("1 << 39 | 1 << 38", "attach(b, tracepoint='sched:sched_process_exec', fn_name='hello')",
         "SetupError.*may not look into it"),
        ("1 << 39 | 1 << 38", "attach(b, syscall='execve', fn_name='hello')",
         "AttachError.*may not look into it.*Why: attaching needs .*CAP_DAC_READ_SEARCH"),
    ],
)  # fmt: skip
def test_each_missing_capability_is_named_with_what_it_is_for(have, use, message):
    code = f"""
import ctypes, os
from ebpf_lab import BPF, LabError, attach
b = BPF(text={HELLO!r})
libc, caps = ctypes.CDLL(None), {have}
libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS, linux/prctl.h
os.setresuid(23456, 23456, 23456)
low, high = caps & 0xFFFFFFFF, caps >> 32
libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0))
try:
    {use}
except LabError as e:
    print(type(e).__name__, e)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert re.search(message, done.stdout, re.S), done.stdout + done.stderr


def test_a_source_is_compiled_in_the_sandbox_once(hello, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tries = []
    real = sandbox.compile_sandboxed
    monkeypatch.setattr(sandbox, "compile_sandboxed", lambda *args: tries.append(args) or real(*args))
    text = hello.replace("World", "seen before")
    for _ in range(3):
        BPF(text=text)
    assert len(tries) == 1
    compile._compiled.clear()  # as in another process
    rejected = BPF(text=text.replace("return 0", "return *(int *)0xffff888000000000"))
    with pytest.raises(VerifierError, match="line 4"):
        rejected.load_func("hello", BPF.KPROBE)
    BPF(text=text)
    assert len(tries) == 2  # that of the other text
    compile._compiled.clear()
    again = BPF(text=rejected.source)
    with pytest.raises(
        VerifierError, match="line 4"
    ):  # the line information of a sandboxed compile is kept too
        again.load_func("hello", BPF.KPROBE)
    assert len(tries) == 2


def test_the_sandboxed_compile_of_root_is_not_used_for_another_user(hello, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for user in (0, 1000, 0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        compile.compile_sandboxed(hello.encode(), ())
    assert len(list(tmp_path.rglob("*/*"))) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="BCC reads the kernel's addresses as root only")
def test_the_sandboxed_compile_without_kernel_addresses_is_not_used_with_them(hello, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = f"from ebpf_lab.loading import compile; print(compile.compile_sandboxed({hello.encode()!r}, ()).rewritten)"
    drop = ["setpriv", "--bounding-set=-syslog", "--inh-caps=-syslog"]
    without, with_addresses = (
        subprocess.run(
            [*rights, sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for rights in (drop, [])
    )
    restricted = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text()) > 1
    assert ("bpf_probe_read_kernel bpf_probe_read" in without) == restricted
    assert "bpf_probe_read_kernel bpf_probe_read" not in with_addresses


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a network device")
def test_close_removes_an_xdp_program_from_its_device():
    subprocess.run(["ip", "link", "add", "ebpf0", "type", "veth", "peer", "name", "ebpf1"], check=True)
    try:
        b = BPF(text="\nint pass(struct xdp_md *ctx) { return XDP_PASS; }\n")
        b.attach_xdp("ebpf0", b.load_func("pass", BPF.XDP), BPF.XDP_FLAGS_SKB_MODE)
        assert "xdp" in _link("ebpf0")
        b.close()
        assert "xdp" not in _link("ebpf0")
    finally:
        subprocess.run(["ip", "link", "del", "ebpf0"], check=True)


def _link(device):
    return subprocess.run(["ip", "link", "show", device], capture_output=True, text=True, check=True).stdout


def test_a_killed_process_leaves_nothing_after_the_next_load(hello):
    code = f"""
import time
from ebpf_lab import BPF, attach, record, run
b = BPF(text={hello!r})
attach(b, syscall="execve", fn_name="hello")
with record(b) as lines:
    print(b.funcs[b"hello"].fd, flush=True)
    while True:
        run("/bin/true", times=100)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        fd = int(child.stdout.readline())
        known = int(fdinfo(child.pid, fd)["prog_id"])
        left = f"/sys/kernel/tracing/instances/ebpf_lab-{child.pid}-0"
        assert os.path.isdir(left)
        child.kill()
    until(lambda: not loaded(known))
    BPF(text=hello)  # Another test's load may have swept before.
    assert not os.path.isdir(left)


def test_privilege_error_is_a_permission_error():
    assert issubclass(PrivilegeError, PermissionError)
