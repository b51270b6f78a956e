"""Boot the Vagrantfile's machine: ``./lab test --vagrant`` runs this as root; it takes tens of minutes in software emulation.

make_box.sh builds a box from the distribution's packages. Then libvirt brings the machine up; it is used as a learner would
use it, halted, brought up again, provisioned again and destroyed. All this runs on a copy of the project, in its own
namespaces (mounts, processes, network): nothing else on this computer sees libvirt's settings, bridges, packet filters and
daemons, and they end with this program, however it ends.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from browser import Lab
from shared import (
    ARTEFACTS,
    PIP_CONF,
    copy_of_the_project,
    give_artefacts_to_the_user,
    run,
    say,
    until,
    wheels,
)

BOX = ARTEFACTS / "vagrant"
PORT = 8899

# What differs from a learner's machine, in the private ~/.vagrant.d: no KVM (/dev/kvm may exist and not work), a kernel
# beside the box, and longer timeouts. numpy needs x86-64-v2, so a Nehalem or newer.
SETTINGS = """
Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 1200
  config.vm.synced_folder "{wheels}", "/wheels", type: "virtiofs"
  config.vm.provision "shell", inline: "cat >/etc/pip.conf <<'END'\n{pip_conf}END"
  config.vm.provider "libvirt" do |libvirt|
    libvirt.driver = "qemu"
    libvirt.cpu_mode = "custom"
    libvirt.cpu_model = "Nehalem"
    libvirt.disk_driver cache: "unsafe"
    libvirt.kernel = "{box}/vmlinuz"
    libvirt.initrd = "{box}/initrd.img"
    libvirt.cmd_line = "root=/dev/vda rw net.ifnames=0"
  end
end
"""


# --- namespaces and daemons -----------------------------------------------------------------------


def outside() -> None:
    """Run ``processes`` in its own namespaces of mounts and processes, and check that nothing stays on this computer."""
    for killed in ARTEFACTS.glob("vagrant-run-*"):
        shutil.rmtree(killed)
    wheels()
    before = traces()
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    to_the_end = ["setpriv", "--pdeathsig", "KILL", *unshare]
    done = subprocess.run([*to_the_end, sys.executable, __file__, "processes"], check=False)
    give_artefacts_to_the_user()
    left = traces() - before
    assert not left, f"left behind: {left}"
    say("Nothing is left behind but the box" if not done.returncode else "FAILED")
    sys.exit(done.returncode)


def traces() -> set[str]:
    """Network interfaces, mounts, and the files of libvirt and of this test."""
    found = set(os.listdir("/sys/class/net")) | set(Path("/proc/self/mounts").read_text().splitlines())
    for folder in ("/etc/libvirt", "/var/lib/libvirt", "/run/libvirt"):
        found |= set(map(str, Path(folder).rglob("*")))
    return found | set(map(str, ARTEFACTS.glob("vagrant-run-*")))


def processes() -> None:
    """Run ``network`` in its own network namespace, which slirp4netns connects to the outside."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    ours = os.readlink("/proc/self/ns/net")
    until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != ours)
    subprocess.Popen(["slirp4netns", "--configure", "--disable-host-loopback", str(holder.pid), "tap0"])
    nsenter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", sys.executable, __file__, "network"]
    inside = subprocess.Popen(nsenter)
    while True:  # Process 1 must reap all orphans: to libvirt, a QEMU that is a zombie is alive.
        pid, status = os.wait()
        if pid == inside.pid:
            sys.exit(os.waitstatus_to_exitcode(status))


def daemons(run_folder: Path) -> None:
    """Start libvirt with its default settings, except that QEMU runs as root and without control groups."""
    run("mount", "-t", "sysfs", "sysfs", "/sys")
    for folder in ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt", "/var/log/libvirt", "/run"):
        private = run_folder / folder.strip("/").replace("/", "-")
        private.mkdir()
        if folder == "/etc/libvirt":
            shutil.copytree(folder, private, symlinks=True, dirs_exist_ok=True)
            (private / "qemu.conf").write_text(
                'user = "root"\ngroup = "root"\nsecurity_driver = "none"\nnamespaces = []\ncgroup_controllers = []\n'
            )
        run("mount", "--bind", private, folder)
    (run_folder / "resolv.conf").write_text("nameserver 10.0.2.3\n")  # slirp4netns's
    run("mount", "--bind", run_folder / "resolv.conf", os.path.realpath("/etc/resolv.conf"))
    for daemon in ("virtlogd", "libvirtd"):
        with open(run_folder / f"{daemon}.log", "wb") as log:
            subprocess.Popen([daemon], stdout=log, stderr=log)
    until(lambda: not subprocess.run(["virsh", "-q", "version"], capture_output=True, check=False).returncode)


