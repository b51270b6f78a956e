"""What README and CONTRIBUTING say of where things are."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEW = ("packets", "size")  # what CONTRIBUTING's recipes make


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_files_that_a_document_names_exist(document):
    named = re.findall(
        r"`((?:ebpf_lab|tests|notebooks|benchmarks|docs|machines)/[\w./]*)`", (ROOT / document).read_text()
    )
    named = [path for path in named if not any(new in path for new in NEW)]
    assert len(named) > 5 and [path for path in named if not (ROOT / path).exists()] == []


def test_contributing_has_the_rooms_in_the_order_of_their_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [set(re.findall(r"\w+", layer)) for layer in reversed(contracts[0]["layers"])]
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| room ")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)/?`", row.split("|")[1])) for row in table.splitlines()[2:]]
    assert [name for row in rows for name in sorted(row)] == [
        name for layer in layers for name in sorted(layer)
    ]
