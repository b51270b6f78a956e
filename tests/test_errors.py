import re

import pytest

from ebpf_lab.diagnostics import errors
from ebpf_lab.diagnostics.explanations import RULES

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.LabError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_what_failed_and_the_fix(kind):
    error = kind("it broke", fix="do that", log="all of it")
    assert str(error) == "it broke\nFix: do that"
    assert error.log == "all of it"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_without_a_fix_is_only_its_message(kind):
    assert str(kind("it broke")) == "it broke"


@pytest.mark.parametrize("kind", KINDS)
def test_the_docstring_names_each_error_and_its_bases(kind):
    assert kind.__name__ in errors.__doc__
    assert all(base.__name__ in errors.__doc__ for base in kind.__bases__ if base is not Exception)


def test_a_notebook_shows_the_message_without_the_frames_of_bcc():
    try:
        raise errors.CompileError("line 3: it broke", fix="do that")
    except errors.CompileError as e:
        assert e._render_traceback_() == ["CompileError: line 3: it broke\nFix: do that"]


def test_a_notebook_shows_the_same_text_with_parts_in_bold(monkeypatch):
    error = errors.VerifierError(
        "line 3: it broke\n    3 | *p += 1;\n      |  ^\nThe kernel: no", fix="do that", why="so"
    )
    plain = error._render_traceback_()[-1]
    monkeypatch.setattr(errors, "_colours", lambda: True)
    bold = error._render_traceback_()[-1]
    assert "\x1b[1mVerifierError: line 3: it broke\x1b[0m\n    3 | *p" in bold
    assert "\x1b[1m  ^\x1b[0m" in bold and "\x1b[1mFix:\x1b[0m" in bold
    assert re.sub(r"\x1b\[\d+m", "", bold) == plain


def test_an_error_raised_by_rule_takes_its_texts_from_the_table():
    error = errors.MapError(rule="map-name", name="cuonts", known="counts")
    assert error.what == "The program has no map named 'cuonts'; it has: counts." and error.rule == "map-name"
    assert error.why == RULES["map-name"].why and error.fix == "\n   or: ".join(RULES["map-name"].fixes)


def test_a_text_that_is_given_replaces_that_of_the_table():
    error = errors.MapError(
        "no", rule="map-name", fix="did you mean 'counts'?", name="cuonts", known="counts"
    )
    assert (error.what, error.fix) == ("no", "did you mean 'counts'?")


def test_an_attach_error_lists_each_hook_that_was_tried():
    tried = [("kprobe on execve", "no function of that name")]
    error = errors.AttachError(rule="no-such-hook", hook="system call 'execve'", tried=tried)
    assert str(error).startswith(
        "This kernel has no hook for the system call 'execve'.\n  kprobe on execve: no function of that name\nWhy: "
    )
    assert (error.hook, error.tried) == ("system call 'execve'", tried)


def test_an_attach_error_without_a_rule_still_says_what_failed():
    error = errors.AttachError(hook="system call 'execve'", tried=[("kprobe:x", "Device or resource busy")])
    assert (
        str(error) == "Nothing was attached to the system call 'execve'.\n  kprobe:x: Device or resource busy"
    )
