from pathlib import Path

import pytest

from ebpf_lab import BPF, attach, check, exercises

ODD_EVEN = """
int hello(void *ctx) {
  u32 pid = bpf_get_current_pid_tgid() >> 32;
  if (pid & 1) bpf_trace_printk("odd"); else bpf_trace_printk("even");
  return 0;
}
"""


def test_a_solution_is_done_and_the_result_has_what_was_sent_and_seen():
    result = check("odd-even", ODD_EVEN)
    assert result and "24 processes" in result.sent and "'odd'" in result.saw
    assert repr(result).startswith("done: ") and "Done" in result._repr_html_()


def test_the_untouched_program_is_not_yet_a_solution(hello):
    result = check("odd-even", hello)
    assert not result and "the same message" in result.why
    assert repr(result).startswith("not yet: ") and "Not yet" in result._repr_html_()


def test_a_pid_in_a_message_does_not_make_it_another_message(hello):
    pid = hello.replace('"Hello World!"', '"pid %d", (u32)bpf_get_current_pid_tgid()')
    assert not check("odd-even", pid)


def test_a_program_that_prints_for_odd_pids_only_is_not_yet_a_solution():
    result = check("odd-even", ODD_EVEN.replace('else bpf_trace_printk("even");', ""))
    assert not result and ("nothing for pid" in result.why or "even pids got no message" in result.why)


def test_a_verdict_knows_its_exercise_and_leads_on_once_it_is_done(hello):
    done, not_yet = check("odd-even", ODD_EVEN), check("odd-even", hello)
    assert done.exercise == not_yet.exercise == "odd-even"
    assert done.next in repr(done) and "Next, if you like:" in done._repr_html_()
    assert done.next and not not_yet.next and "Next" not in not_yet._repr_html_()


def test_a_check_and_a_running_program_do_not_disturb_each_other(hello):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    assert not check("odd-even", hello)
    assert check("odd-even", ODD_EVEN)
    assert b.functions == ["hello"]


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("", "no function named"),
        ("\nint hello(", "CompileError"),
        ("\nint other(void *ctx) { return 0; }\n", "no function named 'hello'"),
        ("\nint hello(void *ctx) {\n  return *(int *)5;\n}\n", "VerifierError"),
        ("\nTRACEPOINT_PROBE(syscalls, sys_enter_chdri) { return 0; }\n", "sys_enter_chdir"),
        (None, "C source"),
        (b"\nint hello(void *ctx) { return 0; }\n", "C source"),
    ],
)
def test_a_program_that_fails_is_not_yet_a_solution_and_the_reason_is_given(program, why):
    result = check("odd-even", program)
    assert not result and why in result.why
    if program and why in ("CompileError", "VerifierError"):
        assert result.log


def test_an_unknown_exercise_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="odd-even"):
        check("even-odd", "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("sys_enter_chdir", "sys_enter_execve"), "names the folder"),
        (('"goes to %s", name', '"somebody goes"'), "names the folder"),
        (("TRACEPOINT_PROBE(syscalls, sys_enter_chdir)", "int hello(void *args_)"), "CompileError"),
    ],
)
def test_chdir_needs_its_hook_and_the_name_of_the_folder(change, why):
    solution = """
TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {
  char name[64];
  bpf_probe_read_user_str(name, sizeof(name), args->filename);
  bpf_trace_printk("goes to %s", name);
  return 0;
}
"""
    assert check("chdir", solution)
    result = check("chdir", solution.replace(*change))
    assert not result and why in result.why


def test_every_exercise_is_in_a_notebook_and_solved():
    notebooks = Path(__file__).parents[2] / "notebooks"
    for name in exercises.EXERCISES:
        for folder in (notebooks, notebooks / "solutions"):
            assert any(f'check(\\"{name}\\"' in path.read_text() for path in folder.glob("*.ipynb")), name


EVENTS = """
BPF_RINGBUF_OUTPUT(output, 16);
struct data_t { u32 pid; char message[12]; };
int hello(void *ctx) {
  struct data_t data = { .pid = bpf_get_current_pid_tgid() >> 32 };
  __builtin_memcpy(&data.message, "same", 5);
  output.ringbuf_output(&data, sizeof(data), 0);
  return 0;
}
"""
FILES = """
BPF_PERF_OUTPUT(output);
struct data_t { u32 pid; char name[64]; };
TRACEPOINT_PROBE(syscalls, sys_enter_openat) {
  struct data_t data = { .pid = bpf_get_current_pid_tgid() >> 32 };
  bpf_probe_read_user_str(&data.name, sizeof(data.name), args->filename);
  output.perf_submit(args, &data, sizeof(data));
  return 0;
}
"""
ROOMY = """
BPF_RINGBUF_OUTPUT(output, PAGES);
struct event { u64 time; u32 cpu; char text[28]; };
int burst(struct __sk_buff *skb) {
  struct event event = {bpf_ktime_get_ns(), bpf_get_smp_processor_id(), "Hello World"};
  output.ringbuf_output(&event, sizeof(event), 0);
  return 0;
}
"""


