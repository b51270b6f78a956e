"""%%bpf: the C of a program in a cell of its own."""

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class


@magics_class
class BPFMagic(Magics):
    """Holds %%bpf; registered when ebpf_lab is imported in IPython."""

    @cell_magic
    def bpf(self, line, cell):
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
