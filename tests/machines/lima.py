"""Boot a machine as Lima would from lima.yaml: ``./lab test --lima`` runs this as root; it takes tens of minutes in software emulation.

make_box.sh makes a disk of Debian's packages, with cloud-init. QEMU boots it with what Lima gives a machine: a NoCloud disk
that has the user, the shared folder and a script for each boot, and that runs lima.yaml's scripts in Lima's order (Lima:
pkg/cidata/cidata.TEMPLATE.d/user-data, boot.sh). The machine is used as a learner would use it, by a port that ssh forwards.
QEMU has a network of its own (user mode) and ends with this program: nothing on this computer but its files sees the machine.
"""

import json
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml  # which jupyter_events brings
from browser import Lab
from shared import (
    ARTEFACTS,
    PIP_CONF,
    ROOT,
    copy_of_the_project,
    give_artefacts_to_the_user,
    run,
    say,
    until,
    wheels,
)

BOX = ARTEFACTS / "lima"
NAME, USER, UID = "ebpf-lab", "learner", 1000
SSH, PORT = 8022, 8898
HOME = f"/home/{USER}.guest"
TO_THE_END = ["setpriv", "--pdeathsig", "KILL"]  # of this program, however it ends
# A kernel that guards against nobody, and a systemd that is patient: what is emulated costs most.
EMULATED = "no_timer_check mitigations=off init_on_alloc=0 clearcpuid=rep_good systemd.default_timeout_start_sec=1h systemd.default_device_timeout_sec=1h"
BOOT = """#!/bin/sh
code=0
for f in /mnt/scripts/*; do
  "$f" || { echo "WARNING: Failed to execute $f"; code=1; }
done
exit $code
"""


def main() -> None:
    wheels()
    if not (BOX / "disk.qcow2").exists():
        say("Making a disk")
        run(Path(__file__).parent / "make_box.sh", BOX, "lima")
    with tempfile.TemporaryDirectory(dir=ARTEFACTS, prefix="lima-run-") as folder:
        machine = Path(folder)
        # The path has a space, as the paths of Macs often have.
        project = machine / "the lab"
        project.mkdir()
        copy_of_the_project(project)
        config = yaml.safe_load((ROOT / "lima.yaml").read_text())
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", machine / "key")
        seed(machine, project, config)
        over = ["-f", "qcow2", "-F", "qcow2", "-b", str(BOX / "disk.qcow2")]
        run("qemu-img", "create", "-q", *over, machine / "disk")
        use(machine, project, config)
        assert os.listdir(project / ".venv") == ["of-the-host"]
        assert (project / "notebooks/mine.txt").read_text() == "written in the machine"
        say("Ended; what was written in it is still on the host, whose own .venv was never touched")
    give_artefacts_to_the_user()
    say("All of it passed")


def use(machine: Path, project: Path, config: dict[str, Any]) -> None:
    """Use the machine as a learner does."""
    with booted(machine, project), started(machine, config) as message:
        lab = Lab(message)
        assert lab.requires_the_token()
        assert f"{USER} 600" in shell(machine, "stat -c '%U %a' /var/lib/ebpf-lab/token")
        assert "127.0.0.1:8888" in (listens := shell(machine, "ss -Hltn 'sport = :8888'"))
        assert len(listens.splitlines()) == 1
        say("Only this computer reaches the lab, and only with the token")

        assert "'kprobe:__x64_sys_execve'" in lab.run_notebook("notebooks/01_hello.ipynb")
        say("Chapter 1 runs, on a kprobe")

        lab.write("notebooks/mine.txt", "written in the machine")
        # bash -l is what `limactl shell` starts.
        assert shell(machine, "bash -lc 'findmnt -no FSTYPE -T .venv'").strip() == "ext4"
        shell(machine, "bash -lc './lab doctor'")
    with booted(machine, project), started(machine, config) as message:
        again = Lab(message)
        assert again.token == lab.token and again.get("status")["kernels"] == 0
        say("After a stop the lab is back, at the same address")


# --- what Lima does ---------------------------------------------------------------------------------


def filled(text: str, config: dict[str, Any]) -> str:
    """Lima's template variables, as far as lima.yaml uses them."""
    known = {"Name": NAME, "User": USER} | {f"Param.{key}": value for key, value in config["param"].items()}
    return re.sub(r"\{\{\.([\w.]+)\}\}", lambda match: known[match[1]], text)


