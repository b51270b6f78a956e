"""look() against bpftool's dump of the same program, objdump, and known numbers of runs."""

import ctypes as ct
import json
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from itertools import groupby, pairwise
from mmap import PAGESIZE
from pathlib import Path

import nbformat
import pytest

from ebpf_lab import BPF, LabError, UnloadedError, attach
from ebpf_lab.inspect.bytecode import instructions
from ebpf_lab.inspect.program import look
from ebpf_lab.kernel import proginfo
from ebpf_lab.kernel.syscalls import bpf

ROOT = Path(__file__).parents[2]
MANY = """
BPF_HASH(numbers);
BPF_ARRAY(slots, u64, 3);
BPF_PERCPU_ARRAY(mine, u64, 2);
BPF_RINGBUF_OUTPUT(events, 4);
BPF_PROG_ARRAY(calls, 300);

int hello(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  int one = 1;
  u64 *p = numbers.lookup(&uid);
  if (p != 0)
    *p /= 3;
  p = slots.lookup(&one);
  if (p != 0)
    __sync_fetch_and_add(p, 1);
  p = mine.lookup(&one);
  if (p != 0)
    *p += bpf_get_smp_processor_id();
  events.ringbuf_output(&uid, sizeof(uid), 0);
  char name[16];
  bpf_get_current_comm(name, sizeof(name));
  bpf_trace_printk("%s %d", name, -one);
  calls.call(ctx, one);
  return 0;
}
"""
JUMPS = """
BPF_PROG_ARRAY(calls, 10);
int hello(void *ctx) { calls.call(ctx, 3); return 0; }
int target(void *ctx) { return 0; }
int other(void *ctx) { return 0; }
"""


def notebooks():
    """The programs of the notebooks, by name and place; those of the solutions take a minute more."""
    for path in sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb")):
        marks = [pytest.mark.long] if path.parent.name == "solutions" else []
        for cell in nbformat.read(path, as_version=4).cells:
            if magic := re.match(r"%%bpf (\w+)\n", cell.source):
                yield pytest.param(
                    "\n" + cell.source[magic.end() :], id=f"{path.stem}-{magic[1]}", marks=marks
                )


def load(b, name):
    return b.load_func(name, BPF.TRACEPOINT if name.startswith("tracepoint__") else BPF.RAW_TRACEPOINT)


