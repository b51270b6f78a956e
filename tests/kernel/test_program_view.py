import re

import pytest

from ebpf_lab import BPF, LabError, explain
from ebpf_lab.views.program import ProgramView


@pytest.fixture
def view(hello):
    b = BPF(text=hello)
    b.load_func("hello", BPF.RAW_TRACEPOINT)
    return explain(b, "hello")


def test_the_view_has_all_that_the_text_has(view):
    assert isinstance(view, ProgramView) and [c["title"] for c in view.shown["columns"]] == [
        "C",
        "Bytecode",
        "Machine code",
    ]
    text = str(view)
    for column in view.shown["columns"]:
        for line, place, code, comment in column["rows"]:
            assert isinstance(line, int) and place and code in text and comment in text
    for name, value in view.shown["facts"]:
        assert f"{name}: {value}" in text


def test_the_text_form_names_the_line_beside_each_instruction(view):
    assert re.search(r"^   3  +\d+: call bpf_trace_printk  ; helper number 6$", str(view), re.M)
    assert re.search(r"^   3   bpf_trace_printk\(\"Hello World!\"\);$", str(view), re.M)


def test_the_text_form_stands_in_for_the_widget(view):
    assert view._repr_mimebundle_()[0]["text/plain"] == str(view)


def test_what_is_withheld_is_said_in_its_column(view):
    view.insight.machine, view.insight.withheld = [], "The kernel withholds it."
    again = ProgramView(view.insight)
    assert again.shown["columns"][2] == {
        "title": "Machine code",
        "rows": [],
        "note": "The kernel withholds it.",
    }
    assert str(again).endswith("The kernel withholds it.")


def test_it_stays_when_its_program_goes(hello):
    with BPF(text=hello) as b:
        b.load_func("hello", BPF.RAW_TRACEPOINT)
        view = explain(b, "hello")
    assert "call bpf_trace_printk" in str(view)


def test_a_function_that_is_not_loaded_is_an_error(hello):
    with pytest.raises(LabError, match="not loaded yet"):
        explain(BPF(text=hello), "hello")
