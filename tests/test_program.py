from ebpf_lab.inspect.lines import line_at
from ebpf_lab.inspect.program import Insight, Row


def test_a_position_has_the_line_of_the_last_start_before_it():
    lines = [(0, 2), (5, 3), (9, 2)]
    assert [line_at(n, lines) for n in (0, 4, 5, 8, 9, 100)] == [2, 2, 3, 3, 2, 2]
    assert line_at(3, []) == 0 and line_at(3, [(4, 7)]) == 0


def test_the_text_form_is_three_parts_with_the_line_beside_each_instruction():
    source = [Row(1, "1", "int f() {"), Row(2, "2", "\treturn 0; }")]
    seen = Insight(
        "f", [("runs", "0")], source, [Row(2, "0", "exit", "a comment")], [Row(0, "1f", "ret")], ""
    )
    assert str(seen).splitlines() == [
        "f",
        "  runs: 0",
        "",
        "line  C",
        "   1  int f() {",
        "   2  \treturn 0; }",
        "",
        "line  bytecode",
        "   2      0: exit  ; a comment",
        "",
        "line  machine code",
        "   -     1f: ret",
    ]
