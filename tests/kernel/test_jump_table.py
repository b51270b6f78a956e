"""Program arrays, and what jump_table() reads of them."""

import ctypes as ct
import json
import os
import subprocess

import pytest

from ebpf_lab import BPF, MapError, UnloadedError, attach, run, to_frame
from ebpf_lab.inspect.jump_table import jump_table
from ebpf_lab.kernel.syscalls import syscall_nr

UID = 54_321
# Counts what one user's processes do. execve is what they do once each, close what they do more often.
PROGRAM = """
BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);
static void count(u64 slot) { jumps.atomic_increment(slot); }
int hello(struct bpf_raw_tracepoint_args *ctx) {
  if ((u32)bpf_get_current_uid_gid() != 54321) return 0;
  u32 nr = ctx->args[1];
  syscall.call(ctx, nr);
  count(512);
  return 0;
}
int hello_exec(struct bpf_raw_tracepoint_args *ctx) { count(ctx->args[1]); return 0; }
int hello_more(struct bpf_raw_tracepoint_args *ctx) { count(ctx->args[1]); return 0; }
int other_type(void *ctx) { return 0; }
"""
# The truth, without any jump: every system call of that user, by its number.
EVERY = """
BPF_ARRAY(seen, u64, 512);
int every(struct bpf_raw_tracepoint_args *ctx) {
  if ((u32)bpf_get_current_uid_gid() == 54321) seen.atomic_increment(ctx->args[1]);
  return 0;
}
"""


@pytest.fixture
def b():
    return BPF(text=PROGRAM)


def load(b, name="hello_exec"):
    return b.load_func(name, BPF.RAW_TRACEPOINT)


def without_counts(text=PROGRAM):
    return text.replace("BPF_ARRAY(jumps, u64, 513);", "").replace("jumps.atomic_increment(slot);", "")


def test_an_empty_program_array_has_no_slots(b):
    assert jump_table(b["syscall"]) == ("syscall", ["hello"], 512, {}, {}, 0)


def test_the_counts_of_a_known_workload_are_exact(b):
    execve, close, mmap = map(syscall_nr, ("execve", "close", "mmap"))
    b["syscall"][execve] = load(b)
    b["syscall"][close] = b["syscall"][mmap] = load(b, "hello_more")
    truth = BPF(text=EVERY, keep=True)
    attach(truth, raw_tracepoint="sys_enter", fn_name="every")
    attach(b, raw_tracepoint="sys_enter", fn_name="hello")
    run("/bin/true", times=23, uid=UID)
    table = jump_table(b["syscall"])
    seen = to_frame(truth["seen"]).value
    assert table.slots == {execve: "hello_exec", close: "hello_more", mmap: "hello_more"}
    assert table.jumps == {slot: seen[slot] for slot in table.slots}
    assert table.jumps[execve] == 23
    assert table.empty == seen.sum() - sum(table.jumps.values())


def test_per_cpu_counts_are_added_up():
    b = BPF(text=PROGRAM.replace("BPF_ARRAY(jumps", "BPF_PERCPU_ARRAY(jumps").replace("atomic_", ""))
    b["syscall"][syscall_nr("execve")] = load(b)
    attach(b, raw_tracepoint="sys_enter", fn_name="hello")
    run("/bin/true", times=23, uid=UID, parallel=True)
    assert jump_table(b["syscall"]).jumps == {syscall_nr("execve"): 23}


def test_without_a_map_named_jumps_nothing_is_counted():
    b = BPF(text=without_counts())
    b["syscall"][7] = load(b)
    assert jump_table(b["syscall"])[3:] == ({7: "hello_exec"}, None, None)


def test_a_slot_beyond_the_end_of_the_map_of_counts_is_not_counted():
    b = BPF(text=PROGRAM.replace("jumps, u64, 513", "jumps, u64, 10"))
    b["syscall"][7] = b["syscall"][10] = load(b)
    table = jump_table(b["syscall"])
    assert table.jumps == {7: 0, 10: None} and table.empty is None
    b = BPF(text=PROGRAM.replace("jumps, u64, 513", "jumps, u64, 512"))
    assert jump_table(b["syscall"]).empty is None


@pytest.mark.parametrize(
    "wrong",
    ["BPF_HASH(jumps);", "BPF_PERF_OUTPUT(jumps);", "struct two { u64 a, b; }; BPF_ARRAY(jumps, struct two, 513);"],
)  # fmt: skip
def test_a_map_of_counts_of_another_kind_is_an_error_with_its_fix(wrong):
    b = BPF(text=without_counts() + wrong)
    with pytest.raises(
        MapError, match=r"(?s)map named jumps.*Fix: declare it so: BPF_ARRAY\(jumps, u64, slots \+ 1\)"
    ):
        jump_table(b["syscall"])


def test_dispatchers_are_found_in_the_bytecode_not_in_the_source():
    b = BPF(
        text="""
#define TABLE(name) BPF_PROG_ARRAY(name, 8)
TABLE(first);
TABLE(second);
static int jump(void *ctx) { first.call(ctx, 3); return 0; }
RAW_TRACEPOINT_PROBE(sys_enter) { return jump(ctx); }
RAW_TRACEPOINT_PROBE(sys_exit) { first.call(ctx, 1); second.call(ctx, 2); return 0; }
int none(void *ctx) { /* first.call(ctx, 1) */ return 0; }
"""
    )
    enter, exit = "raw_tracepoint__sys_enter", "raw_tracepoint__sys_exit"
    assert sorted(jump_table(b["first"]).dispatchers) == [enter, exit]
    assert jump_table(b["second"]).dispatchers == [exit]


