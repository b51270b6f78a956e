from types import SimpleNamespace

import pytest

from ebpf_lab.inspect.program import Insight, Row, _at, _machine, _named
from ebpf_lab.kernel import proginfo


def test_a_position_has_the_line_of_the_last_start_before_it():
    lines = [(0, 2), (5, 3), (9, 2)]
    assert [_at(n, lines) for n in (0, 4, 5, 8, 9, 100)] == [2, 2, 3, 3, 2, 2]
    assert _at(3, []) == 0 and _at(3, [(4, 7)]) == 0


def test_an_address_is_an_offset_in_its_own_function_and_a_name_elsewhere():
    def named(number):
        return _named([number], start=0x1000, size=0x100, symbols={0x5000: "bpf_trace_printk"})

    assert [named(n) for n in ("0x1010", "0x5000", "0x8", "0x1100")] == [
        "0x10",
        "bpf_trace_printk",
        "0x8",
        "0x1100",
    ]


def machine(monkeypatch, cpu, jited, size=4):
    monkeypatch.setattr("platform.machine", lambda: cpu)
    program = SimpleNamespace(info=SimpleNamespace(jited_prog_len=size), jited=jited)
    return _machine(program, [(0x1000, 2)], ({}, 0))


@pytest.mark.parametrize(
    ("cpu", "code", "text"), [("x86_64", "4889e5c3", "mov rbp, rsp"), ("aarch64", "c0035fd6", "ret")]
)
def test_machine_code_is_disassembled_for_the_cpu_at_hand(monkeypatch, cpu, code, text):
    rows, withheld = machine(monkeypatch, cpu, [(0x1000, bytes.fromhex(code))])
    assert rows[0] == Row(2, "0", text) and not withheld


def test_bytes_that_are_no_instruction_do_not_end_the_disassembly(monkeypatch):
    rows, _ = machine(monkeypatch, "x86_64", [(0x1000, bytes.fromhex("06c3"))])
    assert [(row.place, row.text) for row in rows] == [("0", ".byte 0x06"), ("1", "ret")]


@pytest.mark.parametrize(
    ("cpu", "size", "jited", "words"),
    [
        ("x86_64", 0, [], "net.core.bpf_jit_enable is 0"),
        ("x86_64", 4, [], "withholds this code"),
        ("vax", 4, [(0x1000, b"1234")], "4 bytes of machine code of vax"),
    ],
)
def test_where_there_is_no_machine_code_the_reason_is_given(monkeypatch, cpu, size, jited, words):
    rows, withheld = machine(monkeypatch, cpu, jited, size)
    assert rows == [] and words in withheld


def test_of_a_blinded_program_nothing_is_taken_for_code(monkeypatch):
    def ask(fd, info):
        if info.xlated_prog_insns:  # kernel/bpf/syscall.c: ends here, with the other pointers as they came
            info.xlated_prog_insns = 0
        info.xlated_prog_len = info.jited_prog_len = 8
        info.nr_jited_ksyms = info.nr_jited_func_lens = info.nr_line_info = info.nr_map_ids = 1
        return info

    monkeypatch.setattr(proginfo, "_ask", ask)
    program = proginfo.Program(0)
    assert (program.xlated, program.jited, program.lines, program.maps) == (b"", [], [], [0])


HEADER = """
	BPF_PROG_TYPE_UNSPEC,
	BPF_PROG_TYPE_SOCKET_FILTER,
	BPF_MAP_TYPE_UNSPEC,
	BPF_MAP_TYPE_HASH,
	BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED,
	BPF_MAP_TYPE_CGROUP_STORAGE = BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED,
	BPF_MAP_TYPE_QUEUE,
	__MAX_BPF_MAP_TYPE
#define ___BPF_FUNC_MAPPER(FN, ctx...)			\\
	FN(unspec, 0, ##ctx)				\\
	FN(map_lookup_elem, 1, ##ctx)			\\
"""


def test_names_are_those_of_the_header(monkeypatch):
    monkeypatch.setattr(proginfo, "_header", lambda: HEADER)
    assert proginfo.name_of("prog_type", 1) == "socket_filter" and proginfo.name_of("map_type", 3) == "queue"
    assert proginfo.helper(1) == "bpf_map_lookup_elem"


def test_without_a_header_numbers_stand_for_names(monkeypatch):
    monkeypatch.setattr(proginfo, "_header", lambda: "")
    assert proginfo.name_of("prog_type", 1) == "type 1" and proginfo.helper(1) == "number 1"


def test_the_text_form_is_three_parts_with_the_line_beside_each_instruction():
    source = [Row(1, "1", "int f() {"), Row(2, "2", "\treturn 0; }")]
    seen = Insight("f", [("runs", "0")], source, [Row(2, "0", "exit", "words")], [Row(0, "1f", "ret")], "")
    assert str(seen).splitlines() == [
        "f",
        "  runs: 0",
        "",
        "line  C",
        "   1  int f() {",
        "   2  \treturn 0; }",
        "",
        "line  bytecode",
        "   2      0: exit  ; words",
        "",
        "line  machine code",
        "   -     1f: ret",
    ]
