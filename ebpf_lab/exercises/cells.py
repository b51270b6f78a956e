"""Which text a check judges: the %%bpf cell that a program was written in."""

import re

from IPython import get_ipython

_CELL = re.compile(r"%%bpf[ \t]+(\w+)[ \t]*(\n.*)", re.S)


def judged(program: str) -> str:
    """The last cell run that has this text, as 'cell [12], %%bpf hello, ...'; '' outside of a notebook."""
    shell = get_ipython()
    if shell is None:
        return ""
    ran = shell.history_manager.input_hist_raw
    for number in reversed(range(len(ran))):
        cell = _CELL.match(ran[number].lstrip())
        if cell and cell[2].strip() == program.strip():
            return f"cell [{number}], %%bpf {cell[1]}, as you last ran it. If you have changed it since, run it and check again"
    return "a text that is in no %%bpf cell as you ran it"
