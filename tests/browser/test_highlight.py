"""%%bpf cells have the colours of C in JupyterLab, other cells those of Python."""

import pytest

C = "%%bpf program\nstruct event { u64 time; };  // of an event"
PYTHON = "def struct(): pass  # no event"


@pytest.fixture
def cells(lab):
    lab.write("colours.ipynb", C, PYTHON)
    lab.open("colours.ipynb")
    return lab.page.locator(".jp-CodeCell")


def token(cell, text):
    """The class that JupyterLab's colours have for a piece of the cell's text, once it is a piece of its own; None for plain text."""
    found = cell.locator(".cm-line span").filter(has_text=text)
    return found.first.get_attribute("class") if found.count() else None


def wait_for_language(cell, name):
    cell.locator(f'.cm-content[data-language="{name}"]').wait_for()


def test_a_cell_of_c_has_the_colours_of_c(cells):
    c, python = cells.nth(0), cells.nth(1)
    wait_for_language(c, "cpp")
    wait_for_language(python, "python")
    keyword, comment = token(python, "def"), token(python, "# no event")
    assert keyword and comment and keyword != comment
    assert token(c, "struct") == keyword != token(python, "struct")
    assert token(c, "// of an event") == comment


def test_a_cell_changes_its_colours_while_it_is_typed(cells):
    page, python = cells.page, cells.nth(1)
    wait_for_language(python, "python")
    keyword = token(python, "def")
    python.locator(".cm-content").click()
    page.keyboard.press("Escape")
    page.keyboard.press("b")  # a new cell below
    page.keyboard.press("Enter")
    page.keyboard.type("%%bpf other\n")
    typed = cells.nth(2)
    wait_for_language(typed, "cpp")
    page.keyboard.type("struct event;")
    assert token(typed, "struct") == keyword
    page.keyboard.press("Control+Home")
    page.keyboard.press("#")
    wait_for_language(typed, "python")
    assert token(typed, "struct") != keyword
