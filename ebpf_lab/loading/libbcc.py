"""BCC's Python binding and its library, or a SetupError that says how to get them."""

import ctypes as ct
import os
import sys

from ..diagnostics.errors import SetupError

try:
    import bcc
except ImportError as e:
    raise SetupError(
        "BCC, the compiler and loader that this lab stands on, is not in this Python.",
        fix="./lab setup (it comes from the distribution: python3-bpfcc on Debian and Ubuntu, never from pip)",
        log=str(e),
    ) from e
except OSError as e:
    raise SetupError(f"BCC's library can't be loaded: {e}", fix="sudo apt-get install libbpfcc") from e
if not hasattr(bcc, "BPF"):
    raise SetupError(
        f"The package bcc in this Python ({os.path.dirname(bcc.__file__)}) is not BCC, "
        "but an unrelated one of the same name from PyPI.",
        fix=f"{sys.executable} -m pip uninstall bcc",
    )
from bcc.libbcc import lib

# BCC's Python does not declare these two.
lib.bpf_num_tables.argtypes, lib.bpf_num_tables.restype = [ct.c_void_p], ct.c_size_t
lib.bpf_table_name.argtypes, lib.bpf_table_name.restype = [ct.c_void_p, ct.c_size_t], ct.c_char_p

__all__ = ["bcc", "lib"]
