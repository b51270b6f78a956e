"""Build the image of .devcontainer and use the lab in it: ``./lab test --container`` runs this as root.

No registry is asked: the image that the Dockerfile starts from is made of Debian's packages. podman starts containers as
devcontainer.json says, on a copy of the project, and keeps its files in the artefacts and its mounts in a namespace of its own.
It needs a kernel that lets root load programs; the computer's networks are left alone.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import Lab
from shared import ARTEFACTS, ROOT, copy_of_the_project, give_artefacts_to_the_user, run, say, until

STORE = ARTEFACTS / "container"
STATE = Path("/run/ebpf-lab-container")  # podman takes no longer path than 50 characters for it.
FOLDER, PORT = "/workspaces/ebpf-lab", 8897
PODMAN = ["podman", f"--root={STORE}/storage", f"--runroot={STATE}", f"--tmpdir={STATE}/tmp"]
# crun doesn't know the mixture of control groups' versions 1 and 2 that some computers have.
PODMAN += ["--cgroup-manager=cgroupfs", "--runtime=runc"]
GROUP = "/ebpf-lab-container"  # of control groups, which podman leaves behind
PIDS = """
from ebpf_lab import BPF, attach, record, run

with BPF(text='int hello(void *ctx) { bpf_trace_printk("Hello World!"); return 0; }') as b:
    attach(b, syscall="execve", fn_name="hello")
    with record(b) as lines:
        procs = run("/bin/true", times=23)
print(f"{len(set(procs.pids) & set(lines.frame().pid))} of 23 pids")
"""
PIDS = f".venv/bin/python -c {shlex.quote(PIDS)}"


def main() -> None:
    if sys.argv[1:] != ["inside"]:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", sys.executable, __file__, "inside"]
        sys.exit(subprocess.run(command, check=False).returncode)
    config = json.loads(
        re.sub(r"^ *//.*", "", (ROOT / ".devcontainer/devcontainer.json").read_text(), flags=re.M)
    )
    image()
    with tempfile.TemporaryDirectory(dir=ARTEFACTS, prefix="container-run-") as folder:
        project, venv = Path(folder, "project"), Path(folder, "venv")
        project.mkdir()
        venv.mkdir()
        copy_of_the_project(project)
        use(project, venv, config)
        assert os.listdir(project / ".venv") == ["of-the-host"]
    shutil.rmtree(STATE)
    if "SUDO_UID" in os.environ:  # That user could not delete the images, which have owners of their own.
        shutil.rmtree(STORE)
    give_artefacts_to_the_user()
    say("All of it passed")


def use(project: Path, venv: Path, config: dict[str, Any]) -> None:
    """Use containers as devcontainer.json has them, and with less than that."""
    with started(project, venv, "--privileged", *config["runArgs"]) as inside:
        assert "\n0 missing" in inside(config["postStartCommand"])
        say("Doctor finds nothing missing")
        lab().run_notebook("notebooks/01_hello.ipynb")
        say("Chapter 1 runs")
        assert "23 of 23 pids" in inside(PIDS)
        say("Events have the pids that the container sees")
    with started(project, venv, "--privileged") as inside:
        report = inside("./lab setup && ./lab doctor")
        assert "--pid=host" in fix(report, "PID namespace")
        assert "\n0 of 23 pids" in "\n" + inside(PIDS)
        say("Without --pid=host events have other pids, and doctor says so")
    with started(project, venv, *config["runArgs"]) as inside:
        assert "--privileged" in fix(inside("./lab doctor || true"), "bpf(2)")
        say("Without --privileged no program loads, and doctor says so")


def image() -> None:
    """Make the image ebpf-lab, with a debian:13 that is made of packages."""
    if podman("image", "exists", "localhost/debian:13", check=False).returncode:
        say("Making the image that the Dockerfile starts from")
        STORE.mkdir(parents=True, exist_ok=True)
        run(Path(__file__).parent / "debian_root.sh", "trixie", "minbase", STORE / "debian.tar")
        podman("import", "--quiet", str(STORE / "debian.tar"), "localhost/debian:13")
        (STORE / "debian.tar").unlink()
    say("Building the image")
    how = ["--quiet", "--pull=never", "--isolation=chroot", "--network=host"]
    podman("build", *how, "--tag=ebpf-lab", str(ROOT / ".devcontainer"))


@contextmanager
def started(project: Path, venv: Path, *arguments: str) -> Iterator[Callable[[str], str]]:
    """A container, while the block runs: what runs a command of bash in it and returns what it prints."""
    mounts = [f"--volume={project}:{FOLDER}", f"--volume={venv}:{FOLDER}/.venv", f"--workdir={FOLDER}"]
    # The image has this computer's certificates, which pip needs to reach the packages.
    here = ["--network=host", f"--cgroup-parent={GROUP}", "--env=PIP_CERT=/etc/ssl/certs/ca-certificates.crt"]
    # podman's own limits are higher than what a root without CAP_SYS_RESOURCE may set.
    here += ["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]
    podman("rm", "--force", "--ignore", "--time=0", "lab")
    podman("run", "--detach", "--name=lab", *here, *arguments, *mounts, "ebpf-lab", "sleep", "infinity")

    def inside(command: str) -> str:
        done = podman("exec", "lab", "bash", "-c", command, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        return done.stdout

    try:
        yield inside
    finally:
        podman("rm", "--force", "--time=0", "lab")
        groups = ["find", "/sys/fs/cgroup", "-depth", "-path", f"*{GROUP}*", "-type", "d", "-delete"]
        # podman's monitor of the container may take a moment to end.
        until(lambda: not subprocess.run(groups, stderr=subprocess.DEVNULL, check=False).returncode)


def lab() -> Lab:
    """Start the lab in the container, as a learner would."""
    command = [*PODMAN, "exec", "lab", "./lab", "--no-browser", f"--port={PORT}"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = iter(server.stdout or ())
    return Lab(next(line for line in lines if "token=" in line))


def podman(*arguments: str, check: bool = True, **more: Any) -> subprocess.CompletedProcess[Any]:
    return subprocess.run([*PODMAN, *arguments], check=check, **more)


def fix(report: str, row: str) -> str:
    """The lines of doctor's row, with the fix."""
    lines = report[report.index(f"  {row} ") :].splitlines()
    end = next((n for n, line in enumerate(lines) if n and re.match(r"ok|degraded|missing|$", line)), None)
    return "\n".join(lines[:end])


if __name__ == "__main__":
    main()
