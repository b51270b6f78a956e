from pathlib import Path

import pytest

from ebpf_lab.diagnostics.explanations import ATTACH, COMPILER, MACHINE, VERIFIER, document, match
from ebpf_lab.diagnostics.explanations.document import EXAMPLE

ROOT = Path(__file__).parents[1]
TABLES = {"compiler": COMPILER, "verifier": VERIFIER, "attach": ATTACH, "machine": MACHINE}
# The fact that tells an entry from others with the same message.
FACTS = {entry.rule: {entry.when: entry.when} for entry in (*COMPILER, *VERIFIER) if entry.when}


def test_the_document_is_made_from_the_tables():
    made = (ROOT / "docs/errors.md").read_text()
    assert made == document.document(), (
        "run: .venv/bin/python -m ebpf_lab.diagnostics.explanations.document > docs/errors.md"
    )


def test_each_rule_has_one_entry():
    names = [entry.rule for table in TABLES.values() for entry in table]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("table", "entry"),
    [(table, e) for table in (COMPILER, VERIFIER) for e in table],
    ids=lambda e: getattr(e, "rule", ""),
)
def test_the_example_of_an_entry_is_explained_by_that_entry(table, entry):
    found, facts = match(table, entry.example, **FACTS.get(entry.rule, {}))
    assert found is entry
    for text in (entry.meaning, entry.why, *entry.fixes):
        assert 0 < len(text.format_map(EXAMPLE | facts)) < 240


def test_each_entry_has_a_why_and_a_fix():
    for table in TABLES.values():
        assert all(entry.why and entry.fixes for entry in table)
