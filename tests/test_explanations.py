import re
from pathlib import Path

import pytest

from ebpf_lab.diagnostics import explanations
from ebpf_lab.diagnostics.explanations import ATTACH, COMPILER, MACHINE, VERIFIER

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
    assert made == explanations.document(), (
        "run: .venv/bin/python -m ebpf_lab.diagnostics.explanations > docs/errors.md"
    )


def test_each_name_is_there_once():
    names = [entry.name for table in TABLES.values() for entry in table]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("table", "entry"),
    [(table, e) for table in TABLES.values() for e in table],
    ids=lambda e: getattr(e, "name", ""),
)
def test_the_words_of_an_example_lead_to_its_own_entry(table, entry):
    class Known(dict):
        __missing__ = staticmethod(lambda name: f"<{name}>")

    words = entry.example + BESIDES.get(entry.name, "")
    found = next((e for e in table if re.search(e.words, words, re.M)), None)
    assert found is entry
    for text in (entry.meant, entry.why, *entry.mend):
        assert text.format_map(Known()) and len(text) < 240 if text else entry.meant == ""


def test_every_error_of_ours_that_can_be_explained_has_a_why_and_a_fix():
    for table in TABLES.values():
        assert all(entry.why and entry.mend for entry in table)