def test_programs_of_another_bpf_object_have_names_too(b):
    other = BPF(text="int from_elsewhere(void *ctx) { return 0; }\nint hello_exec(void *ctx) { return 0; }", keep=True)  # fmt: skip
    table = b["syscall"]
    table[1], table[2], table[3] = load(other, "from_elsewhere"), load(b), load(other, "hello_exec")
    assert jump_table(table).slots == {
        1: "from_elsewhere",
        2: f"hello_exec (id {table[2].value})",
        3: f"hello_exec (id {table[3].value})",
    }
    other.close()
    assert jump_table(table).slots[1] == "from_elsewhere"  # its slot keeps it in the kernel


def test_a_slot_that_was_filled_as_in_the_book_is_the_same(b):
    b["syscall"][ct.c_int(59)] = ct.c_int(load(b).fd)  # as the book writes it
    assert jump_table(b.get_table("syscall")).slots == {59: "hello_exec"}


def test_a_slot_keeps_its_program_in_the_kernel(b):
    b["syscall"][5] = load(b)
    id = b["syscall"][5].value
    os.close(b.funcs.pop(b"hello_exec").fd)
    assert loaded(id)["name"] == "hello_exec"
    assert jump_table(b["syscall"]).slots == {5: f"program id {id}"}
    del b["syscall"][5]
    assert not loaded(id)


def loaded(id):
    """What bpftool shows of the program with that id; None where there is none."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show", "id", str(id)], capture_output=True, check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def test_a_slot_is_emptied_and_filled_again_while_it_runs(b):
    table, execve = b["syscall"], syscall_nr("execve")
    table[execve] = load(b)
    attach(b, raw_tracepoint="sys_enter", fn_name="hello")
    counts = []
    for times in (23, 7, 11):
        run("/bin/true", times=times, uid=UID)
        counts.append(to_frame(b["jumps"]).value[execve])
        if times == 23:
            del table[execve]
            assert jump_table(table).slots == {} and execve not in table
        else:
            table[execve] = load(b, "hello_more")
            assert jump_table(table).slots == {execve: "hello_more"}
    assert counts == [23, 23, 34]


def test_reading_an_empty_slot_is_an_error(b):
    with pytest.raises(MapError, match=r"Slot 7 of this program array is empty"):
        b["syscall"][7]
    with pytest.raises(MapError, match=r"Slot 7 of this program array is empty"):
        del b["syscall"][7]


@pytest.mark.parametrize("slot", [512, -1, ct.c_int(512)])
def test_a_slot_beyond_the_end_is_an_error_that_names_the_last_one(b, slot):
    for use in (lambda: b["syscall"][slot], lambda: b["syscall"].__setitem__(slot, load(b))):
        with pytest.raises(MapError, match=r"(?s)it has 512: 0 to 511.*BPF_PROG_ARRAY"):
            use()


@pytest.mark.parametrize("slot", ["execve", None, 1.5, slice(2)])
def test_a_slot_is_a_number(b, slot):
    with pytest.raises(TypeError, match="a number"):
        b["syscall"][slot] = load(b)


def test_a_program_of_another_type_is_an_error_with_its_fix(b):
    b["syscall"][1] = load(b)
    with pytest.raises(MapError, match=r"(?s)slot 2: Invalid argument.*programs of one type only"):
        b["syscall"][2] = b.load_func("other_type", BPF.KPROBE)


@pytest.mark.parametrize("program", ["hello_exec", None, b"hello_exec", 1.5])
def test_only_a_program_can_be_put_into_a_slot(b, program):
    with pytest.raises(TypeError, match=r"b\.load_func"):
        b["syscall"][1] = program


def test_a_file_descriptor_of_no_program_is_an_error_with_its_fix(b):
    for fd in (-1, 10_000, b["jumps"].map_fd):
        with pytest.raises(MapError, match=r"(?s)rejected this program for slot 1.*load"):
            b["syscall"][1] = fd


def test_a_program_array_of_a_closed_program_is_an_error(b):
    table, function = b["syscall"], load(b)
    b.close()
    for use in (
        lambda: table[1],
        lambda: table.__setitem__(1, function),
        lambda: table.__delitem__(1),
        lambda: jump_table(table),
    ):
        with pytest.raises(UnloadedError, match=r"b\.close\(\)"):
            use()


def test_a_function_of_a_closed_program_cannot_be_put_into_a_slot(b):
    other = BPF(text="int gone(void *ctx) { return 0; }", keep=True)
    function = load(other, "gone")
    other.close()
    with pytest.raises(UnloadedError, match="not in the kernel any more"):
        b["syscall"][1] = function


@pytest.mark.parametrize("source", [None, 5, "syscall"])
def test_only_a_program_array_has_a_jump_table(source):
    with pytest.raises(TypeError, match="a program array"):
        jump_table(source)


def test_an_ordinary_array_has_no_jump_table(b):
    with pytest.raises(TypeError, match="not Array"):
        jump_table(b["jumps"])
