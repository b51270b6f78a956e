import re
from pathlib import Path

import pytest

from ebpf_lab.diagnostics.explanations import ATTACH, COMPILER, MACHINE, VERIFIER, document

ROOT = Path(__file__).parents[1]
TABLES = {"compiler": COMPILER, "verifier": VERIFIER, "attach": ATTACH, "machine": MACHINE}
# What a place in the log says besides the words that are quoted in the table.
BESIDES = {
    "released": " [was ringbuf_mem]",
    "packet-moved": " [was pkt]",
    "no-globals": " [was 0]",
    "length": " [call]",
    "map-below-its-use": " [a map below]",
}


def test_the_document_is_made_from_the_table():
    made = (ROOT / "docs/errors.md").read_text()
    assert made == document.document(), (
        "run: .venv/bin/python -m ebpf_lab.diagnostics.explanations.document > docs/errors.md"
    )


def test_each_name_is_there_once():
    names = [entry.rule for table in TABLES.values() for entry in table]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("table", "entry"),
    [(table, e) for table in (COMPILER, VERIFIER) for e in table],
    ids=lambda e: getattr(e, "rule", ""),
)
def test_the_example_of_an_entry_is_explained_by_that_entry(table, entry):
    class Known(dict):
        __missing__ = staticmethod(lambda name: f"<{name}>")

    words = entry.example + BESIDES.get(entry.rule, "")
    found = next((e for e in table if re.search(e.pattern, words, re.M)), None)
    assert found is entry
    for text in (entry.meaning, entry.why, *entry.fixes):
        assert text.format_map(Known()) and len(text) < 240 if text else entry.meaning == ""


def test_every_error_of_ours_that_can_be_explained_has_a_why_and_a_fix():
    for table in TABLES.values():
        assert all(entry.why and entry.fixes for entry in table)
