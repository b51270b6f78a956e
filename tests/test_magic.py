import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from ebpf_lab import magic
from ebpf_lab.magic import BPFMagic


@pytest.fixture
def shell():
    shell = InteractiveShell.instance()
    shell.register_magics(BPFMagic)
    yield shell
    InteractiveShell.clear_instance()


def test_the_string_is_one_newline_and_the_cells_text_and_nothing_else(shell):
    text = 'int hello(void *ctx) {\n  bpf_trace_printk("%d {x} $HOME \\n");\n}\n'
    shell.run_cell_magic("bpf", "program", text)
    assert shell.user_ns["program"] == "\n" + text


@pytest.mark.parametrize("line", ["", "two words", "1st", "a.b"])
def test_it_needs_the_name_of_a_variable(shell, line):
    with pytest.raises(UsageError, match="name of the Python variable"):
        shell.run_cell_magic("bpf", line, "int x;")


def test_importing_the_package_in_ipython_registers_it(shell):
    import ebpf_lab

    shell.magics_manager.magics["cell"].pop("bpf")
    ebpf_lab._register_magic()
    assert "bpf" in shell.magics_manager.magics["cell"]


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        ("check('odd-even', 1)", "run the notebook's first cell, which imports check."),
        ("run('/bin/true')", "run the notebook's first cell, which imports it."),
        ("print(counted)", "if a cell above makes counted, run that cell first."),
    ],
)
def test_a_name_that_is_not_there_yet_tells_which_cell_to_run(shell, capsys, source, fix):
    magic.load_ipython_extension(shell)
    assert not shell.run_cell(source).success
    assert fix in capsys.readouterr().out


def test_other_errors_and_a_variable_that_has_no_value_yet_are_shown_as_they_are(shell, capsys):
    magic.load_ipython_extension(shell)
    for source in ("def f():\n    x += 1\nf()", "1 / 0"):
        assert not shell.run_cell(source).success
    assert "Fix:" not in capsys.readouterr().out


def test_only_a_notebook_shows_an_errors_log_below_it(shell, monkeypatch, capsys):
    magic.register(shell)
    assert magic._unfold not in shell.events.callbacks["post_run_cell"]
    monkeypatch.setattr(shell, "kernel", object(), raising=False)
    magic.register(shell)
    assert magic._unfold in shell.events.callbacks["post_run_cell"]
    shown = []
    monkeypatch.setattr(magic, "display", shown.append)
    shell.run_cell("from ebpf_lab import CompileError, LabError\nraise CompileError('no', log='<output>')")
    assert "Full output (1 line)" in shown[0].data and "&lt;output&gt;" in shown[0].data
    for source in ("raise LabError('no')", "1 / 0", "1 + 1"):
        shell.run_cell(source)
    assert len(shown) == 1