def listening() -> set[str]:
    """The addresses on which the lab's port is open."""
    lines = subprocess.run(
        ["ss", "-Hltn", f"sport = :{PORT}"], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[3] for line in lines.splitlines()}


# --- the test ---------------------------------------------------------------------------------------


def network() -> None:
    until(lambda: "tap0" in Path("/proc/net/route").read_text())
    if not (BOX / "lab.box").exists():
        say("Building a box")
        run(Path(__file__).parent / "make_box.sh", BOX, "vagrant")
    with tempfile.TemporaryDirectory(dir=ARTEFACTS, prefix="vagrant-run-") as folder:
        daemons(Path(folder))
        project, home = Path(folder, "project"), Path(folder, "vagrant.d")
        copy_of_the_project(project)
        home.mkdir()
        (home / "Vagrantfile").write_text(
            SETTINGS.format(box=BOX, wheels=ARTEFACTS / "wheels", pip_conf=PIP_CONF)
        )
        vagrant = partial(
            _vagrant,
            project,
            VAGRANT_HOME=str(home),
            VAGRANT_DEFAULT_PROVIDER="libvirt",
            VAGRANT_CHECKPOINT_DISABLE="1",
            LAB_BOX="ebpf-lab",
            LAB_PORT=str(PORT),
        )
        try:
            vagrant("box", "add", "--name", "ebpf-lab", str(BOX / "lab.box"))
            use(vagrant)
        finally:
            vagrant("destroy", "--force")
        until(lambda: not listening())
        assert (project / "notebooks/mine.txt").read_text() == "written in the machine"
        assert os.listdir(project / ".venv") == ["of-the-host"]
        say("Destroyed; what was written in it is still on the host, whose own .venv was never touched")
        assert not run("virsh", "-q", "list", "--all", stdout=subprocess.PIPE).stdout.strip()
    say("All of it passed")


def use(vagrant: Callable[..., str]) -> None:
    """Use the machine as a learner does."""
    lab = Lab(vagrant("up"))
    assert listening() == {f"127.0.0.1:{PORT}"}
    assert lab.requires_the_token()
    assert "vagrant 600" in vagrant("ssh", "-c", "stat -c '%U %a' /var/lib/ebpf-lab/token")
    say("Only this computer reaches the lab, and only with the token")

    assert "'kprobe:__x64_sys_execve'" in lab.run_notebook("notebooks/01_hello.ipynb")
    say("Chapter 1 runs, on a kprobe")

    lab.write("notebooks/mine.txt", "written in the machine")
    vagrant("ssh", "-c", "./lab doctor")
    vagrant("halt")
    until(lambda: not listening())
    again = Lab(vagrant("up"))
    assert again.token == lab.token and again.get("status")["kernels"] == 0
    say("After a halt the lab is back, at the same address")

    vagrant("provision")
    assert again.get("contents/notebooks/mine.txt")["content"] == "written in the machine"
    say("Provisioning again changes nothing")

    tests = "tests/kernel/test_kprobes.py tests/kernel/test_hooks.py::test_a_system_call_is_attached_by_what_this_kernel_has"
    vagrant("ssh", "-c", f"LAB_PATIENCE=20 ./lab test -o timeout=1800 {tests}")
    say("Tests pass in it")


def _vagrant(project: Path, *arguments: str, **env: str) -> str:
    """Run Vagrant in the project's folder and show its lines; returns them."""
    say("vagrant " + " ".join(arguments))
    process = subprocess.Popen(
        ["vagrant", *arguments], cwd=project, env=os.environ | env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    printed = ""
    for line in process.stdout or ():
        if "Progress: " not in line:
            print("   ", line, end="", flush=True)
            printed += line
    assert process.wait() == 0, f"vagrant {arguments[0]} failed"
    return printed


if __name__ == "__main__":
    {(): outside, ("processes",): processes, ("network",): network}[tuple(sys.argv[1:])]()
