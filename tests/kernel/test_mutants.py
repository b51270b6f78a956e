"""The solutions with one mistake each: a check accepts those alone that do the task, or that nothing could tell from it."""

import re

import pytest
from mutants import EQUIVALENT, mutants

from ebpf_lab import check, exercises

SAMPLE = {mutant.program for mutant in mutants(1)}  # the run without --long takes one of each solution
MUTANTS = [
    pytest.param(mutant, marks=[pytest.mark.long] * (mutant.program not in SAMPLE), id=f"{mutant.exercise} {mutant.change}")
    for mutant in mutants()
]  # fmt: skip


def reasons(mutant):
    """Why a check may accept it."""
    return [why for name, change, why in EQUIVALENT if re.fullmatch(name, mutant.exercise) and re.fullmatch(change, mutant.change)]  # fmt: skip


@pytest.mark.corpus
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_solution_with_a_mistake_is_not_accepted_unless_the_mistake_changes_nothing(mutant):
    verdict = check(mutant.exercise, mutant.program)
    assert not verdict or reasons(mutant), verdict


def test_each_solution_has_mutants_and_most_of_them_have_to_be_found():
    found = {
        name: [mutant for mutant in mutants() if mutant.exercise == name] for name in exercises.EXERCISES
    }
    for of_one in found.values():
        assert len(of_one) >= 15 and sum(not reasons(mutant) for mutant in of_one) > len(of_one) / 2


def test_each_reason_is_one_for_some_mutant():
    used = {why for mutant in mutants() for why in reasons(mutant)}
    assert used == {why for _, _, why in EQUIVALENT}
