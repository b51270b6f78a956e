"""What ebpf_lab adds to IPython: %%bpf, the C of a program in a cell of its own, and an error's log below it.

The kernelspec loads this module as an extension of IPython, so that %%bpf is there before a notebook's first cell has run.
"""

from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from .diagnostics.errors import LabError


@magics_class
class BPFMagic(Magics):
    """Holds %%bpf; registered when ebpf_lab is imported in IPython."""

    shell: Any

    @cell_magic
    def bpf(self, line: str, cell: str) -> None:
        """``%%bpf program``: the rest of the cell becomes the Python string ``program``.

        One newline is put before it, for the magic's own line, so that line N of
        an error is line N of the cell. Nothing else happens.
        """
        name = line.strip()
        if not name.isidentifier():
            raise UsageError(
                "%%bpf needs the name of the Python variable to put the C in, as in: %%bpf program"
            )
        self.shell.user_ns[name] = "\n" + cell


def register(shell: Any) -> None:
    """Give ``shell`` the magic; in a notebook also the folded log below an error, a stepper, and charts with alt text."""
    shell.register_magics(BPFMagic)
    if hasattr(shell, "kernel"):  # a terminal has print(error.steps)
        shell.events.register("post_run_cell", _unfold)
        bundles = shell.display_formatter.mimebundle_formatter
        bundles.for_type_by_name("ebpf_lab.diagnostics.errors", "VerifierError", _stepper)
        # matplotlib's inline backend removes formatters for text/html when it loads, but none for whole bundles.
        bundles.for_type_by_name("matplotlib.figure", "Figure", _chart)


def load_ipython_extension(shell: Any) -> None:
    """At the start of a notebook's Python process: have a name that isn't there yet say which cell to run."""
    shell.set_custom_exc((NameError,), _run_first)
    shell.user_ns["run"] = _not_imported  # IPython would take run(...) for its own %run.


def _not_imported(*_: Any, **__: Any) -> None:
    raise LabError("run() is not imported yet.", fix="run the notebook's first cell, which imports it.")


def _run_first(shell: Any, kind: type, error: NameError, tb: Any, tb_offset: int | None = None) -> None:
    """Show a NameError with what to do about it, as after a restart, which forgets all that cells have made."""
    from . import __all__ as verbs

    if error.name in verbs:
        error.add_note(f"Fix: run the notebook's first cell, which imports {error.name}.")
    elif kind is NameError:  # and no UnboundLocalError
        error.add_note(
            f"Fix: if a cell above makes {error.name}, run that cell first. After a restart of the kernel, "
            "Run All Above Selected Cell, in the menu Run, runs all of them."
        )
    shell.showtraceback((kind, error, tb), tb_offset)


def _unfold(result: Any) -> None:
    """After a cell that ended with a LabError, show its ``log`` below it.

    An error's own output in a notebook is text only. What is shown after the cell
    comes below it, and the cell still ends with an error, so that Run All stops.
    """
    error = result.error_in_exec
    if getattr(error, "log", "") and type(error).__module__ == "ebpf_lab.diagnostics.errors":
        from .views.steps import unfold

        if (shown := unfold(error)) is not None:
            display(shown)


def _chart(figure: Any) -> dict[str, str]:
    from .views.chart import with_alt

    return {"text/html": with_alt(figure)}


def _stepper(error: Any) -> dict[str, Any]:
    from .views.steps import unfold

    shown = unfold(error)
    return shown._repr_mimebundle_() if hasattr(shown, "_repr_mimebundle_") else {"text/plain": str(error)}
