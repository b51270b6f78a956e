"""The public names: each one used in a notebook, described in the README, documented."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import ebpf_lab
from ebpf_lab.diagnostics import errors

ROOT = Path(__file__).parents[1]
NOTEBOOKS = "\n".join(
    cell.source
    for path in (ROOT / "notebooks").rglob("[0-9]*.ipynb")
    for cell in nbformat.read(path, as_version=4).cells
    if cell.cell_type == "code"
)
VERBS = [name for name in ebpf_lab.__all__ if not name.endswith("Error")]
ERRORS = [name for name in ebpf_lab.__all__ if name.endswith("Error")]


def test_these_are_the_public_names():
    assert VERBS == [
        "BPF", "attach", "record", "watch", "draw", "to_frame", "explain", "run", "fire", "syscall_nr", "syscall_name", "check", "doctor",
    ]  # fmt: skip


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_used_in_a_notebook_and_described_in_the_readme(name):
    assert re.search(rf"\b{name}\(", NOTEBOOKS)
    assert re.search(rf"`{name}\(", (ROOT / "README.md").read_text())


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_described_in_the_tree_of_errors(name):
    assert name in errors.__doc__


@pytest.mark.parametrize("name", ebpf_lab.__all__)
def test_a_public_name_has_a_docstring(name):
    assert getattr(ebpf_lab, name).__doc__


def test_type_checkers_see_the_same_public_names():
    imports = (
        node
        for node in ast.walk(ast.parse(Path(ebpf_lab.__file__).read_text()))
        if isinstance(node, ast.ImportFrom)
    )
    assert {node.names[0].name: node.module for node in imports if node.names[0].asname} == ebpf_lab._HOME


def test_importing_the_package_imports_neither_bcc_nor_pandas_nor_widgets():
    code = "import sys, ebpf_lab; print([m for m in ('bcc', 'pandas', 'numpy', 'matplotlib', 'ipywidgets', 'IPython') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        ebpf_lab.nothing  # noqa: B018


def test_a_room_imports_only_from_rooms_below_it():
    """pyproject.toml has the layers; import-linter also sees imports within functions."""
    lint = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


MISSING_BCC = """
import sys
sys.modules["bcc"] = None
import ebpf_lab
try:
    ebpf_lab.BPF
except ebpf_lab.SetupError as e:
    print(e)
"""
WRONG_BCC = """
import sys, types
sys.modules["bcc"] = types.ModuleType("bcc")
sys.modules["bcc"].__file__ = "/site-packages/bcc/__init__.py"
import ebpf_lab
try:
    ebpf_lab.BPF
except ebpf_lab.SetupError as e:
    print(e)
"""


@pytest.mark.parametrize(
    ("code", "message"), [(MISSING_BCC, "python3-bpfcc"), (WRONG_BCC, "unrelated one of the same name")]
)
def test_bcc_missing_or_the_wrong_one_is_a_setup_error(code, message):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert message in done.stdout and "Fix:" in done.stdout, done.stderr
