"""The programs in answers/: three right ones for each exercise, and wrong ones that look right.

The first line says "right", or "wrong" and words of the verdict.
"""

from pathlib import Path

import pytest

from ebpf_lab import check, exercises

ANSWERS = sorted(Path(__file__).parent.glob("answers/*/*.c"))


def says(path):
    """(what the first line says, the words of the verdict)"""
    what, _, words = path.read_text().partition("\n")[0].removeprefix("// ").partition(": ")
    return what, words


def of(what):
    return [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}")
        for path in ANSWERS
        if says(path)[0].startswith(what)
    ]  # fmt: skip


@pytest.mark.corpus
@pytest.mark.parametrize("path", of("right"))
def test_a_right_answer_is_accepted_whatever_its_way(path):
    verdict = check(path.parent.name, path.read_text())
    assert verdict, verdict


@pytest.mark.corpus
@pytest.mark.parametrize("path", of("wrong"))
def test_a_wrong_answer_is_not_accepted_and_the_verdict_says_what_was_seen(path):
    verdict = check(path.parent.name, path.read_text())
    assert not verdict and says(path)[1] in verdict.why, verdict
    assert "did you mean" not in verdict.why


def test_each_exercise_has_three_right_answers():
    right = [path.parent.name for path in ANSWERS if says(path)[0].startswith("right")]
    assert {name: right.count(name) for name in exercises.EXERCISES} == dict.fromkeys(exercises.EXERCISES, 3)