def bpftool(fd, verb, *options):
    command = ["bpftool", *verb.split(), "id", str(proginfo.of_program(fd).id), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def dumped(fd):
    """{place: (text, line of BCC's rewriting, that line's text)}, by bpftool; helpers without their numbers.

    bpftool before 7.5 shows the address of this CPU's data as r0 = r0, which the kernel's disasm.c does not.
    """
    found, lineno, quoted = {}, 0, ""
    for line in bpftool(fd, "prog dump xlated", "linum").splitlines():
        if said := re.match(r"; (.*) \[file:.*main\.c line_num:(\d+) ", line):
            quoted, lineno = said[1], int(said[2])
        elif line.startswith("; "):
            lineno, quoted = 0, ""
        elif one := re.match(r"\s*(\d+): \(..\) (.*)$", line):
            text = re.sub(r"^(r\d) = \1$", r"\1 = &(void __percpu *)(\1)", re.sub(r"#-?\d+$", "", one[2]))
            found[one[1]] = text, lineno, quoted.strip()
    return found


@pytest.mark.corpus
@pytest.mark.parametrize("text", [pytest.param(MANY, id="many"), *notebooks()])
def test_every_instruction_and_its_line_are_those_that_bpftool_shows(text):
    try:
        b = BPF(text=text, cflags=["-DWATCHED=1"])  # chapter 4's programs are given it
        functions = {name: load(b, name) for name in b.functions}
    except LabError:
        pytest.skip("a program that the notebook shows for its error, or that needs more than its text")
    for name, function in functions.items():
        expected, seen = dumped(function.fd), look(b, name).bytecode
        addresses = {
            row.place
            for pair in pairwise(seen)
            if re.fullmatch(r"r\d = r10", pair[0].text) and re.fullmatch(r"r\d \+= -\d+", pair[1].text)
            for row in pair
        }
        assert {row.place: row.text for row in seen} == {place: one[0] for place, one in expected.items()}
        source = [line.strip() for line in b.source.split("\n")]
        for row, following in zip(seen, [*seen[1:], seen[-1]], strict=True):
            _, lineno, quoted = expected[row.place]
            if (
                lineno and source.count(quoted) == 1 and row.place not in addresses
            ):  # BCC left the line as it was
                early = re.fullmatch(r"[rw]\d = (-?\d+|0x[0-9a-f]+)", row.text) and row.line == following.line
                assert early or row.line == source.index(quoted) + 1, row
        assert all(row.line for row in seen)


@pytest.fixture
def many():
    b = BPF(text=MANY)
    b.load_func("hello", BPF.RAW_TRACEPOINT)
    return b


def comments_of(seen, text):
    return [row.comment for row in seen.bytecode if row.text.startswith(text)]


def lines_of(rows, text):
    return {row.line for row in rows if text in row.text}


def lineno(text):
    return next(n for n, line in enumerate(MANY.split("\n"), 1) if text in line)


def test_lines_that_bcc_rewrote_have_the_learners_line_numbers(many):
    seen = look(many, "hello")
    assert lines_of(seen.bytecode, "call bpf_ringbuf_output") == {lineno("events.ringbuf_output")}
    assert lines_of(seen.bytecode, "call bpf_trace_printk") == {lineno("bpf_trace_printk")}
    assert lines_of(seen.bytecode, "call bpf_tail_call") == {lineno("calls.call")}
    assert lines_of(seen.bytecode, "lock ") == {lineno("__sync_fetch_and_add")}
    maps = {row.comment: row.line for row in seen.bytecode if row.comment.startswith("the map ")}
    assert maps == {
        "the map numbers": lineno("numbers.lookup"),
        "the map slots": lineno("slots.lookup"),
        "the map mine": lineno("mine.lookup"),
        "the map events": lineno("events.ringbuf"),
        "the map calls": lineno("calls.call"),
    }


def test_calls_jumps_and_the_verifiers_own_instructions_have_comments(many):
    seen = look(many, "hello")
    assert comments_of(seen, "call bpf_trace_printk") == ["helper number 6"]
    assert comments_of(seen, "call bpf_tail_call") == ["helper number 12"]
    assert "jump to " in comments_of(seen, "if r")[0] and "atomic" in comments_of(seen, "lock")[0]
    # The kernel chooses how a map is looked up; but each of the three names that helper.
    assert sum("bpf_map_lookup_elem" in f"{row.text} {row.comment}" for row in seen.bytecode) == 3


def test_the_programs_own_instructions_are_not_ascribed_to_the_verifier(many):
    own = [row for row in look(many, "hello").bytecode if "put in by the verifier" not in row.comment]
    assert len(own) == len(instructions(many.dump_func("hello"))) - sum(
        "in place of a call" in row.comment for row in look(many, "hello").bytecode
    )
    looked_up = lineno("numbers.lookup") + 1  # its "if (p != 0)"
    assert [row.text.split(" goto")[0] for row in own if row.line == looked_up] == ["if r0 == 0x0"]


def test_the_machine_code_is_disassembled_as_objdump_does_it(many, tmp_path):
    cpu = {"x86_64": ["-m", "i386:x86-64", "-M", "intel"], "aarch64": ["-m", "aarch64"]}[platform.machine()]
    if not shutil.which("objdump"):
        pytest.skip("no objdump here")
    ((_, code),), file = proginfo.Program(many.funcs[b"hello"].fd).jited, tmp_path / "code"
    file.write_bytes(code)
    command = ["objdump", "-D", "-b", "binary", *cpu, file]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    expected = re.findall(r"^ +([0-9a-f]+):\t(?:[0-9a-f]{2,8} )+ *\t([\w.]+)", said, re.M)
    assert [(row.place, row.text.split()[0]) for row in look(many, "hello").machine] == expected


def test_machine_code_belongs_to_the_line_of_its_bytecode(many):
    seen = look(many, "hello")
    bytecode, machine = (
        [line for line, _ in groupby(row.line for row in rows)] for rows in (seen.bytecode, seen.machine)
    )
    assert machine == bytecode


def test_sizes_and_maps_are_those_that_bpftool_shows(many):
    facts = dict(look(many, "hello").facts)
    shown = json.loads(bpftool(many.funcs[b"hello"].fd, "-j prog show"))
    assert facts["program"] == f"raw_tracepoint, id {shown['id']}"
    assert f" {shown['bytes_xlated']} bytes; before" in facts["bytecode"]
    assert facts["machine code"] == f"{shown['bytes_jited']} bytes"
    assert len(shown["map_ids"]) == facts["maps"].count("(") == 5
    assert (
        f"events (ringbuf, {4 * PAGESIZE:,} bytes)" in facts["maps"]
        and "slots (array, 3 entries)" in facts["maps"]
    )
    assert facts["runs"].startswith("0 (counted since ")


def test_runs_are_counted_from_the_first_look_on():
    b = BPF(text="\nint hello(void *ctx) { return 0; }\n")
    hook = attach(b, syscall="getpriority", fn_name="hello")
    before = runs_of(b, "hello")
    for _ in range(23):
        os.getpriority(0, 0)
    after = runs_of(b, "hello")
    assert hook and re.fullmatch(r"0 \(counted since [\d:]{8}\)", before)
    counted = re.fullmatch(r"(\d+), on average [\d,]+ ns each \(counted since ([\d:]{8})\)", after)
    assert int(counted[1]) >= 23 and counted[2] in before
    assert int(counted[1]) <= json.loads(bpftool(b.funcs[b"hello"].fd, "-j prog show"))["run_cnt"]


def test_a_function_reached_by_tail_call_is_reported_as_not_counted():
    b = BPF(text=JUMPS)
    b["calls"][3] = b.load_func("target", BPF.RAW_TRACEPOINT)
    b.load_func("other", BPF.RAW_TRACEPOINT)
    attach(b, raw_tracepoint="sys_enter", fn_name="hello")
    runs_of(b, "hello")
    os.getpriority(0, 0)
    assert int(runs_of(b, "hello").partition(",")[0]) > 0
    assert runs_of(b, "target") == "not counted by the kernel: reached by tail call"
    assert runs_of(b, "other").startswith("0 (counted since ")


def runs_of(b, name):
    return dict(look(b, name).facts)["runs"]


def test_the_setting_of_statistics_stays_and_counting_ends_with_the_program(many):
    setting = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = setting.read_text()
    look(many, "hello")
    look(many, "hello")
    counting = [os.readlink(fd) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    assert setting.read_text() == before and sum("bpf-stats" in link for link in counting) == 1
    many.close()  # the descriptor goes with it: nothing_left_behind looks


WITHOUT = """
import sys
from ebpf_lab import BPF
from ebpf_lab.inspect.program import look
b = BPF(text=sys.argv[1])
b.load_func("hello", BPF.RAW_TRACEPOINT)
print(look(b, "hello"))
"""


def test_without_the_capability_the_settings_that_withhold_code_are_named():
    restrict, paranoid = (
        int(Path("/proc/sys/kernel", name).read_text()) for name in ("kptr_restrict", "perf_event_paranoid")
    )
    if restrict == 0 and paranoid <= 1:
        pytest.skip("this kernel shows its addresses to everybody")
    drop = ["setpriv", "--bounding-set=-syslog", "--inh-caps=-syslog"]
    command = [*drop, sys.executable, "-c", WITHOUT, MANY]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"kernel.kptr_restrict is {restrict}, kernel.perf_event_paranoid {paranoid}" in said
    assert "CAP_SYSLOG" in said and "call bpf_trace_printk  ; helper number 6" in said


def test_a_function_that_is_missing_or_not_loaded_is_an_error():
    b = BPF(text=JUMPS)
    with pytest.raises(LabError, match=r"(?s)no function named 'helo'.*did you mean 'hello'"):
        look(b, "helo")
    with pytest.raises(LabError, match=r"(?s)not loaded yet.*attach it first.*load_func\('hello'"):
        look(b, "hello")


def test_a_closed_program_is_an_error(many):
    many.close()
    with pytest.raises(UnloadedError, match=r"unloaded by b\.close"):
        look(many, "hello")


@pytest.mark.parametrize("arguments", [(None, "hello"), ("b", "hello")])
def test_only_a_program_can_be_explained(arguments):
    with pytest.raises(TypeError, match="takes a program"):
        look(*arguments)


def test_the_function_is_given_by_its_name(many):
    with pytest.raises(TypeError, match="name of a function"):
        look(many, 5)


class Load(ct.Structure):  # union bpf_attr, BPF_PROG_LOAD
    _fields_ = [
        ("prog_type", ct.c_uint32),
        ("insn_cnt", ct.c_uint32),
        ("insns", ct.c_uint64),
        ("license", ct.c_uint64),
        ("rest", ct.c_uint8 * 24),
    ]


# What BCC's compiler doesn't make: (opcode, dst, src, off, imm) of 32-bit arithmetic and jumps, of atomics ...
RARE = [
    (0xBF, 6, 1, 0, 0), (0xB7, 0, 0, 0, 0), (0xB7, 1, 0, 0, -7), (0xB4, 2, 0, 0, 5), (0x7A, 10, 0, -8, 77),
    (0x62, 10, 0, -16, -1), (0x0C, 1, 2, 0, 0), (0xC4, 1, 0, 0, 3), (0x84, 1, 0, 0, 0), (0x87, 2, 0, 0, 0),
    (0x37, 2, 0, 0, 3), (0x94, 2, 0, 0, 3), (0xAC, 1, 1, 0, 0), (0x5F, 1, 2, 0, 0), (0xBC, 3, 2, 0, 0),
    (0xDC, 1, 0, 0, 16), (0xD4, 1, 0, 0, 32), (0xDC, 1, 0, 0, 64), (0xDB, 10, 1, -8, 0), (0xDB, 10, 1, -8, 0x40),
    (0xDB, 10, 1, -8, 0x50), (0xC3, 10, 1, -8, 0xA0), (0xDB, 10, 1, -8, 0x01), (0xC3, 10, 1, -8, 0x41),
    (0xDB, 10, 1, -8, 0xE1), (0xDB, 10, 2, -8, 0xF1), (0x71, 4, 10, -8, 0), (0x69, 4, 10, -8, 0),
    (0x15, 1, 0, 1, 9), (0xB7, 3, 0, 0, 1), (0xA6, 1, 0, 1, 9), (0xB7, 3, 0, 0, 1), (0x1E, 1, 2, 1, 0),
    (0xB7, 3, 0, 0, 1), (0x6D, 1, 2, 1, 0), (0xB7, 3, 0, 0, 1), (0xC5, 1, 0, 1, -2), (0xB7, 3, 0, 0, 1),
    (0x45, 1, 0, 1, -2), (0xB7, 3, 0, 0, 1), (0x18, 5, 0, 0, -3), (0, 0, 0, 0, 9), (0xB7, 0, 0, 0, 0), (0x95, 0, 0, 0, 0),
]  # fmt: skip


def test_instructions_that_bcc_does_not_make_are_written_as_bpftool_does():
    code = b"".join(struct.pack("<BBhi", op, src << 4 | dst, off, imm) for op, dst, src, off, imm in RARE)
    text, licence = ct.create_string_buffer(code), ct.create_string_buffer(b"GPL")
    socket_filter, prog_load = 1, 5  # linux/bpf.h
    fd = bpf(prog_load, Load(socket_filter, len(RARE), ct.addressof(text), ct.addressof(licence)))
    try:
        seen = {str(one.place): str(one) for one in instructions(proginfo.Program(fd).xlated)}
        assert seen == {place: text for place, (text, _, _) in dumped(fd).items()}
        assert len(seen) > 30
    finally:
        os.close(fd)


CALLS = """
BPF_PROG_ARRAY(next, 4);
BPF_ARRAY(steps, u64, 3);
BPF_RINGBUF_OUTPUT(output, 1);

int first(struct __sk_buff *skb) {
  steps.increment(0);
  next.call(skb, 1);
  u64 now = bpf_ktime_get_ns();
  output.ringbuf_output(&now, sizeof(now), 0);
  return 0;
}
"""


def test_calls_have_the_learners_line_numbers():
    b = BPF(text=CALLS)
    b.load_func("first", BPF.SOCKET_FILTER)
    lines = CALLS.split("\n")
    said = {
        "bpf_tail_call": "next.call",
        "bpf_ktime_get_ns": "bpf_ktime_get_ns",
        "bpf_ringbuf_output": "ringbuf_output",
    }
    rows = look(b, "first").bytecode
    for helper, text in said.items():
        assert [text in lines[row.line - 1] for row in rows if f"call {helper}" in row.text] == [True]
    maps = [(row.comment, lines[row.line - 1]) for row in rows if row.comment.startswith("the map")]
    assert all(comment.split()[-1] in line for comment, line in maps) and len(maps) == 3


def test_the_address_of_a_variable_has_the_line_that_uses_it():
    b = BPF(text=CALLS)
    b.load_func("first", BPF.SOCKET_FILTER)
    rows, line = look(b, "first").bytecode, CALLS.split("\n").index("  steps.increment(0);") + 1
    sent = [row.line for row in rows if "r10 -16" in row.text or row.text.endswith("+= -16")]
    assert sent == [line + 2, line + 3]  # now, stored and sent
    counted = [row.line for row in rows if "r10 -4" in row.text or row.text.endswith("+= -4")]
    assert counted == [line, line]


ADDRESSES = """
BPF_ARRAY(steps, u64, 3);
BPF_PROG_ARRAY(next, 4);

int first(struct __sk_buff *skb) {
  struct { char before[16]; char name[16]; } data = {};
  steps.increment(0);
  next.call(skb, 1);
  steps.increment(2);
  bpf_get_current_comm(&data.name, sizeof(data.name));
  bpf_trace_printk("%s", data.name);
  return 0;
}
"""


def test_lines_follow_each_other_as_in_the_source_where_nothing_jumps_back():
    b = BPF(text=ADDRESSES)
    b.load_func("first", BPF.SOCKET_FILTER)
    seen = look(b, "first")
    for rows in (seen.bytecode, seen.machine):
        lines = [row.line for row in rows]
        assert lines == sorted(lines)


def test_a_constant_has_the_line_that_uses_it():
    b = BPF(text=ADDRESSES)
    b.load_func("first", BPF.SOCKET_FILTER)
    lines, seen = ADDRESSES.split("\n"), look(b, "first")
    for rows, text in (
        (seen.bytecode, "= 2"),
        (seen.machine, ", 2" if platform.machine() == "x86_64" else ", #2"),
    ):
        assert {lines[row.line - 1] for row in rows if row.text.endswith(text)} == {"  steps.increment(2);"}


needs_direct_jumps = pytest.mark.skipif(
    platform.machine() != "x86_64" or Path("/proc/sys/net/core/bpf_jit_harden").read_text().strip() == "2",
    reason="only x86's JIT compiler makes a direct jump of a tail call, and none where it blinds constants",
)


@needs_direct_jumps
def test_a_filled_slot_is_a_jump_in_the_machine_code_to_the_target_and_an_empty_one_is_none():
    b = BPF(text=JUMPS)
    target = b.load_func("target", BPF.RAW_TRACEPOINT)
    b.load_func("hello", BPF.RAW_TRACEPOINT)
    tag = json.loads(bpftool(target.fd, "-j prog show"))["tag"]
    empty = look(b, "hello").machine
    b["calls"][3] = target
    filled = look(b, "hello").machine
    del b["calls"][3]
    assert look(b, "hello").machine == empty
    changed = [(old.text, new.text) for old, new in zip(empty, filled, strict=True) if old != new]
    (jump, skipped), (gap, jump_to_target) = changed
    assert jump.startswith("jmp 0x") and skipped == gap and gap.startswith("nop")
    assert re.fullmatch(rf"jmp bpf_prog_{tag}_target\+0x\w+", jump_to_target)
    assert not any(", +0x" in row.text for row in filled)  # other numbers stay as they are
