"""What this machine can and can't do for the lab, and the command that fixes it.

``python -m ebpf_lab.checkup`` prints the report, and exits 1 if something is missing. It needs only the standard
library, so that it works where everything else is missing. The maps and programs that it makes are closed when it
returns; all that it may leave behind is the merged view of the kernel headers (kernel/headers.py).
"""

from . import probes
from .report import Report, Row

__all__ = ["Report", "Row", "doctor"]


def doctor() -> Report:
    """Check everything that the lab needs; returns a Report, and raises nothing.

    It speaks for the process that runs it: a notebook may do what a terminal may not.
    """
    rows = []
    for probe in probes.PROBES:
        try:
            rows.append(probe())
        except Exception as e:  # reported in its row: the other rows are wanted all the more
            found = f"could not be checked: {type(e).__name__}: {e}"
            rows.append(Row(probe.__name__.replace("_", " "), "degraded", found, "not known"))
    return Report(tuple(rows))
