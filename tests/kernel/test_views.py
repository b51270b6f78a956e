import pytest
from helpers import until

from ebpf_lab import BPF, attach, run, watch
from ebpf_lab.views import stream


@pytest.fixture
def b(hello):
    b = BPF(text=hello)
    attach(b, syscall="execve", fn_name="hello")
    return b


def pids(view):
    return [row[3] for row in view.shown["rows"]]


def test_lines_arrive_while_it_is_watched(b):
    view = watch(b)
    pid = run("/bin/true").pids[0]
    until(lambda: pid in pids(view))
    assert view.shown["lost"] == 0 and view.shown["total"] >= 1


def test_watching_again_gives_the_same_view(b):
    assert watch(b) is watch(b)


def test_stop_stops_and_start_goes_on(b):
    view = watch(b)
    view.running = False
    stopped = run("/bin/true").pids[0]
    view.running = True
    after = run("/bin/true").pids[0]
    until(lambda: after in pids(view))
    assert stopped not in pids(view)


def test_the_filter_keeps_the_matching_lines(b):
    view = watch(b)
    first, second = run("/bin/true", times=2).pids
    until(lambda: second in pids(view))
    view.filter = str(first)
    assert set(pids(view)) == {first}
    view.filter = "HELLO w"
    assert {first, second} <= set(pids(view))


def test_clear_empties_view_and_counts(b):
    view = watch(b)
    pid = run("/bin/true").pids[0]
    until(lambda: pid in pids(view))
    view.clears += 1
    assert pid not in pids(view)


def test_only_the_newest_lines_are_shown(b, monkeypatch):
    monkeypatch.setattr(stream, "SHOWN", 10)
    view = watch(b)
    ours = run("/bin/true", times=23).pids
    until(lambda: set(ours) <= {row[2] for _, row in list(view._kept)})  # others start processes too
    with view._looking:
        view.look()
        assert [row[0] for row in view.shown["rows"]] == [number for number, _ in view._kept][-10:]


def test_it_ends_with_its_program_and_keeps_what_it_shows(b):
    view = watch(b)
    pid = run("/bin/true").pids[0]
    until(lambda: pid in pids(view))
    b.close()
    assert view.ended and not view.running
    assert view.shown["note"] == "Ended: the program was unloaded."
    assert pid in pids(view)
    view.filter = str(pid)
    assert set(pids(view)) == {pid} and "Ended" in view.shown["note"]


def test_a_stopped_view_ends_with_its_program_too(b):
    view = watch(b)
    view.running = False
    b.close()
    assert view.ended


def test_a_view_that_fails_has_ended_with_the_error_and_watch_makes_another(b, monkeypatch):
    view = watch(b)
    monkeypatch.delattr(view, "_kept")
    run("/bin/true")
    until(lambda: view.ended)
    assert not view.running and "an error stopped this view. AttributeError" in view.shown["note"]
    assert watch(b) is not view and watch(b).running


def test_the_text_form_has_the_lines(b):
    view = watch(b)
    pid = run("/bin/true").pids[0]
    view.filter = str(pid)  # the text has the last few lines only, and others start processes too
    until(lambda: pid in pids(view))
    plain = view._repr_mimebundle_()[0]["text/plain"]
    assert plain.startswith("Trace pipe: ") and f"{pid}" in plain and "Hello World!" in plain


@pytest.mark.parametrize("source", [5, None, "b"])
def test_what_is_not_a_program_is_a_type_error(source):
    with pytest.raises(TypeError, match="takes a program"):
        watch(source)
