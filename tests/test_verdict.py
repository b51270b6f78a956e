import pytest

from ebpf_lab.diagnostics.verifier_log import walk, words_of

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
further words
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


def test_each_instruction_is_a_step_with_its_code_and_its_quote():
    path = walk(NEW)
    assert [step.instruction for step in path] == [3, 4, 8, 9, 10, 14]
    assert path[0].quote == ("u64 *p = lookup(&uid);", 17) and path[5].quote == ("*p += 1;", 18)
    assert path[2].code == "call bpf_map_lookup_elem#1" and path[2].called == "bpf_map_lookup_elem"
    assert path[4].code == "if r6 == 0x0 goto pc+3"


def test_what_is_known_adds_up_and_a_call_uses_up_its_arguments():
    path = walk(NEW)
    assert path[0].state == {"R1": "ctx()", "R10": "fp0", "fp-8": "ctx()"} and path[0].changed == (
        "R1",
        "R10",
        "fp-8",
    )
    assert path[2].state["R1"].startswith("map_ptr") and "R1" not in path[3].state
    assert path[4].state["R6"] == path[5].state["R6"] == "0"


def test_a_value_is_followed_to_where_it_was_made():
    path = walk(NEW)
    assert path[5].origin["R6"] == 2 and path[0].origin["fp-8"] == -1
    assert path[5].index["R6"] == "R2"


def test_the_verdict_is_what_comes_after_the_last_step():
    assert walk(NEW).verdict == ("R6 invalid", "further words")


def test_a_log_of_6_1_is_read_too():
    path = walk(OLD)
    assert path.verdict == ("variable ctx access var_off=(0x0; 0x38) disallowed",)
    assert path[0].state["R6"] == "ctx(off=0,imm=0)" and path[1].quote == ("return ctx[which];", -1)


def test_a_log_whose_start_is_lost_says_so():
    assert walk(NEW).whole and not walk(NEW.partition("\n")[2]).whole


def test_a_path_is_text_in_a_terminal():
    path = walk(NEW)
    path[5].line = 6
    assert "line 6:\n    14  r6 += r2" in str(path) and str(path).endswith("further words")


def test_a_log_without_a_step_has_just_its_verdict():
    assert walk("last insn is not an exit or jmp\nprocessed 0 insns\n").verdict == (
        "last insn is not an exit or jmp",
    )
    assert list(walk("")) == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("map_value_or_null(id=2,map=counts,ks=8,vs=8)", "a value of counts (8 bytes), or NULL"),
        ("scalar()", "any number, negative ones too"),
        ("scalar(smin=smin32=0,smax=umax=smax32=umax32=63,var_off=(0x0; 0x3f))", "a number from 0 to 63"),
        ("scalar(umax=7,var_off=(0x0; 0x7))", "a number from 0 to 7"),
        ("scalar(id=1,smax=16)", "a number up to 16, maybe a negative one"),
        ("0xffffffff", "the number 4,294,967,295"),
        ("ctx(off=8)", "the context"),
        ("fp-16", "memory on the stack"),
        ("pkt(off=14,r=14)", "the packet, of which 14 bytes are checked"),
        ("ringbuf_mem(ref_obj_id=2,sz=8)", "a record of the ring buffer"),
        ("trusted_ptr_task_struct()", ""),
    ],
)
def test_a_state_in_plain_words(state, words):
    assert words_of(state) == words
