"""What every notebook keeps to; the notebooks themselves are run by nbval."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.rglob("[0-9]*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: str(path.relative_to(FOLDER)))
def notebook(request):
    return nbformat.read(request.param, as_version=nbformat.NO_CONVERT), request.param


def test_the_format_is_4_5_with_plain_metadata_and_unique_ids(notebook):
    notebook, _ = notebook
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_only_cells_tagged_for_comparison_keep_their_output(notebook):
    for cell in notebook[0].cells:
        if cell.cell_type == "code" and "nbval-check-output" not in cell.metadata.get("tags", []):
            assert cell.outputs == [] and cell.execution_count is None, cell.id


def test_what_tells_nbval_about_a_cell_stands_in_its_tags_where_learners_do_not_see_it(notebook):
    assert [cell.id for cell in notebook[0].cells if "NBVAL" in cell.source] == []


def test_code_cells_are_short_and_stand_between_prose(notebook):
    for before, cell in zip(notebook[0].cells, notebook[0].cells[1:], strict=False):
        if cell.cell_type == "code" and not cell.source.startswith("%%bpf"):
            assert len(cell.source.splitlines()) <= 8, cell.id
            assert (
                before.cell_type == "markdown"
                or before.source.startswith("%%bpf")
                or "watch(" in before.source
            ), cell.id


def test_an_assert_has_a_message_and_comes_after_what_the_cell_shows(notebook):
    for cell in notebook[0].cells:
        if cell.cell_type == "code" and not cell.source.startswith("%%"):
            python = re.sub(r"^!.*", "pass", cell.source, flags=re.M)
            statements = ast.parse(python).body
            for n, one in enumerate(statements):
                if isinstance(one, ast.Assert):
                    assert one.msg, cell.id
                    # A solution's message is the verdict itself.
                    shown = [] if ast.unparse(one) == "assert verdict, verdict" else statements[n:]
                    assert all(isinstance(later, ast.Assert) for later in shown), cell.id


def test_each_picture_is_there_and_has_alt_text(notebook):
    notebook, path = notebook
    for cell in notebook.cells:
        for alt, file in re.findall(
            r"!\[(.*?)\]\((.*?)\)", cell.source if cell.cell_type == "markdown" else ""
        ):
            assert len(alt) > 20 and (path.parent / file).exists()


def test_a_chapter_credits_the_book_and_has_a_solution(notebook):
    notebook, path = notebook
    if path.parent == FOLDER:
        assert "Liz Rice" in notebook.cells[0].source
        assert (FOLDER / "solutions" / path.name).exists()


def test_a_link_leads_to_a_file_and_to_a_heading_that_is_there(notebook):
    notebook, path = notebook
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for file, heading in re.findall(r"(?<!!)\[[^]]*\]\((?!http)([^)#]+)(?:#([^)]+))?\)", prose):
        target = path.parent / file
        assert target.exists(), file
        if heading:  # JupyterLab makes it of the heading's text
            assert heading in [title.replace(" ", "-") for title in headings(target)], heading


def headings(path):
    cells = nbformat.read(path, as_version=nbformat.NO_CONVERT).cells
    return re.findall(
        r"^#+ (.*)$", "\n".join(cell.source for cell in cells if cell.cell_type == "markdown"), re.M
    )


def test_a_task_has_stars_two_hints_a_solution_and_then_the_program_live(notebook):
    cells = notebook[0].cells
    for n, cell in enumerate(cells):
        if cell.cell_type == "code" and cell.source.startswith("check("):
            task, live = cells[n - 2].source, cells[n + 2].source
            assert re.search(r"^### .* ★{1,3}$", task, re.M)
            folded = re.findall("<summary>(.*?)</summary>", task)
            assert folded == ["Hint 1", "Hint 2", "Solution"] and "](solutions/" in task
            assert re.search(r"\b(watch|draw)\(", live)
