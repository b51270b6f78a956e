"""watch() of a program array: what it shows of a known workload."""

import time
from itertools import pairwise

import pytest
from helpers import until

from ebpf_lab import BPF, MapError, attach, run, watch
from ebpf_lab.kernel.syscalls import syscall_nr
from ebpf_lab.views import jumps as jump_view
from ebpf_lab.views.live import SHARE

UID = 54_322
PROGRAM = """
BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);
static void count(u64 slot) { jumps.atomic_increment(slot); }
int hello(struct bpf_raw_tracepoint_args *ctx) {
  if ((u32)bpf_get_current_uid_gid() != 54322) return 0;
  u32 nr = ctx->args[1];
  syscall.call(ctx, nr);
  count(512);
  return 0;
}
int hello_exec(struct bpf_raw_tracepoint_args *ctx) { count(ctx->args[1]); return 0; }
int hello_more(struct bpf_raw_tracepoint_args *ctx) { count(ctx->args[1]); return 0; }
"""
EXECVE = syscall_nr("execve")


@pytest.fixture
def b():
    return BPF(text=PROGRAM)


def load(b, name="hello_exec"):
    return b.load_func(name, BPF.RAW_TRACEPOINT)


def row(view, slot):
    return next((row for row in view.shown["rows"] if row[0] == str(slot)), None)


def set_count(b, slot, count):
    b["jumps"][slot] = b["jumps"].Leaf(count)


def stopped(b, key=None):
    """A view that only looks when it is told to."""
    view = watch(b["syscall"], key=key)
    view.running = False
    return view


def test_jumps_arrive_while_it_is_watched(b):
    b["syscall"][EXECVE], b["syscall"][syscall_nr("timer_create")] = load(b), load(b, "hello_more")
    view = watch(b["syscall"])
    attach(b, raw_tracepoint="sys_enter", fn_name="hello")
    run("/bin/true", times=23, uid=UID)
    until(lambda: row(view, EXECVE)[:3] == [str(EXECVE), "execve", "23"])
    assert row(view, syscall_nr("timer_create"))[1:3] == ["timer_create", "0"]
    assert view.shown["dispatchers"] == ["hello"] and view.shown["targets"] == ["hello_exec", "hello_more"]
    assert view.shown["filled"] == "2 of 512 slots filled"
    empty = b["jumps"][512].value
    assert empty > 23
    until(lambda: view.shown["empty"][1:3] == ["empty slots", f"{empty:,}"])
    until(lambda: f"Slot {EXECVE} (execve) to hello_exec: 23 jumps, last jump." in view.shown["alt"])


def test_the_last_jump_is_lit_until_the_next_one(b):
    b["syscall"][EXECVE], b["syscall"][3] = load(b), load(b, "hello_more")
    set_count(b, 3, 7)
    view = stopped(b)
    lit = lambda: [row[0] for row in view.shown["rows"] if row[4]]  # noqa: E731
    assert lit() == []  # what was counted before the first look was not seen to happen
    for slot, count in ((3, 8), (EXECVE, 5)):
        set_count(b, slot, count)
        view.look()
        assert lit() == [str(slot)] and not view.shown["empty"][4]
    set_count(b, 512, 1)
    view.look()
    assert lit() == [str(EXECVE)] and view.shown["empty"][4]
    view.look()
    assert lit() == [str(EXECVE)] and not view.shown["empty"][4]


def test_the_change_in_the_last_second_is_shown(b):
    b["syscall"][3] = load(b)
    set_count(b, 3, 100)
    view = stopped(b)
    view._rate.past.clear()
    view._rate.past.append((time.monotonic() - 1, {3: 100, jump_view.EMPTY: 0}))
    set_count(b, 3, 150)
    view.look()
    assert int(row(view, 3)[3]) in range(40, 51)


def test_slots_are_emptied_and_filled_again_while_it_is_watched(b):
    b["syscall"][3] = load(b)
    view = watch(b["syscall"])
    set_count(b, 3, 7)
    until(lambda: row(view, 3)[2] == "7")
    del b["syscall"][3]
    until(lambda: row(view, 3) is None)
    b["syscall"][3] = load(b, "hello_more")
    until(lambda: row(view, 3))
    assert view.shown["targets"] == ["hello_more"] and row(view, 3)[2] == "7"
    assert not row(view, 3)[4]  # it was hello_exec that the last jump went to


def test_slots_filled_by_others_are_seen_too(b):
    view = watch(b["syscall"])
    b.get_table("syscall")[9] = load(b)  # not the object that the view has
    until(lambda: row(view, 9))


def test_an_empty_table_says_how_a_slot_is_filled(b):
    view = watch(b["syscall"])
    assert view.shown["hint"] == 'no slot is filled yet: calls[syscall_nr("execve")] = b.load_func(...)'
    assert view.shown["hint"] in repr(view) and view.shown["hint"] in view.shown["alt"]
    b["syscall"][3] = load(b)
    until(lambda: not view.shown["hint"])


def test_the_twenty_with_the_largest_counts_in_the_order_of_their_slots(b):
    for slot in range(25):
        b["syscall"][slot] = load(b)
        set_count(b, slot, 1000 - slot if slot >= 3 else 0)
    view = watch(b["syscall"])
    assert [row[0] for row in view.shown["rows"]] == [str(slot) for slot in range(3, 23)]
    assert view.shown["more"] == "and 5 more" and "and 5 more" in repr(view)