def test_messages_in_a_buffer_are_told_apart_too():
    assert "the same message" in check("odd-even-events", EVENTS).why
    two = '  if (data.pid % 2) __builtin_memcpy(&data.message, "odd", 4);\n  else __builtin_memcpy(&data.message, "even", 5);'
    assert check("odd-even-events", EVENTS.replace('  __builtin_memcpy(&data.message, "same", 5);', two))


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (EVENTS.replace("BPF_RINGBUF_OUTPUT(output, 16)", "BPF_HASH(output, u64, u64)").replace(
            "output.ringbuf_output(&data, sizeof(data), 0);", ""), "no perf or ring buffer"),
        (EVENTS.replace("message", "text"), "no field message; they have: pid, text"),
        (EVENTS.replace("output", "events", 1), "CompileError"),
        (EVENTS.replace("hello", "bye"), "no function named 'hello'"),
    ],
)  # fmt: skip
def test_a_buffer_of_another_kind_is_not_yet_a_solution_and_the_reason_is_given(program, why):
    assert why in check("odd-even-events", program).why


def test_the_opened_files_are_found_by_name():
    assert check("opened-files", FILES)
    assert "no event of pid" in check("opened-files", FILES.replace("bpf_probe_read_user_str", "//")).why
    assert "attached to nothing" in check("opened-files", EVENTS.replace("message", "name")).why


@pytest.mark.parametrize(
    ("pages", "done", "why"),
    [(16, False, "found no room"), (32, True, "room for all"), (64, False, "half of the ring")],
)
def test_the_ring_that_never_loses_is_neither_too_small_nor_too_large(pages, done, why):
    result = check("never-lose", ROOMY.replace("PAGES", str(pages)))
    assert bool(result) == done and why in result.why


DISPATCH = """
#include <uapi/linux/ptrace.h>
BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);
BPF_RINGBUF_OUTPUT(output, 16);
struct event { u32 pid; char name[64]; };
HEAD {
  u32 number = ctx->args[1], uid = bpf_get_current_uid_gid();
  if (uid != WATCHED) return 0;
  syscall.call(ctx, number);
  jumps.atomic_increment(512);
  return 0;
}
int hello_exec(struct bpf_raw_tracepoint_args *ctx) {
  u32 number = ctx->args[1];
  jumps.atomic_increment(number);
  return 0;
}
int hello_chdir(struct bpf_raw_tracepoint_args *ctx) {
  u32 number = ctx->args[1];
  struct event event = {bpf_get_current_pid_tgid() >> 32};
  struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
  const char *folder;
  bpf_probe_read_kernel(&folder, sizeof(folder), &PT_REGS_PARM1(regs));
  bpf_probe_read_user_str(&event.name, sizeof(event.name), folder);
  output.ringbuf_output(&event, sizeof(event), 0);
  jumps.atomic_increment(number);
  return 0;
}
"""
EXPLICIT = DISPATCH.replace("HEAD", "int hello(struct bpf_raw_tracepoint_args *ctx)")
PROBE = DISPATCH.replace("HEAD", "RAW_TRACEPOINT_PROBE(sys_enter)")


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "program", "done", "why"),
    [
        ("probe", PROBE, True, "each execve is a jump"),
        ("probe", EXPLICIT, False, "not attached to the raw tracepoint"),
        ("probe", PROBE.replace("WATCHED", "WATCHED + 1"), False, "not each execve of the watched user"),
        ("probe", PROBE.replace("hello_exec", "other"), False, "no function named 'hello_exec'"),
        ("own-target", EXPLICIT, True, "jumps to your target"),
        ("own-target", EXPLICIT.replace("folder);", "folder + 1);"), False, "not each folder was sent"),
        ("own-target", EXPLICIT.replace("jumps.atomic_increment(number)", ""), False, "not each of the 15 chdir"),
        ("own-target", EXPLICIT.replace("output.ringbuf_output(&event, sizeof(event), 0);", ""), False, "no function sends"),
    ],
)  # fmt: skip
def test_a_dispatcher_is_a_solution_only_if_each_call_is_a_jump(name, program, done, why):
    result = check(name, program)
    assert bool(result) == done and why in result.why
