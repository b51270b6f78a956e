import pytest
from test_diagnostics import LOG, REWRITTEN, SOURCE

from ebpf_lab import VerifierError
from ebpf_lab.diagnostics.compiler import verifier_error
from ebpf_lab.views import steps


@pytest.fixture
def error():
    words = LOG.format(lookup=" @ main.c:11", deref=" @ main.c:12")
    return verifier_error("hello", "Permission denied", words, SOURCE, REWRITTEN)


def test_each_step_has_its_line_and_what_is_known(error):
    shown = steps.unfold(error).shown
    assert [row[:3] for row in shown["steps"]] == [
        [8, "call bpf_map_lookup_elem#1", 6],
        [9, "r1 = *(u64 *)(r0 +0)", 7],
    ]
    assert ["R0", "map_value_or_null(id=2,map=counter_table,ks=8,vs=8)", True] in shown["steps"][0][3]
    assert shown["source"][6] == "  *p += 1;" and shown["verdict"].startswith("R0 invalid mem")
    assert shown["log"] == error.log and shown["omitted"] == 0


def test_registers_come_before_the_stack_and_in_order(error):
    error.steps[0].state = {"fp-16": "0", "R10": "fp0", "fp-8": "1", "R2": "2"}
    assert [name for name, *_ in steps._row(error.steps[0])[3]] == ["R2", "R10", "fp-8", "fp-16"]


def test_a_long_path_and_a_long_log_are_cut_and_say_so(error, monkeypatch):
    monkeypatch.setattr(steps, "STEPS", 1)
    monkeypatch.setattr(steps, "WORDS", 20)
    shown = steps.unfold(error).shown
    assert len(shown["steps"]) == 1 and shown["omitted"] == 1
    assert shown["log"].startswith("(the last 20 of ") and len(error.log) > 60


def test_without_widgets_it_is_the_errors_text(error):
    view = steps.unfold(error)
    assert repr(view) == str(error) == view._repr_mimebundle_()[0]["text/plain"]


def test_without_steps_the_words_are_text_and_without_words_there_is_nothing():
    assert "<pre" in steps.unfold(VerifierError("no", log="words")).data
    assert steps.unfold(VerifierError("no")) is None and steps.unfold(ValueError("no")) is None