def seed(machine: Path, project: Path, config: dict[str, Any]) -> None:
    """The folder that the machine sees as a disk of the label CIDATA: user-data and meta-data of NoCloud."""
    scripts = [filled(step["script"], config) for step in config["provision"] if step["mode"] == "system"]
    assert len(scripts) == len(config["provision"]), "this test knows scripts of the mode system only"
    files = {f"/mnt/scripts/{number:08}": script for number, script in enumerate(scripts)}
    files["/var/lib/cloud/scripts/per-boot/00-lima.boot.sh"] = BOOT
    files["/etc/pip.conf"] = PIP_CONF
    user = {
        "name": USER,
        "uid": str(UID),
        "homedir": HOME,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "ssh_authorized_keys": [(machine / "key.pub").read_text().strip()],
    }
    data = {
        "users": [user],
        "bootcmd": [
            *_mount("lab", str(project), "rw,cache=mmap"),
            *_mount("wheels", "/wheels", "ro,cache=loose"),
        ],
        "write_files": [
            {"path": path, "content": content, "permissions": "0755"} for path, content in files.items()
        ],
    }
    (machine / "seed").mkdir()
    (machine / "seed/user-data").write_text(f"#cloud-config\n{json.dumps(data)}\n")
    meta = {"instance-id": "iid-1", "local-hostname": f"lima-{NAME}"}
    (machine / "seed/meta-data").write_text(json.dumps(meta))


def _mount(tag: str, folder: str, options: str) -> list[list[str]]:
    options += ",trans=virtio,version=9p2000.L,msize=131072"
    return [["mkdir", "-p", folder], ["mount", "-t", "9p", "-o", options, tag, folder]]


@contextmanager
def booted(machine: Path, project: Path) -> Iterator[None]:
    """QEMU, while the block runs; then the machine is powered off."""
    qemu = [
        "qemu-system-x86_64", "-cpu", "Nehalem", "-smp", "1", "-m", "4G", "-nographic", "-no-reboot",
        "-kernel", BOX / "vmlinuz", "-initrd", BOX / "initrd.img",
        "-append", f"root=/dev/vda rw net.ifnames=0 console=ttyS0 {EMULATED}",
        "-drive", f"file={machine}/disk,if=virtio,cache=unsafe",
        "-drive", f"driver=vvfat,dir={machine}/seed,label=CIDATA,if=virtio,read-only=on",
        "-virtfs", f"local,path={project},mount_tag=lab,security_model=none",
        "-virtfs", f"local,path={ARTEFACTS}/wheels,mount_tag=wheels,security_model=none,readonly=on",
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{SSH}-:22", "-device", "virtio-net-pci,netdev=net,romfile=",
    ]  # fmt: skip
    say("Booting; its console is in tests/machines/artefacts/lima-console.log")
    with open(ARTEFACTS / "lima-console.log", "wb") as console:
        process = subprocess.Popen(
            [*TO_THE_END, *qemu], stdin=subprocess.DEVNULL, stdout=console, stderr=console
        )
    try:
        yield
        subprocess.run([*ssh(machine), "sudo poweroff"], check=False)
        process.wait(600)
    finally:
        process.kill()
        process.wait()


def ssh(machine: Path, *more: str) -> list[str]:
    """The beginning of a command line that runs what follows in the machine."""
    options = [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "ConnectTimeout=20",
    ]
    key = ["-i", str(machine / "key"), "-p", str(SSH), *(f"-o{option}" for option in options)]
    return ["ssh", *key, *more, f"{USER}@127.0.0.1"]


def shell(machine: Path, command: str) -> str:
    """Run a command in the machine; returns what it prints, and shows it."""
    done = run(*ssh(machine), command, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    return done.stdout


@contextmanager
def started(machine: Path, config: dict[str, Any]) -> Iterator[str]:
    """What `limactl start` does once the machine boots: show its log, wait for it, forward the port; the message at the end."""
    with open(ARTEFACTS / "lima-console.log", "ab") as log:
        until(
            lambda: not subprocess.run([*ssh(machine), "true"], stderr=log, check=False).returncode,
            seconds=3600,
        )
    say("It boots; the log of cloud-init:")
    log = subprocess.Popen([*TO_THE_END, *ssh(machine), "tail -n +1 -F /var/log/cloud-init-output.log"])
    run(*ssh(machine), "cloud-init status --wait", timeout=4 * 3600)
    log.kill()
    for probe in config["probes"]:
        run(*ssh(machine), "bash -s", input=filled(probe["script"], config), text=True)
    port = config["portForwards"][0]["guestPort"]
    forward = [*TO_THE_END, *ssh(machine, "-N", "-L", f"127.0.0.1:{PORT}:127.0.0.1:{port}")]
    with subprocess.Popen(forward) as forwarding:
        until(lambda: not socket.socket().connect_ex(("127.0.0.1", PORT)))
        message = filled(config["message"], config)
        print_token = re.search(rf"\$\(limactl shell {NAME} (.*?)\)", message)
        assert print_token, "the message has no command that prints the token"
        token = shell(machine, print_token[1])
        yield message.replace(print_token[0], token).replace(f":{config['param']['port']}/", f":{PORT}/")
        forwarding.kill()


if __name__ == "__main__":
    main()
