"""The capability helper: a copy of setpriv in .venv, with file capabilities, that starts an ordinary user's notebooks.

Only its owner may execute it (mode 0500). ``python -m ebpf_lab.setup.helper`` prints the command, one word per line,
that gives the one after it a notebook's capabilities; nothing for root, who needs none.
"""

import os
import struct
from pathlib import Path

from ..kernel import capabilities, headers


def path() -> Path:
    """Where ./lab puts it."""
    return headers.VENV / "libexec/ebpf-lab/setpriv"


def launcher() -> list[str]:
    """The command that starts what follows it with a notebook's capabilities; empty for root."""
    if os.geteuid() == 0:
        return []
    given = ",".join(f"+{name}" for name in capabilities.available())
    return [str(path()), "--inh-caps", given, "--ambient-caps", given, "--"]


def fault() -> str:
    """Why the helper would give a notebook of this user no capabilities, or an empty string."""
    if not os.access(path(), os.X_OK):
        return f"there is no capability helper {path()} that this user may execute"
    if path().stat().st_mode & 0o777 != 0o500:
        return f"the capability helper {path()} can be executed by other users"
    if _carried() != sum(1 << capabilities.CAPABILITIES[name] for name in capabilities.available()):
        return f"the capability helper {path()} does not carry the notebooks' capabilities"
    return ""


def _carried() -> int:
    """The permitted set, if it is also the effective one (linux/capability.h: struct vfs_cap_data, revision 2 and 3)."""
    try:
        magic, low, _, high = struct.unpack_from("<IIII", os.getxattr(path(), "security.capability"))
    except (OSError, struct.error):
        return 0
    return (low | high << 32) if magic & 1 else 0  # VFS_CAP_FLAGS_EFFECTIVE


if __name__ == "__main__":
    for word in launcher():
        print(word)
