"""Boot the Vagrantfile's machine: ``./lab test --vagrant`` runs this as root; it takes tens of minutes in software emulation.

make_box.sh builds a box from the distribution's packages. Then libvirt brings the machine up; it is used as a learner would
use it, halted, brought up again, provisioned again and destroyed. All this runs on a copy of the project, in its own
namespaces (mounts, processes, network): nothing else on this computer sees libvirt's settings, bridges, packet filters and
daemons, and they end with this program, however it ends.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from websocket import create_connection  # of websocket-client, which jupyter_server brings

ROOT = Path(__file__).parents[2]
ARTEFACTS = Path(__file__).parent / "artefacts"
BOX, WHEELS = ARTEFACTS / "box", ARTEFACTS / "wheels"
PORT = 8899
START = time.monotonic()

# What differs from a learner's machine, in the private ~/.vagrant.d: no KVM (/dev/kvm may exist and not work), a kernel
# beside the box, and longer timeouts. numpy needs x86-64-v2, so a Nehalem or newer. pip installs wheels that were
# downloaded on this computer; in emulation it had downloaded a quarter of them after ten minutes.
SETTINGS = """
Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 1200
  config.vm.synced_folder "{wheels}", "/wheels", type: "virtiofs"
  config.vm.provision "shell", inline: <<~SH
    printf '[global]\\nno-index = true\\nfind-links = /wheels\\n[install]\\nno-compile = true\\n' >/etc/pip.conf
  SH
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


def say(text):
    print(f"==> [{time.monotonic() - START:5.0f} s] {text}", flush=True)


def run(*command, **more):
    return subprocess.run(command, check=True, **more)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "what the test waits for did not come"
        time.sleep(0.1)
    return value


# --- namespaces and daemons -----------------------------------------------------------------------


def outside():
    """Run ``processes`` in its own namespaces of mounts and processes, and check that nothing stays on this computer."""
    for killed in ARTEFACTS.glob("run-*"):
        shutil.rmtree(killed)
    say("Downloading what pip in the machine will ask for")
    wheels()
    before = traces()
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    to_the_end = ["setpriv", "--pdeathsig", "KILL", *unshare]
    done = subprocess.run([*to_the_end, sys.executable, __file__, "processes"], check=False)
    if user := os.environ.get("SUDO_UID"):  # The user who started it may want to delete them.
        run("chown", "-R", user, ARTEFACTS)
    left = traces() - before
    assert not left, f"left behind: {left}"
    say("Nothing is left behind but the box" if not done.returncode else "FAILED")
    sys.exit(done.returncode)


def traces():
    """Network interfaces, mounts, and the files of libvirt and of this test."""
    found = set(os.listdir("/sys/class/net")) | set(Path("/proc/self/mounts").read_text().splitlines())
    for folder in ("/etc/libvirt", "/var/lib/libvirt", "/run/libvirt"):
        found |= set(map(str, Path(folder).rglob("*")))
    return found | set(map(str, ARTEFACTS.glob("run-*")))


def processes():
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


def daemons(run_folder):
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


# --- the lab, from outside ---------------------------------------------------------------------------


class Lab:
    """The server behind the address that ``vagrant up`` prints."""

    def __init__(self, printed):
        self.base, self.token = re.findall(r"open (http://127\.0\.0\.1:\d+)/lab\S*\?token=(\w+)", printed)[-1]

    def get(self, path, **more):
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.base}/api/{path}", headers=headers, **more)
        return json.loads(urllib.request.urlopen(request, timeout=120).read() or "null")

    def requires_the_token(self):
        try:
            urllib.request.urlopen(f"{self.base}/api/contents", timeout=120)
        except urllib.error.HTTPError as e:
            return e.code == 403
        return False

    def run_notebook(self, path):
        """Run all cells as JupyterLab does; returns the text of all outputs, and raises errors of cells without raises-exception."""
        cells = self.get(f"contents/{path}")["content"]["cells"]
        body = {"path": path, "type": "notebook", "name": path, "kernel": {"name": "python3"}}
        session = self.get("sessions", data=json.dumps(body).encode(), method="POST")
        address = f"{self.base.replace('http', 'ws')}/api/kernels/{session['kernel']['id']}/channels"
        channels = create_connection(address, header=[f"Authorization: token {self.token}"], timeout=600)
        texts = []
        for cell in cells:
            if cell["cell_type"] == "code":
                began = time.monotonic()
                outputs = execute(channels, cell["source"])
                line = cell["source"].splitlines()[0][:70]
                say(f"  {line:70} {time.monotonic() - began:5.1f} s")
                for output in outputs:
                    if "ename" in output and "raises-exception" not in cell["metadata"].get("tags", []):
                        raise AssertionError("\n".join(output["traceback"]))
                    texts.append(json.dumps(output))
        channels.close()
        self.get(f"sessions/{session['id']}", method="DELETE")
        return "\n".join(texts)


