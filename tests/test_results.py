"""The table of what passed on which kernel."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import results


def report(nodeid, properties=(), reason=None):
    longrepr = ("file", 1, f"Skipped: {reason}") if reason else None
    return SimpleNamespace(nodeid=nodeid, user_properties=list(properties), longrepr=longrepr)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "kept")


def cells(row):
    line = next(line for line in results.kernels().splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_each_file_counts_for_one_group_by_its_outcome():
    results.add(
        results.of([
            ("passed", report("notebooks/01_hello::ipynb::Cell 1")),
            ("failed", report("notebooks/01_hello::ipynb::Cell 2")),
            ("passed", report("notebooks/solutions/01_hello.ipynb::Cell 1")),
            ("passed", report("tests/kernel/test_maps.py::test_x", [("the hook", "kprobe:x")])),
        ]),
        results.FOLDER,
    )  # fmt: skip
    assert cells("01_hello") == ["1 passed, 1 failed"]
    assert cells("their solutions") == cells("all else in the kernel") == ["1 passed"]
    assert cells("in the browser") == ["not run there"]
    assert cells("`the hook`") == ["`kprobe:x`"]


def test_a_later_run_replaces_only_what_it_ran():
    results.add(results.of([("failed", report("notebooks/02_maps::ipynb::Cell 1"))]), results.FOLDER)
    results.add(results.of([("passed", report("notebooks/03_ringbuffer::ipynb::Cell 1"))]), results.FOLDER)
    assert (cells("02_maps"), cells("03_ringbuffer")) == (["1 failed"], ["1 passed"])
    results.add(results.of([("passed", report("notebooks/02_maps::ipynb::Cell 1"))]), results.FOLDER)
    assert cells("02_maps") == ["1 passed"]


def test_a_group_that_was_skipped_whole_says_why():
    results.add(
        results.of([("skipped", report("tests/kernel/test_kprobes.py::x", reason="no kprobes"))]),
        results.FOLDER,
    )
    assert cells("kprobes, fentry, LSM") == ["no kprobes"]


def test_each_system_has_a_table_and_a_row(monkeypatch):
    for system, emulated in [("Debian 13", False), ("Debian 13", True), ("macOS", True)]:
        monkeypatch.setenv("LAB_SYSTEM", system)
        if emulated:
            monkeypatch.setenv("LAB_EMULATED", "1")
        results.add(results.of([("passed", report("tests/test_lab.py::x"))]), results.FOLDER)
    here = results.of([])["kernel"]
    rows = dict(line.strip("| ").split(" | ", 1) for line in results.systems().splitlines())
    assert rows["Debian 13"].endswith(f"on {here.removesuffix(' in emulation')}, {here}")
    assert rows["macOS"].endswith(f"on {here}") and "in emulation" in here
    assert "untried" in rows["Windows"]
    assert results.kernels().count("without a kernel") == 2


def test_a_failure_stands_in_the_row_of_its_system(monkeypatch):
    monkeypatch.setenv("LAB_SYSTEM", "Debian 13")
    results.add(results.of([("failed", report("tests/test_lab.py::x"))]), results.FOLDER)
    assert "; 1 failed |" in results.systems()


def test_a_page_without_marks_is_an_error(tmp_path):
    (tmp_path / "page.md").write_text("no marks")
    command = [sys.executable, results.__file__, tmp_path / "page.md"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "has no line <!-- kernels" in done.stderr


def test_a_run_of_notebooks_alone_leaves_a_result_too(tmp_path):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--long", "--collect-only"]
    subprocess.run(
        [*command, "notebooks/01_hello.ipynb"],
        cwd=results.ROOT,
        env=os.environ | {"LAB_RESULTS": str(tmp_path)},
        check=True,
    )
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_the_pages_have_the_whole_tables():
    page = (results.ROOT / "docs/testing.md").read_text()
    (table,) = [found[0] for found in results.MARK.finditer(page) if found[2] == "kernels"]
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("|")]
    assert rows[-len(results.GROUPS) :] == list(results.GROUPS)
    assert "`kprobe:" in table and "`tracepoint:" in table
    assert "failed" not in table and "error" not in table
    page = (results.ROOT / "docs/systems.md").read_text()
    (table,) = [found[0] for found in results.MARK.finditer(page) if found[2] == "systems"]
    assert "| tested " in table and "| untried: " in table
    assert "failed" not in table
