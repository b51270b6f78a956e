import comm
import pytest
from test_diagnostics import LOG, REWRITTEN, SOURCE

from ebpf_lab import VerifierError
from ebpf_lab.diagnostics.verifier import verifier_error
from ebpf_lab.views import steps


@pytest.fixture
def error():
    log = LOG.format(lookup=" @ main.c:11", deref=" @ main.c:12")
    return verifier_error("hello", "Permission denied", log, SOURCE, REWRITTEN)


def test_each_step_has_its_line_and_the_state_after_it(error):
    shown = steps.unfold(error).shown
    assert [row[:3] for row in shown["steps"]] == [
        [8, "call bpf_map_lookup_elem#1", 6],
        [9, "r1 = *(u64 *)(r0 +0)", 7],
    ]
    assert ["R0", "map_value_or_null(id=2,map=counter_table,ks=8,vs=8)", True] in shown["steps"][0][3]
    assert shown["source"][6] == "  *p += 1;" and shown["verdict"].startswith("R0 invalid mem")
    assert shown["log"] == error.log and shown["omitted"] == 0


def test_registers_come_in_order_and_before_the_stack(error):
    error.steps[0].state = {"fp-16": "0", "R10": "fp0", "fp-8": "1", "R2": "2"}
    assert [name for name, *_ in steps._row(error.steps[0])[3]] == ["R2", "R10", "fp-8", "fp-16"]


def test_long_steps_and_a_long_log_are_cut_and_the_view_says_so(error, monkeypatch):
    monkeypatch.setattr(steps, "STEPS", 1)
    monkeypatch.setattr(steps, "LOG", 20)
    shown = steps.unfold(error).shown
    assert len(shown["steps"]) == 1 and shown["omitted"] == 1
    assert shown["log"].startswith("(the last 20 of ") and len(error.log) > 60


def test_without_widgets_the_view_is_the_text_of_the_error(error):
    view = steps.unfold(error)
    assert repr(view) == str(error) == view._repr_mimebundle_()[0]["text/plain"]


def test_an_error_without_steps_shows_its_log_and_without_a_log_nothing():
    assert "<pre" in steps.unfold(VerifierError("no", log="output")).data
    assert steps.unfold(VerifierError("no")) is None and steps.unfold(ValueError("no")) is None


def test_the_page_gets_a_view_together_with_what_it_shows(error, monkeypatch):
    opened, create = [], comm.create_comm
    monkeypatch.setattr(comm, "create_comm", lambda **sent: opened.append(sent["data"]) or create(**sent))
    view = steps.unfold(error)
    shown = [data["state"]["shown"] for data in opened if "_anywidget_id" in data["state"]]
    assert shown == [view.shown] and view.shown["steps"]
