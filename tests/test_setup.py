"""What ./lab asks ebpf_lab.setup: packages, mounts, the helper, the environment, the kernelspec, notes for uninstall."""

import itertools
import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ebpf_lab.kernel import capabilities, headers
from ebpf_lab.setup import environment, helper, kernelspec, needs, packages, uninstall, venv

ROOT = Path(__file__).parents[1]


@pytest.fixture
def apt(monkeypatch):
    """An amd64 machine on which apt knows the packages that the test names."""
    known = set()

    def output(*command):
        if command[0] == "dpkg":
            return "amd64"
        shown = [
            f"{name}:\n  Installed: (none)\n  Candidate: {1 if name in known else '(none)'}\n"
            for name in command[2:]
        ]
        return "".join(shown)

    monkeypatch.setattr(packages, "_output", output)
    monkeypatch.setattr(platform, "release", lambda: "6.8.0-31-generic")
    return known.update


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """A .venv of the test's own; returns its folder."""
    monkeypatch.setattr(headers, "VENV", tmp_path / ".venv")
    (tmp_path / ".venv/libexec/ebpf-lab").mkdir(parents=True)
    return tmp_path / ".venv"


# Packages


@pytest.mark.parametrize(
    ("known", "installed"),
    [
        (["linux-headers-6.8.0-31-generic", "linux-headers-generic"], "linux-headers-6.8.0-31-generic"),
        (["linux-headers-amd64"], "linux-headers-amd64"),
        (["linux-headers-generic"], "linux-headers-generic"),
        ([], "linux-headers-6.8.0-31-generic"),
    ],
)
def test_the_headers_of_this_very_kernel_are_preferred(apt, known, installed):
    apt(known)
    assert packages.names("headers") == [installed]


@pytest.mark.parametrize(
    ("known", "installed"),
    [
        (["bpftool"], ["bpftool"]),
        (
            ["linux-tools-common", "linux-tools-6.8.0-31-generic"],
            ["linux-tools-common", "linux-tools-6.8.0-31-generic"],
        ),
        (["linux-tools-common"], []),
    ],
)
def test_bpftool_is_a_package_on_debian_and_two_on_ubuntu(apt, known, installed):
    apt(known)
    assert packages.names("bpftool") == installed


def test_a_package_that_only_some_distributions_have_is_left_out_with_a_note(apt, capsys):
    assert packages.names("chromium", "hello") == ["hello"]
    assert "the browser tests are skipped" in capsys.readouterr().err


def test_qemu_is_the_one_of_this_machine(apt):
    assert packages.names("qemu") == ["qemu-system-x86"]


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ({"ID": "debian"}, "./lab setup, or: sudo apt-get install python3-bpfcc"),
        (
            {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"},
            "./lab setup, or: sudo apt-get install python3-bpfcc",
        ),
        ({"ID": "fedora"}, "sudo dnf install python3-bcc"),
        ({"ID": "opensuse-tumbleweed", "ID_LIKE": "opensuse suse"}, "sudo zypper install python3-bcc"),
        ({"ID": "arch"}, "sudo pacman -S python-bcc"),
        ({"ID": "alpine"}, "sudo apk add py3-bcc"),
        ({"ID": "plan9"}, "install one of: python3-bpfcc, python3-bcc, python-bcc, py3-bcc"),
    ],
)
def test_the_command_names_the_package_of_the_distribution(monkeypatch, release, line):
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert packages.command("bcc") == line


def test_every_distribution_has_a_package_for_what_doctor_looks_for():
    for _, names in packages.OTHERS.values():
        assert set(names) == {"bcc", "bpftool", "headers"}


# What is missing


def test_each_thing_that_a_mode_needs_can_be_looked_for_and_installed():
    always = ["bcc", "headers", "bpftool", "libseccomp", "setcap"]
    names = set(itertools.chain(*packages.MACHINES.values()))
    for wanted in itertools.chain(always, *needs.MODES.values()):
        assert (wanted in needs._FOUND) == (wanted in packages.APT) == (wanted not in names)


