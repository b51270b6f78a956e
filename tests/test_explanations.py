import ast
import re
from pathlib import Path

import pytest

from ebpf_lab.diagnostics.explanations import ATTACH, COMPILER, MACHINE, RULES, VERIFIER, document, match
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


def raised_by_rule():
    """(file:line, rule, names of the facts, whether the error has a message of its own) of each raise in the package."""
    for path in sorted((ROOT / "ebpf_lab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            given = {keyword.arg: keyword.value for keyword in getattr(node, "keywords", [])}
            if isinstance(rule := given.get("rule"), ast.Constant) and rule.value:
                yield f"{path.name}:{node.lineno}", rule.value, set(given), bool(node.args)


@pytest.mark.parametrize(("where", "rule", "facts", "worded"), list(raised_by_rule()))
def test_an_error_has_an_entry_and_the_facts_that_its_texts_need(where, rule, facts, worded):
    entry = RULES[rule]
    texts = ["" if worded else entry.meaning, entry.why, *([] if "fix" in facts else entry.fixes)]
    needed = {name for text in texts for name in re.findall(r"(?<!{){(\w+)", text)}
    assert needed <= facts, where
