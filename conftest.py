import os
from collections import Counter
from pathlib import Path

import pytest
import results
from helpers import HELLO

from ebpf_lab.setup import bpftool

# Tests call bpftool by its name, as notebooks do.
os.environ["PATH"] = ":".join([*bpftool.folder(), os.environ["PATH"]])

# A whole run has two workers, and a file's tests stay on one of them (./lab test). What takes longest
# comes first, so that both end at about the same time.
FIRST = [
    "tests/browser/",
    "tests/kernel/test_ordinary_user",
    "tests/kernel/test_active_environment",
    "tests/kernel/test_notebook_kernel",
    "tests/kernel/test_learners",
    "notebooks/",
    "tests/kernel/",
]


@pytest.fixture
def hello():
    """The book's first program."""
    return HELLO


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the tests that take minutes each")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        if os.environ.get("LAB_RESULTS"):  # a whole run; who names a file gets all of its cases
            cases = Counter()
            for item in items:
                if item.get_closest_marker("corpus"):
                    cases[item.function] += 1
                    if cases[item.function] % 4 != 1:
                        item.add_marker("long")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="it takes minutes: ./lab test --long"))
    items.sort(
        key=lambda item: next(
            (n for n, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST)
        )
    )


def pytest_terminal_summary(terminalreporter, exitstatus):
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)  # not interrupted
    if ended and (folder := os.environ.get("LAB_RESULTS")):  # set by whole runs
        reports = [
            (outcome, report)
            for outcome in ("passed", "failed", "error", "skipped")
            for report in terminalreporter.stats.get(outcome, [])
        ]
        results.add(results.of(reports), Path(folder))