def test_nothing_is_missing_on_a_machine_that_is_set_up(capsys):
    needs.main()
    assert capsys.readouterr().out == "BCC, kernel headers, bpftool, tracefs and bpffs are here\n"


def test_what_is_missing_becomes_a_sentence_and_the_arguments_for_root(monkeypatch, capsys):
    monkeypatch.setitem(needs._FOUND, "headers", lambda: False)
    monkeypatch.setattr(needs, "missing_mounts", lambda: ["/sys/fs/bpf"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(helper, "fault", lambda: "there is none")
    needs.main()
    sentence, *arguments = capsys.readouterr().out.splitlines()
    assert (
        sentence
        == "installing headers; mounting /sys/fs/bpf; giving the notebooks' kernels their capabilities"
    )
    assert arguments == ["1000", "headers", "bpf:/sys/fs/bpf"]


def test_without_apt_the_error_names_what_is_missing(monkeypatch):
    monkeypatch.setitem(needs._FOUND, "headers", lambda: False)
    monkeypatch.setattr(needs.shutil, "which", lambda name, **options: None)
    with pytest.raises(SystemExit, match=r"lacks headers.*\nFix: .*doctor"):
        needs.main()


def test_a_venv_of_another_user_is_not_written_to(lab, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != lab)
    with pytest.raises(SystemExit, match=r"another user.*\nFix: sudo chown -R \d+ \.venv"):
        needs.main()


@pytest.mark.parametrize(
    ("mounted", "missing"),
    [
        ("", ["/sys/kernel/tracing", "/sys/fs/bpf"]),
        ("nodev /sys/kernel/tracing tracefs rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n", []),
        ("debugfs /sys/kernel/debug debugfs rw 0 0\n", ["/sys/fs/bpf"]),
    ],
)
def test_what_is_not_mounted_is_missing(monkeypatch, tmp_path, mounted, missing):
    (tmp_path / "mounts").write_text(mounted)
    monkeypatch.setattr(needs, "PROC_MOUNTS", tmp_path / "mounts")
    assert needs.missing_mounts() == missing


def test_the_distributions_bcc_is_found_without_importing_it():
    assert (needs.bcc_folder() / "libbcc.py").exists()


# The capability helper


def carries(monkeypatch, path, mask, flags=1):
    path.touch()
    path.chmod(0o500)
    attribute = struct.pack("<5I", 0x02000000 | flags, mask & 0xFFFFFFFF, 0, mask >> 32, 0)
    monkeypatch.setattr(os, "getxattr", lambda *_: attribute)


def test_a_helper_that_carries_the_notebooks_capabilities_has_no_fault(lab, monkeypatch):
    mask = sum(1 << capabilities.CAPABILITIES[name] for name in capabilities.available())
    carries(monkeypatch, helper.path(), mask)
    assert helper.fault() == ""
    carries(monkeypatch, helper.path(), mask, flags=0)
    assert "does not carry" in helper.fault()
    carries(monkeypatch, helper.path(), mask ^ 1 << 5)
    assert "does not carry" in helper.fault()


def test_a_helper_that_other_users_may_execute_has_a_fault(lab, monkeypatch):
    carries(monkeypatch, helper.path(), 0)
    helper.path().chmod(0o555)
    assert "other users" in helper.fault()


def test_no_helper_is_a_fault(lab):
    assert "there is no capability helper" in helper.fault()


def test_setcap_writes_what_the_helper_is_checked_for(lab):
    helper.path().touch()
    helper.path().chmod(0o500)
    given = ",".join(f"cap_{name}" for name in capabilities.available())
    if subprocess.run(
        ["/sbin/setcap", f"{given}+ep", helper.path()], capture_output=True, check=False
    ).returncode:
        pytest.skip("only root may write file capabilities")
    assert helper.fault() == ""


# Python


def test_an_environment_that_has_everything_lacks_nothing():
    assert environment.missing() == []


def test_what_an_environment_lacks_is_named_as_pyproject_has_it(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["pandas>=99", "ipython>=8", "no-such>=1"]\n'
    )
    monkeypatch.setattr(environment, "PROJECT", tmp_path / "pyproject.toml")
    assert environment.missing() == ["pandas>=99", "no-such>=1"]


def test_an_environment_of_an_older_python_lacks_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert environment.missing() == ["Python 3.11"]


def test_venv_is_completed_once(monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr(venv, "VENV", tmp_path)
    monkeypatch.setattr(venv.signal, "signal", lambda *_: None)
    monkeypatch.setattr(venv, "_complete", lambda: True)
    monkeypatch.setattr(venv, "make", lambda: made.append("venv"))
    monkeypatch.setattr(venv, "install", made.append)
    venv.main("test")
    venv.main("test")
    venv.main()
    assert made == ["venv", ".[test]"]
    monkeypatch.setattr(venv, "stamp", lambda: "another Python")
    venv.main()
    assert made == ["venv", ".[test]", "venv", "."]


# The kernelspec


@pytest.fixture
def spec(lab, monkeypatch):
    """Writes the kernelspec for a Python, as a user with two capabilities; returns what it has."""
    monkeypatch.setattr(capabilities, "available", lambda: ["bpf", "kill"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(kernelspec.sysconfig, "get_path", lambda name: str(lab))

    def write(python):
        kernelspec.write(python)
        return json.loads((lab / "share/jupyter/kernels/python3/kernel.json").read_text())

    return write


def test_a_users_kernel_is_started_by_the_helper(lab, spec):
    argv = spec(lab / "bin/python")["argv"]
    start = [
        str(lab / "libexec/ebpf-lab/setpriv"),
        "--inh-caps",
        "+bpf,+kill",
        "--ambient-caps",
        "+bpf,+kill",
        "--",
    ]
    assert argv == [*start, str(lab / "bin/python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def test_roots_kernel_is_started_without_the_helper(lab, spec, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert spec(lab / "bin/python")["argv"][0] == str(lab / "bin/python")


def test_bcc_comes_to_venv_by_a_path_file_and_to_an_active_environment_by_a_variable(lab, spec):
    assert "PYTHONPATH" not in spec(lab / "bin/python")["env"]
    assert (lab / "ebpf-lab-bcc.pth").read_text() == f"{lab}/share/ebpf-lab/bcc\n"
    (lab / "ebpf-lab-bcc.pth").unlink()
    assert spec(Path("/conda/bin/python"))["env"]["PYTHONPATH"] == f"{ROOT}:{lab}/share/ebpf-lab/bcc"
    assert not (lab / "ebpf-lab-bcc.pth").exists()
    assert os.listdir(lab / "share/ebpf-lab/bcc") == ["bcc"]


# Uninstalling


def test_only_mounts_of_this_boot_and_packages_that_are_here_are_undone(lab, monkeypatch, tmp_path):
    boot = uninstall.BOOT.read_text()
    (tmp_path / "mounts").write_text("bpf /sys/fs/bpf bpf rw 0 0\nnodev /sys/kernel/tracing tracefs rw 0 0\n")
    monkeypatch.setattr(needs, "PROC_MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr(uninstall, "_installed", lambda: {"hello", "bash"})
    notes = (
        f"hello\ngone\nhello\n/sys/fs/bpf {boot}/sys/kernel/tracing of-another-boot\n/mnt/unmounted {boot}"
    )
    (lab / "libexec/ebpf-lab/made").write_text(notes)
    assert uninstall.made() == ["/sys/fs/bpf", "hello"]


def test_without_notes_nothing_is_undone(lab):
    assert uninstall.made() == []


def test_a_process_that_uses_venv_is_found(lab):
    sleeping = subprocess.Popen(["sleep", "60"], env=os.environ | {"JUPYTER_PATH": f"{lab}/share/jupyter"})
    try:
        assert uninstall.running() == [sleeping.pid]
    finally:
        sleeping.kill()
        sleeping.wait()


# All of it


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "ebpf_lab/setup").glob("*.py")))
def test_each_module_of_setup_needs_the_standard_library_alone(module):
    code = f"import sys; from ebpf_lab.setup import {module}; print(*(set(sys.modules) & {{'packaging', 'numpy', 'bcc', 'jupyterlab'}}))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "\n"
