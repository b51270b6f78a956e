"""The lab for somebody who is not root, from a clone of the user's own."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import CACHE, answers, copied, server_of, until
from jupyter_client import BlockingKernelClient

ROOT = Path(__file__).parents[2]
USER, OTHER = 23456, 23457

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try this"),
    pytest.mark.timeout(1200),
]


def become(uid):
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--inh-caps=-all"]


@pytest.fixture
def nothing_left_behind():
    """Switched off: the programs are other processes', and Jupyter's client keeps threads in this one."""


@contextmanager
def cloned(**env):
    """A clone that belongs to the user, set up by ./lab; its step for root was done by root, without sudo.

    Where nothing can be installed (./lab test --kernel), the lab's own environment is the user's active one.
    """
    with tempfile.TemporaryDirectory(prefix="ebpf-lab-") as home:
        os.chmod(home, 0o755)
        copied(Path(home, "ebpf-lab"))
        subprocess.run(["chown", "-R", f"{USER}:{USER}", home], check=True)
        clone = User(Path(home, "ebpf-lab"))
        clone.env |= env
        clone.files = {str(path.relative_to(clone.path)) for path in clone.path.rglob("*") if path.is_file()}
        if not shutil.which("sudo"):
            assert "there is no sudo" in clone.lab("setup").stderr
        subprocess.run([clone.path / "lab", "--as-root", str(USER)], check=True)
        done = clone.lab("setup")
        assert done.returncode == 0, done.stdout + done.stderr
        yield clone


@pytest.fixture(scope="module")
def clone():
    with cloned() as clone:
        yield clone


class User:
    """What the user does in a clone."""

    def __init__(self, path):
        self.path, self.home = path, path.parent
        keep = ("PATH", "LANG", "SSL_CERT_FILE")
        self.env = {k: v for k, v in os.environ.items() if k in keep or k.startswith("PIP_")}
        self.env |= {"HOME": str(self.home), "USER": "learner", "PYTHONDONTWRITEBYTECODE": "1"}
        if not os.access(ROOT, os.W_OK):
            self.env["VIRTUAL_ENV"] = str(ROOT / ".venv")

    def run(self, *command, **more):
        command = [*become(USER), *map(str, command)]
        return subprocess.run(
            command, cwd=self.path, env=self.env, capture_output=True, text=True, check=False, **more
        )

    def lab(self, *arguments, path=None):
        env, self.env = self.env, self.env | ({"PATH": path} if path else {})
        try:
            return self.run("./lab", *arguments)
        finally:
            self.env = env


@pytest.fixture
def server(clone):
    """A running ./lab of the user: (process, url, token)."""
    log = clone.home / "log"
    with open(log, "wb") as file:
        command = [*become(USER), "./lab", "--no-browser", "--port", "0"]
        process = subprocess.Popen(command, cwd=clone.path, env=clone.env, stdout=file, stderr=file)
    try:
        yield process, *server_of(log)
    finally:
        process.send_signal(signal.SIGTERM)
        until(lambda: process.poll() is not None, 30)


def capabilities(pid):
    """{'CapEff': ..., 'CapPrm': ..., 'CapInh': ..., 'CapAmb': ...} of a process, each as the set of its bits."""
    status = Path(f"/proc/{pid}/status").read_text()
    return {
        name: {bit for bit in range(64) if int(mask, 16) >> bit & 1}
        for name, mask in re.findall(r"^(Cap(?:Eff|Prm|Inh|Amb)):\s*(\w+)", status, re.M)
    }


def post(url, token, path):
    request = urllib.request.Request(f"{url}/api/{path}?token={token}", method="POST", data=b"{}")
    return json.loads(urllib.request.urlopen(request).read() or "null")


def of_other(*command):
    """Run a command as a third user, who has nothing to do with the lab."""
    # Through a shell: setpriv itself keeps root's rights up to its execve.
    command = [*become(OTHER), "sh", "-c", '"$@"', "sh", *map(str, command)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(path.stem, marks=[] if "hello" in path.stem else pytest.mark.long)
        for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
    ],
)
def test_a_chapter_passes(clone, name):
    command = ["nbconvert", "--to", "notebook", "--stdout", "--execute", f"notebooks/{name}.ipynb"]
    done = clone.run(clone.path / ".venv/bin/jupyter", *command)
    assert done.returncode == 0, done.stderr[-3000:]
    assert name != "01_hello" or re.search(r"\d+ lines recorded, 0 lost", done.stdout)
    # A user's sandboxed compiles differ from root's; ./lab test --kernel, where each takes half a minute, uses these.
    shutil.copytree(clone.home / ".cache/ebpf-lab", CACHE / "ebpf-lab", dirs_exist_ok=True)


def test_the_server_and_its_terminals_have_no_capability_and_its_kernels_just_those_they_need(server):
    process, url, token = server
    kernel, _ = post(url, token, "kernels"), post(url, token, "terminals")
    assert kernel["name"] == "python3"
    names = until(
        lambda: {Path(f"/proc/{pid}/comm").read_text().strip(): pid for pid in children(process.pid)}
    )
    ipython = until(
        lambda: next(
            (p for p in children(process.pid) if b"ipykernel" in Path(f"/proc/{p}/cmdline").read_bytes()),
            None,
        )
    )
    until(lambda: capabilities(ipython)["CapAmb"])
    assert capabilities(ipython)["CapEff"] == {1, 2, 5, 6, 7, 21, 34, 38, 39}
    others = [pid for pid in children(process.pid) if pid != ipython]
    assert others, names
    for pid in [process.pid, *others]:
        assert not any(capabilities(pid).values()), pid
        assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}" in Path(f"/proc/{pid}/status").read_text()


def test_a_workload_of_another_user_gets_no_capability(clone):
    code = "from ebpf_lab import run; print(run(['/bin/grep', '-q', 'CapEff:.*[1-9a-f]', '/proc/self/status'], uid=int(__import__('sys').argv[1])).returncodes)"
    spec = json.loads((clone.path / ".venv/share/jupyter/kernels/python3/kernel.json").read_text())
    helper = spec["argv"][: spec["argv"].index("--") + 1]
    for uid, found in [(OTHER, "[1]"), (USER, "[1]")]:
        done = clone.run(*helper, clone.path / ".venv/bin/python", "-c", code, uid)
        assert done.stdout.strip() == found, done.stderr


def test_the_kernel_dies_with_its_killed_server(server):
    process, url, token = server
    post(url, token, "kernels")
    ipython = until(
        lambda: next(
            (p for p in children(process.pid) if b"ipykernel" in Path(f"/proc/{p}/cmdline").read_bytes()),
            None,
        )
    )
    until(lambda: capabilities(ipython)["CapAmb"])
    process.kill()
    until(lambda: not Path(f"/proc/{ipython}").exists(), 30)


def test_an_interrupt_through_the_server_reaches_the_kernel(clone, server):
    _, url, token = server
    kernel = post(url, token, "kernels")["id"]
    client = BlockingKernelClient()
    client.load_connection_file(
        next((clone.home / ".local/share/jupyter/runtime").glob(f"kernel-{kernel}.json"))
    )
    client.start_channels()
    try:
        until(lambda: answers(client), 60)
        asked = client.execute("print('endless'); import time; time.sleep(600)")
        while "endless" not in str(client.get_iopub_msg(60)["content"].get("text")):
            pass
        post(url, token, f"kernels/{kernel}/interrupt")
        while (reply := client.get_shell_msg(60))["parent_header"]["msg_id"] != asked:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt"
    finally:
        client.stop_channels()


def test_the_file_browser_can_t_read_what_the_user_can_t(clone, server):
    _, url, token = server
    secret = clone.path / "secret.txt"  # root's: the notebooks' kernels could read it
    secret.write_text("nothing for the browser")
    secret.chmod(0o600)
    for name, code in [("README.md", 200), ("secret.txt", 403)]:
        try:
            assert urllib.request.urlopen(f"{url}/api/contents/{name}?token={token}").status == code
        except urllib.error.HTTPError as e:
            assert e.code == code
    secret.unlink()


def test_nobody_else_can_reach_the_server(server):
    process, url, token = server
    ask = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).url)"
    assert "403" in of_other("python3", "-c", ask, f"{url}/api/contents").stderr
    assert of_other("python3", "-c", ask, f"{url}/lab").stdout.startswith(f"{url}/login")
    shown = of_other("cat", f"/proc/{process.pid}/cmdline", f"/proc/{process.pid}/environ").stdout
    assert "jupyter" in shown and token not in shown


def test_nobody_else_can_read_the_server_s_files(clone, server):
    process, url, token = server
    post(url, token, "kernels")
    runtime = clone.home / ".local/share/jupyter/runtime"
    kinds = {f"jpserver-{process.pid}.json", f"jpserver-{process.pid}-open.html", "kernel-*.json", "*secret*"}
    for kind in kinds:  # the token, the key of the kernels' messages, what cookies are signed with
        files = until(lambda kind=kind: list(runtime.glob(kind)))
        for file in files:
            assert of_other("cat", file).returncode != 0, file
    assert of_other("ls", runtime).returncode != 0


def test_nobody_else_may_execute_the_helper(clone):
    helper = clone.path / ".venv/libexec/ebpf-lab/setpriv"
    assert os.getxattr(helper, "security.capability")
    for uid, may in [
        (USER, True),
        (OTHER, False),
    ]:  # from a shell: setpriv itself keeps root's rights to the end
        command = [*become(uid), "sh", "-c", '"$0" --dump', helper]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == may, done.stderr


def test_setting_up_again_asks_for_nothing(clone):
    done = clone.lab("setup", path="/usr/bin:/bin")
    assert done.returncode == 0 and "are here" in done.stdout, done.stdout + done.stderr


def test_doctor_reports_what_notebooks_may_do_though_it_has_no_capabilities(clone):
    done = clone.lab("doctor")
    assert "the lab's notebooks may" in re.sub(r"\s+", " ", done.stdout)


def test_doctor_finds_the_helper_beside_an_active_environment(clone):
    environment = clone.home / "environment"
    clone.run(clone.path / ".venv/bin/python", "-m", "venv", "--without-pip", environment)
    (packages,) = environment.glob("lib/*/site-packages")
    (packages / "all.pth").write_text(f"{next(clone.path.glob('.venv/lib/*/site-packages'))}\n")
    with cloned(VIRTUAL_ENV=str(environment)) as other:
        done = other.lab("doctor")
        assert f"Python: the active environment {environment}" in done.stdout
        assert done.returncode == 0, done.stdout + done.stderr


def test_uninstalling_removes_the_helper_and_all_else_that_lab_made(clone):  # The last test here, as it does.
    gone = subprocess.Popen(["true"])
    gone.wait()
    instance = Path(f"/sys/kernel/tracing/instances/ebpf_lab-{gone.pid}-0")
    instance.mkdir()
    try:
        done = clone.lab("uninstall")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not instance.exists()
    finally:
        if instance.exists():
            instance.rmdir()
    left = {str(path.relative_to(clone.path)) for path in clone.path.rglob("*") if path.is_file()}
    assert left == clone.files
