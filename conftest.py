import os
from pathlib import Path

import pytest
import results
from helpers import HELLO


@pytest.fixture
def hello():
    """The book's first program."""
    return HELLO


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also the tests that take minutes each")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="it takes minutes: ./lab test --long"))


def pytest_terminal_summary(terminalreporter, exitstatus):
    ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)  # not interrupted
    if ended and (folder := os.environ.get("LAB_RESULTS")):  # set by whole runs
        reports = [
            (outcome, report)
            for outcome in ("passed", "failed", "error", "skipped")
            for report in terminalreporter.stats.get(outcome, [])
        ]
        results.add(results.of(reports), Path(folder))
