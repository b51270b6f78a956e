"""./lab uninstall, in a clone: what ./lab made goes, what was there stays."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import copied

PACKAGE = "hello"  # small, and nothing needs it

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can install and mount without a password"
)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The lab's own files, with a .venv that is nearly empty, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return copied(tmp_path / "ebpf lab")


def lab(clone, *arguments):
    return subprocess.run([clone / "lab", *arguments], capture_output=True, text=True, check=False)


def files(clone):
    return {path.relative_to(clone): path.lstat().st_mtime for path in clone.rglob("*") if not path.is_dir()}


def is_installed(package):
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.startswith("ii")


def with_its_own_mounts(clone, script):
    """Run a shell's script there, in a mount namespace of its own: the rest of the machine keeps its mounts."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)


def stops_beside(clone, command, env=None):
    running = subprocess.Popen(command, env=env)
    try:
        done = lab(clone, "uninstall")
        assert done.returncode == 1 and f"process {running.pid}\n" in done.stderr, done.stderr
    finally:
        running.kill()
        running.wait()


def test_the_files_go_and_the_notebooks_stay_as_they_are(clone):
    (clone / "notebooks/01_hello.ipynb").write_text("mine now")
    before = files(clone)
    python = "import sys; sys.path.insert(0, '.'); import ebpf_lab.kernel.leftovers"
    subprocess.run(["/usr/bin/python3", "-c", python], cwd=clone, check=True)
    for path in (
        ".venv/bin/jupyter",
        "ebpf_lab.egg-info/PKG-INFO",
        ".ruff_cache/x",
        "tests/browser/artefacts/x",
        "tests/kernels/artefacts/x",
        "../cache/ebpf-lab/x",
    ):
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).touch()
    assert files(clone) != before
    done = lab(clone, "uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert files(clone) == before and not (clone / ".venv").exists()
    assert list((clone.parent / "cache").iterdir()) == []
    assert lab(clone, "uninstall").returncode == 0  # again, with nothing to do


def test_a_package_that_lab_installed_goes_and_one_that_was_there_stays(clone):
    if not shutil.which("apt-get"):
        pytest.skip("there is no apt-get here, so ./lab installs no packages")
    if is_installed(PACKAGE):
        pytest.skip(f"the package {PACKAGE} is installed here, so ./lab would not install it")
    try:
        done = lab(clone, "--as-root", "0", PACKAGE, "python3-bpfcc")
        assert done.returncode == 0 and is_installed(PACKAGE), done.stdout + done.stderr
        assert (clone / ".venv/libexec/ebpf-lab/made").read_text().split() == [PACKAGE]
        done = lab(clone, "uninstall")
        assert done.returncode == 0, done.stdout + done.stderr
        assert not is_installed(PACKAGE) and is_installed("python3-bpfcc")
    finally:
        subprocess.run(["dpkg", "--purge", PACKAGE], capture_output=True, check=False)


def test_the_module_with_the_kernels_headers_is_loaded_and_noted_with_its_boot(clone, monkeypatch):
    (clone / "bin").mkdir()
    (clone / "bin/modprobe").write_text(f'#!/bin/sh\necho "$*" >{clone.as_posix()!r}/loaded\n')
    (clone / "bin/modprobe").chmod(0o755)
    monkeypatch.setenv("PATH", str(clone / "bin"), prepend=os.pathsep)
    done = lab(clone, "--as-root", "0", "kheaders")
    assert done.returncode == 0, done.stderr
    assert (clone / "loaded").read_text() == "kheaders\n"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    assert (clone / ".venv/libexec/ebpf-lab/made").read_text() == f"kheaders {boot}"


def test_a_mount_that_lab_made_goes_and_one_that_was_there_stays(clone):
    script = """
    set -e
    umount /sys/fs/bpf
    ./lab --as-root 0 bpf:/sys/fs/bpf
    grep -c ' /sys/fs/bpf bpf ' /proc/mounts
    ./lab uninstall >/dev/null
    grep -c ' /sys/fs/bpf bpf ' /proc/mounts || true
    grep -c ' /sys/kernel/tracing tracefs ' /proc/mounts
    """
    done = with_its_own_mounts(clone, script)
    assert done.stdout.split() == ["1", "0", "1"], done.stdout + done.stderr


def test_a_venv_that_is_a_mount_is_emptied(clone):
    (clone / ".venv/share").mkdir(parents=True)
    script = "mount --bind .venv .venv && ./lab uninstall && ls -A .venv"
    done = with_its_own_mounts(clone, script)
    assert done.returncode == 0 and "share" not in done.stdout, done.stdout + done.stderr


def test_uninstall_stops_while_the_lab_runs_in_an_active_environment(clone):
    stops_beside(clone, ["sleep", "60"], os.environ | {"JUPYTER_PATH": f"{clone}/.venv/share/jupyter"})


def test_uninstall_stops_while_the_lab_runs(clone):
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/bin/python").symlink_to(shutil.which("sleep"))
    stops_beside(clone, [clone / ".venv/bin/python", "60"])
    assert (clone / ".venv/bin/python").is_symlink()
