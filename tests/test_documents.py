"""What the documents say of where things are, and that README stays a page to begin with."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEW = ("packets", "size", "artefacts")  # what CONTRIBUTING's recipes and the runs of tests make
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]


def test_the_files_that_the_documents_name_exist():
    pages = "".join((ROOT / document).read_text() for document in DOCUMENTS)
    named = re.findall(r"`((?:ebpf_lab|tests|notebooks|benchmarks|docs|machines)/[\w./]*)`", pages)
    named = [path for path in named if not any(new in path for new in NEW)]
    assert len(named) > 5 and [path for path in named if not (ROOT / path).exists()] == []


def anchors(page):
    """The headings of a page, as GitHub makes addresses of them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_leads_to_a_file_and_a_heading_that_exist(document):
    page = ROOT / document
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text())
    targets = [((page.parent / file) if file else page, heading) for file, heading in links]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [heading for target, heading in targets if heading and heading not in anchors(target)] == []


def test_the_readme_is_a_page_to_begin_with():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120 and [line for line in lines if len(line) >= 140] == []


def test_the_glossary_is_in_order_and_each_word_is_in_its_chapter():
    entries = re.findall(
        r"^\* (\*\*.*?\*\*):.*Chapter (\d)\.$", (ROOT / "docs/glossary.md").read_text(), re.M
    )
    words = [(word, chapter) for names, chapter in entries for word in re.findall(r"\*\*(.*?)\*\*", names)]
    firsts = [names.strip("*").lower() for names, _ in entries]
    assert len(words) > 30 and firsts == sorted(firsts)
    chapters = {path.name[1]: path.read_text().lower() for path in ROOT.glob("notebooks/0*.ipynb")}
    assert [word for word, chapter in words if word.lower() not in chapters[chapter]] == []


def test_contributing_has_the_rooms_in_the_order_of_their_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [set(re.findall(r"\w+", layer)) for layer in reversed(contracts[0]["layers"])]
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| room ")[2].partition("\n\n")[0]
    rows = [set(re.findall(r"`(\w+)/?`", row.split("|")[1])) for row in table.splitlines()[2:]]
    assert [name for row in rows for name in sorted(row)] == [
        name for layer in layers for name in sorted(layer)
    ]
