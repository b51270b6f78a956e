"""What Jupyter finds in .venv/share and .venv/etc: the kernel "Python 3 (eBPF)", settings, the colours of %%bpf cells.

``PYTHON -m ebpf_lab.setup.kernelspec`` writes it for that Python, .venv's own or an active environment's, and gives it
the distribution's BCC.
"""

import json
import os
import sys
import sysconfig
from pathlib import Path

from ..kernel import capabilities, headers
from . import bpftool, helper, needs, say

ROOT = Path(__file__).parents[2]
SETTINGS = {
    # JupyterLab would ask in a pop-up whether to fetch news.
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false"},
    # With subshells, ipykernel 7.4 sends a widget's message to the wrong one after a thread has changed the widget.
    "@jupyterlab/apputils-extension:kernels-settings": {"commsOverSubshells": "disabled"},
}


def spec(python: Path) -> dict[str, object]:
    """The kernelspec: ``python`` through the capability helper, as it is for root."""
    folders = [str(python.parent), *bpftool.folder(), "${PATH}", "/usr/sbin", "/sbin"]
    env = {"PATH": ":".join(folders)}
    if not _is_ours(python):  # nothing is installed in an active environment: it gets paths
        env["PYTHONPATH"] = f"{ROOT}:{_bcc()}"
    kernel = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}", "--ext", "ebpf_lab.magic"]
    return {
        "argv": [*helper.launcher(), *kernel],
        "display_name": "Python 3 (eBPF)",
        "language": "python",
        "interrupt_mode": "signal",
        "env": env,
    }


def write(python: Path) -> None:
    """Write the kernelspec, JupyterLab's settings, and the links to BCC and to the JupyterLab extension."""
    _write_json("share/jupyter/kernels/python3/kernel.json", spec(python))
    _write_json("etc/jupyter/labconfig/default_setting_overrides.json", SETTINGS)
    # An editable install leaves data-files out.
    _link("share/jupyter/labextensions/ebpf-lab", ROOT / "labextension")
    if bcc := needs.bcc_folder():  # a folder with this link alone: dist-packages would hide packages of .venv
        _link("share/ebpf-lab/bcc/bcc", bcc)
    if _is_ours(python):
        Path(sysconfig.get_path("purelib"), "ebpf-lab-bcc.pth").write_text(f"{_bcc()}\n")


def _is_ours(python: Path) -> bool:
    return python.parent == headers.VENV / "bin"


def _bcc() -> Path:
    return headers.VENV / "share/ebpf-lab/bcc"


def _write_json(place: str, content: dict) -> None:
    path = headers.VENV / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def _link(place: str, target: Path) -> None:
    path = headers.VENV / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


if __name__ == "__main__":
    write(Path(sys.executable))
    if os.geteuid():
        given = ", ".join(capabilities.available())
        say(f"Notebooks: their kernels, and what these start, have the capabilities {given}")
    else:
        say("Notebooks: you are root, so everything in the lab runs as root")