@pytest.mark.parametrize(
    "old, new, named",
    [
        ("syscall", "syscall", True),
        ("syscall", "table", True),  # by the variable: nr
        ("nr", "opcode", True),
        ("syscall.call(ctx, nr)", "table.call(ctx, (int)syscall_id)", True),
        ("syscall.call(ctx, nr)", "table.call(ctx, 3)", False),
        ("nr", "slot_number", False),
    ],
)
def test_slots_are_system_calls_where_the_program_says_so(old, new, named):
    text = PROGRAM.replace("int hello(", "int to(").replace(old, new).replace("u32 nr", "u32 syscall_id, nr")
    if "table" in new or not named:
        text = text.replace("(syscall,", "(table,").replace("syscall.call", "table.call")
    b = BPF(text=text.replace("u32 syscall_id, nr = ", "u32 nr = ctx->args[1], syscall_id = "))
    name = "table" if "table" in text else "syscall"
    b[name][EXECVE] = load(b)
    assert watch(b[name]).shown["rows"][0][1] == ("execve" if named else "")


def test_the_key_can_be_named(b):
    b["syscall"][3] = load(b)
    view = watch(b["syscall"], key="opcode")
    assert (
        view.shown["heads"][:2] == ["opcode", ""] and "Opcode 3 to hello_exec: 0 jumps." in view.shown["alt"]
    )
    assert watch(b["syscall"]) is view
    assert watch(b["syscall"], key="syscall").shown["heads"][:2] == ["slot", "system call"]


def test_without_a_map_named_jumps_it_says_what_to_add():
    text = PROGRAM.replace("BPF_ARRAY(jumps, u64, 513);", "").replace("jumps.atomic_increment(slot);", "")
    b = BPF(text=text)
    b["syscall"][3] = load(b)
    view = watch(b["syscall"])
    assert row(view, 3)[2:5] == ["not counted", "", False] and view.shown["empty"][2] == "not counted"
    assert "BPF_ARRAY(jumps, u64, 513)" in view.shown["note"] and "not counted" in view.shown["alt"]


def test_empty_slots_that_no_entry_is_left_for_are_not_counted():
    b = BPF(text=PROGRAM.replace("u64, 513", "u64, 512"))
    b["syscall"][3] = load(b)
    view = watch(b["syscall"])
    assert row(view, 3)[2] == "0" and view.shown["empty"][2] == "not counted"
    assert "BPF_ARRAY(jumps, u64, 513)" in view.shown["note"]


def test_counts_of_another_kind_are_an_error():
    b = BPF(text=PROGRAM.replace("BPF_ARRAY(jumps, u64, 513)", "BPF_HASH(jumps)"))
    with pytest.raises(MapError, match="map named jumps"):
        watch(b["syscall"])


def test_the_text_form(b):
    b["syscall"][3], b["syscall"][EXECVE] = load(b, "hello_more"), load(b)
    view = stopped(b)
    set_count(b, EXECVE, 1234)
    view.look()
    assert view._repr_mimebundle_()[0]["text/plain"] == repr(view)
    assert repr(view).splitlines() == [
        "syscall: 2 of 512 slots filled; dispatcher: hello",
        "slot  system call  jumps  per second  program",
        "   3  close            0           0  hello_more",
        f"  {EXECVE}  execve       1,234    {view.shown['rows'][1][3]:>8}  hello_exec  ● last jump",
        "      empty slots      0           0  no jump",
    ]


def test_the_alt_text_changes_at_most_once_a_second_while_it_runs(b):
    b["syscall"][3] = load(b)
    view = stopped(b)
    assert view.shown["alt"].endswith("Slot 3 (close) to hello_exec: 0 jumps. Empty slots: 0.")
    changes = []
    view.observe(lambda change: changes.append((time.monotonic(), change["new"]["alt"])), "shown")
    view.running = True
    for count in range(1, 26):
        set_count(b, 3, count)
        time.sleep(0.1)
    until(lambda: "25 jumps" in view.shown["alt"])
    spoken = [now for n, (now, alt) in enumerate(changes) if n and alt != changes[n - 1][1]]
    assert len(changes) > 10 and all(b - a > 0.9 for a, b in pairwise(spoken))


def test_looking_costs_a_small_share_of_a_core(b):
    b["syscall"][3] = load(b)
    view = stopped(b)
    started = time.thread_time()
    for _ in range(20):  # what it does in two seconds
        view.look()
    assert (time.thread_time() - started) / 2 < SHARE


def test_stop_and_start(b):
    view = stopped(b)
    b["syscall"][3] = load(b)
    assert not view.shown["running"] and view._thread is None
    view.running = True
    until(lambda: row(view, 3))


def test_it_ends_with_its_program_and_keeps_what_it_shows(b):
    b["syscall"][3] = load(b)
    view = watch(b["syscall"])
    b.close()
    assert view.ended and view.shown["note"] == "Ended: the program was unloaded." and row(view, 3)
    assert "Ended" in repr(view)


def test_watching_a_program_array_again_gives_the_same_view(b):
    assert watch(b["syscall"]) is watch(b["syscall"])
