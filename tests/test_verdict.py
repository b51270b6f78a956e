import pytest
from IPython.core.interactiveshell import InteractiveShell

from ebpf_lab.exercises.cells import judged
from ebpf_lab.exercises.verdict import Result
from ebpf_lab.magic import BPFMagic

CELL = '%%bpf program\nint hello(void *ctx) {\n  bpf_trace_printk("Hello");\n  return 0;\n}\n'


@pytest.fixture
def shell():
    shell = InteractiveShell.instance()
    shell.register_magics(BPFMagic)
    yield shell
    InteractiveShell.clear_instance()


def ran(shell, *sources):
    for source in sources:
        shell.run_cell(source, store_history=True)
    return judged(shell.user_ns["program"])


def test_a_verdict_names_the_last_cell_that_was_run_with_this_text(shell):
    last = "cell [{}], %%bpf program, as you last ran it"
    first = len(shell.history_manager.input_hist_raw)
    assert ran(shell, CELL).startswith(last.format(first))
    assert ran(shell, CELL.replace("Hello", "Goodbye")).startswith(last.format(first + 1))
    assert ran(shell, CELL).startswith(last.format(first + 2))


def test_a_cell_that_failed_is_not_the_one_that_is_judged(shell, capsys):
    number = len(shell.history_manager.input_hist_raw)
    text = ran(shell, CELL, CELL.replace("program", "two words"))
    assert text.startswith(f"cell [{number}]")


def test_a_text_of_no_cell_is_said_to_be_one(shell):
    ran(shell, CELL)
    assert "in no %%bpf cell" in judged(shell.user_ns["program"] + "// changed")


def test_without_a_notebook_a_verdict_names_no_cell():
    assert judged("int x;") == ""


def test_a_verdict_shows_the_text_with_the_numbers_of_the_cell_s_lines():
    verdict = Result(False, "not so", judged="cell [3]", program="\nint a<b;\n\nint c;\n")
    page = verdict._repr_html_()
    assert "<details><summary>Judged: cell [3]</summary>" in page
    assert "  2  int a&lt;b;\n  3  \n  4  int c;" in page and "  1  " not in page


def test_a_verdict_tells_what_was_sent_and_seen_and_what_is_next():
    verdict = Result(True, "so", "calls", "counts", next="try that")
    assert repr(verdict) == "done: so\n  sent:   calls\n  saw:    counts\n  next:   try that"
    assert "<b>Next, if you like:</b> try that" in verdict._repr_html_()