def execute(channels, code):
    """Run one cell through the kernel's channels; returns its outputs once it has ended."""
    number = uuid.uuid4().hex
    header = {
        "msg_id": number,
        "msg_type": "execute_request",
        "session": number,
        "username": "",
        "version": "5.3",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "allow_stdin": False,
        "stop_on_error": False,
    }
    message = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
    channels.send(json.dumps(message))
    outputs, replied, idle = [], False, False
    while not (replied and idle):
        got = json.loads(channels.recv())
        if got["parent_header"].get("msg_id") != number:
            continue
        kind, content = got["header"]["msg_type"], got["content"]
        replied |= kind == "execute_reply"
        idle |= kind == "status" and content["execution_state"] == "idle"
        if kind in ("stream", "display_data", "execute_result", "error"):
            outputs.append(content)
    return outputs


def listening():
    """The addresses on which the lab's port is open."""
    lines = subprocess.run(
        ["ss", "-Hltn", f"sport = :{PORT}"], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[3] for line in lines.splitlines()}


# --- the test ---------------------------------------------------------------------------------------


def copy_of_the_project(folder):
    """Copy the project as a user with uid 1000 would have it, with a .venv of that user."""
    listed = run(
        "git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", stdout=subprocess.PIPE, text=True
    )
    for file in filter(lambda file: (ROOT / file).is_file(), listed.stdout.splitlines()):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    (folder / ".venv").mkdir()
    (folder / ".venv/of-the-host").touch()
    run("chown", "-R", "1000:1000", folder)


def wheels():
    """Download what pip in the machine asks for; its Python is this distribution's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["build-system"]["requires"] + project["project"]["dependencies"]
    wanted += project["project"]["optional-dependencies"]["test"]
    version = subprocess.check_output(
        ["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2], sep='.')"], text=True
    )
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
    pip += ["--only-binary=:all:", "--python-version", version.strip()]
    run(*pip, "-c", ROOT / "constraints.txt", "-d", WHEELS, *wanted)


def network():
    until(lambda: "tap0" in Path("/proc/net/route").read_text())
    if not (BOX / "lab.box").exists():
        say("Building a box")
        run(Path(__file__).parent / "make_box.sh", BOX)
    with tempfile.TemporaryDirectory(dir=ARTEFACTS, prefix="run-") as folder:
        folder = Path(folder)
        daemons(folder)
        project, home = folder / "project", folder / "vagrant.d"
        copy_of_the_project(project)
        home.mkdir()
        (home / "Vagrantfile").write_text(SETTINGS.format(box=BOX, wheels=WHEELS))
        env = os.environ | {
            "VAGRANT_HOME": str(home),
            "VAGRANT_DEFAULT_PROVIDER": "libvirt",
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "LAB_BOX": "ebpf-lab",
            "LAB_PORT": str(PORT),
        }

        def vagrant(*arguments):
            say("vagrant " + " ".join(arguments))
            command = ["vagrant", *arguments]
            process = subprocess.Popen(
                command, cwd=project, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            printed = ""
            for line in process.stdout:
                if "Progress: " not in line:
                    print("   ", line, end="", flush=True)
                    printed += line
            assert process.wait() == 0, f"vagrant {arguments[0]} failed"
            return printed

        try:
            vagrant("box", "add", "--name", "ebpf-lab", str(BOX / "lab.box"))
            lab = Lab(vagrant("up"))
            assert listening() == {f"127.0.0.1:{PORT}"}
            assert lab.requires_the_token()
            assert "vagrant 600" in vagrant("ssh", "-c", "stat -c '%U %a' ~/.ebpf-lab-token")
            say("Only this computer reaches the lab, and only with the token")

            outputs = lab.run_notebook("notebooks/01_hello.ipynb")
            assert "'kprobe:__x64_sys_execve'" in outputs
            say("Chapter 1 runs, on a kprobe")

            content = {"type": "file", "format": "text", "content": "written in the machine"}
            lab.get("contents/notebooks/mine.txt", data=json.dumps(content).encode(), method="PUT")
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
        finally:
            vagrant("destroy", "--force")
        until(lambda: not listening())
        assert (project / "notebooks/mine.txt").read_text() == "written in the machine"
        assert os.listdir(project / ".venv") == ["of-the-host"]
        say(
            "Destroyed; what was written in the machine is still on the host, whose own .venv was never touched"
        )
        assert not run("virsh", "-q", "list", "--all", stdout=subprocess.PIPE).stdout.strip()
    say("All of it passed")


if __name__ == "__main__":
    {(): outside, ("processes",): processes, ("network",): network}[tuple(sys.argv[1:])]()
