import pytest

from ebpf_lab.diagnostics.states import describe
from ebpf_lab.diagnostics.verifier_log import parse

NEW = """0: R1=ctx() R10=fp0
; u64 *p = lookup(&uid); @ main.c:17
3: (7b) *(u64 *)(r10 -8) = r1         ; R1=ctx() R10=fp0 fp-8=ctx()
4: (18) r1 = 0xffff888104389000       ; R1=map_ptr(map=counts,ks=8,vs=8)
8: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=2,map=counts,ks=8,vs=8)
9: (bf) r6 = r0                       ; R0=map_value_or_null(id=2) R6=map_value_or_null(id=2)
10: (15) if r6 == 0x0 goto pc+3 14: R0=0 R6=0 R10=fp0
; *p += 1; @ main.c:18
14: (0f) r6 += r2
R6 invalid
more text
processed 9 insns (limit 1000000) max_states_per_insn 0
"""
OLD = """func#0 @0
reg type unsupported for arg#0 function hello#7
0: R1=ctx(off=0,imm=0) R10=fp0
; int hello(u64 *ctx) {
0: (bf) r6 = r1                       ; R1=ctx(off=0,imm=0) R6_w=ctx(off=0,imm=0)
; return ctx[which];
5: (79) r0 = *(u64 *)(r6 +0)
variable ctx access var_off=(0x0; 0x38) disallowed
processed 6 insns
"""


def test_each_instruction_is_a_step_with_its_code_and_its_quoted_line():
    log = parse(NEW)
    assert [step.instruction for step in log] == [3, 4, 8, 9, 10, 14]
    assert log[0].quote == ("u64 *p = lookup(&uid);", 17) and log[5].quote == ("*p += 1;", 18)
    assert log[2].code == "call bpf_map_lookup_elem#1" and log[2].called == "bpf_map_lookup_elem"
    assert log[4].code == "if r6 == 0x0 goto pc+3"


def test_the_state_accumulates_and_a_call_removes_its_arguments():
    log = parse(NEW)
    assert log[0].state == {"R1": "ctx()", "R10": "fp0", "fp-8": "ctx()"} and log[0].changed == (
        "R1",
        "R10",
        "fp-8",
    )
    assert log[2].state["R1"].startswith("map_ptr") and "R1" not in log[3].state
    assert log[4].state["R6"] == log[5].state["R6"] == "0"


def test_a_value_is_traced_to_the_step_that_made_it():
    log = parse(NEW)
    assert log[5].origin["R6"] == 2 and log[0].origin["fp-8"] == -1
    assert log[5].index["R6"] == "R2"


def test_the_message_follows_the_last_step():
    assert parse(NEW).message == ("R6 invalid", "more text")


def test_a_log_of_linux_6_1_is_parsed():
    log = parse(OLD)
    assert log.message == ("variable ctx access var_off=(0x0; 0x38) disallowed",)
    assert log[0].state["R6"] == "ctx(off=0,imm=0)" and log[1].quote == ("return ctx[which];", -1)


def test_a_log_whose_beginning_is_lost_is_incomplete():
    assert parse(NEW).complete and not parse(NEW.partition("\n")[2]).complete


def test_the_steps_are_text_in_a_terminal():
    log = parse(NEW)
    log[5].line = 6
    assert "line 6:\n    14  r6 += r2" in str(log) and str(log).endswith("more text")


def test_a_log_without_steps_has_only_its_message():
    assert parse("last insn is not an exit or jmp\nprocessed 0 insns\n").message == (
        "last insn is not an exit or jmp",
    )
    assert list(parse("")) == []


@pytest.mark.parametrize(
    ("state", "description"),
    [
        ("map_value_or_null(id=2,map=counts,ks=8,vs=8)", "a value of counts (8 bytes), or NULL"),
        ("scalar()", "any number, including negative ones"),
        ("scalar(smin=smin32=0,smax=umax=smax32=umax32=63,var_off=(0x0; 0x3f))", "a number from 0 to 63"),
        ("scalar(umax=7,var_off=(0x0; 0x7))", "a number from 0 to 7"),
        ("scalar(id=1,smax=16)", "a number up to 16, possibly negative"),
        ("0xffffffff", "the number 4,294,967,295"),
        ("ctx(off=8)", "the context"),
        ("fp-16", "memory on the stack"),
        ("pkt(off=14,r=14)", "the packet, of which 14 bytes are checked"),
        ("ringbuf_mem(ref_obj_id=2,sz=8)", "a record of the ring buffer"),
        ("trusted_ptr_task_struct()", ""),
    ],
)
def test_a_state_is_described_in_plain_english(state, description):
    assert describe(state) == description
