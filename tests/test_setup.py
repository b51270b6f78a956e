"""What ./lab asks ebpf_lab.setup: packages, mounts, the helper, the environment, the kernelspec, notes for uninstall."""

import itertools
import json
import os
import platform
import struct
import subprocess
import sys
import types
from pathlib import Path

import pytest
from helpers import until

from ebpf_lab.kernel import capabilities, headers
from ebpf_lab.setup import apt as next_packages
from ebpf_lab.setup import (
    bpftool,
    environment,
    helper,
    kernel_image,
    kernelspec,
    needs,
    packages,
    unavailable,
    uninstall,
    venv,
)

ROOT = Path(__file__).parents[1]


@pytest.fixture
def apt(monkeypatch, lab):
    """An amd64 machine on which nothing is here, and apt knows the packages that the test names; ``here`` are installed."""
    known = types.SimpleNamespace(packages=set(), here=set())

    def policy(name):
        version = {True: "1", False: "(none)"}
        return f"{name}:\n  Installed: {version[name in known.here]}\n  Candidate: {version[name in known.packages]}\n"

    def output(*command):
        return "amd64" if command[0] == "dpkg" else "".join(map(policy, command[2:]))

    monkeypatch.setattr(packages, "_output", output)
    monkeypatch.setattr(platform, "release", lambda: "6.8.0-31-generic")
    monkeypatch.setattr(needs, "is_here", lambda wanted: False)
    known.update, known.install = known.packages.update, known.here.update
    return known


@pytest.fixture
def lab(monkeypatch, tmp_path):
    """A .venv of the test's own; returns its folder."""
    monkeypatch.setattr(headers, "VENV", tmp_path / ".venv")
    (tmp_path / ".venv/libexec/ebpf-lab").mkdir(parents=True)
    return tmp_path / ".venv"


# Packages


@pytest.mark.parametrize(
    ("known", "best"),
    [
        (["linux-headers-6.8.0-31-generic", "linux-headers-generic"], "linux-headers-6.8.0-31-generic"),
        (["linux-headers-amd64"], "linux-headers-amd64"),
        (["linux-headers-generic"], "linux-headers-generic"),
    ],
)
def test_the_headers_of_this_very_kernel_are_preferred(apt, known, best):
    apt.update(known)
    assert packages.candidates("headers")[0] == [best]


@pytest.mark.parametrize(
    ("known", "best"),
    [
        (["bpftool"], ["bpftool"]),
        (
            ["linux-tools-common", "linux-tools-6.8.0-31-generic", "linux-tools-generic"],
            ["linux-tools-common", "linux-tools-6.8.0-31-generic"],
        ),
        (["linux-tools-common", "linux-tools-generic"], ["linux-tools-common", "linux-tools-generic"]),
    ],
)
def test_bpftool_is_a_package_on_debian_and_two_on_ubuntu(apt, known, best):
    apt.update(known)
    assert packages.candidates("bpftool")[0] == best


def test_a_package_that_did_not_help_is_followed_by_the_next(apt, capsys):
    apt.update(["linux-tools-common", "linux-tools-6.8.0-31-generic", "linux-tools-generic"])
    next_packages.main("bpftool")
    assert capsys.readouterr().out.split() == ["linux-tools-common", "linux-tools-6.8.0-31-generic"]
    apt.install(["linux-tools-common", "linux-tools-6.8.0-31-generic"])
    next_packages.main("bpftool")
    assert capsys.readouterr().out.split() == ["linux-tools-common", "linux-tools-generic"]


def test_what_is_here_is_not_installed(apt, monkeypatch, capsys):
    apt.update(["bpftool", "hello"])
    monkeypatch.setattr(needs, "is_here", lambda wanted: wanted == "bpftool")
    next_packages.main("bpftool", "hello")
    assert capsys.readouterr().out == "hello\n"


def test_the_others_are_installed_before_what_no_package_brings_is_noted(apt, capsys):
    apt.update(["hello"])
    next_packages.main("chromium", "hello")
    assert capsys.readouterr() == ("hello\n", "")
    assert unavailable.known() == set()


def test_an_optional_thing_that_no_package_brings_is_noted_with_what_is_lost(apt, capsys):
    next_packages.main("chromium")
    assert capsys.readouterr() == (
        "",
        f"lab: no package here brings chromium: {packages.OPTIONAL['chromium']}\n",
    )
    assert unavailable.known() == {"chromium"}


def test_headers_that_no_package_brings_end_the_run_with_what_works_instead(apt):
    with pytest.raises(SystemExit, match=r"headers for Linux 6.8.0-31-generic\nFix: .*BCC_KERNEL_SOURCE"):
        next_packages.main("headers", "bpftool")
    assert unavailable.known() == {"headers", "bpftool"}


def test_nothing_is_noted_if_apt_could_not_read_its_lists(apt):
    next_packages.main("--unread", "chromium")
    with pytest.raises(SystemExit, match=r"no package for headers\nFix: .*check the network"):
        next_packages.main("--unread", "chromium", "headers")
    assert unavailable.known() == set()


@pytest.fixture
def lists(lab, monkeypatch, tmp_path):
    """A folder with apt's lists, of the test's own."""
    (tmp_path / "lists").mkdir()
    monkeypatch.setattr(unavailable, "APT_STATE", [tmp_path / "lists", tmp_path / "none"])
    return tmp_path / "lists"


def test_what_is_noted_adds_up(lists):
    unavailable.remember(["chromium"])
    unavailable.remember(["bpftool"])
    assert unavailable.known() == {"bpftool", "chromium"}


def test_another_kernel_is_asked_about_again(lists, monkeypatch):
    unavailable.remember(["bpftool"])
    monkeypatch.setattr(platform, "release", lambda: "99.1")
    assert unavailable.known() == set()
    unavailable.remember(["chromium"])
    assert unavailable.known() == {"chromium"}


def test_new_lists_are_asked_again(lists):
    unavailable.remember(["bpftool"])
    (lists / "Packages").touch()
    os.utime(lists, (1, 1))
    assert unavailable.known() == set()


def test_what_is_known_not_to_be_had_is_not_installed_and_said(lists, monkeypatch, capsys):
    monkeypatch.setitem(needs._FOUND, "bpftool", lambda: False)
    monkeypatch.setattr(needs.shutil, "which", lambda name, **options: name)
    unavailable.remember(["bpftool"])
    needs.main()
    assert capsys.readouterr().out == (
        "BCC, kernel headers, tracefs and bpffs are here; "
        f"no package here brings bpftool: {packages.OPTIONAL['bpftool']}\n"
    )


def test_headers_known_not_to_be_had_end_the_run_at_once(lists, monkeypatch):
    monkeypatch.setitem(needs._FOUND, "headers", lambda: False)
    monkeypatch.setattr(needs, "_module_serves", lambda: False)
    monkeypatch.setattr(needs.shutil, "which", lambda name, **options: name)
    unavailable.remember(["headers"])
    with pytest.raises(SystemExit, match=r"no package here brings headers .*\nFix: .*BCC_KERNEL_SOURCE"):
        needs.main()


def test_qemu_is_the_one_of_this_machine(apt):
    assert packages.choices("qemu") == ["qemu-system-x86"]


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


def test_one_command_installs_all_that_a_distribution_without_apt_lacks(monkeypatch):
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "fedora"})
    line = "sudo dnf install python3-bcc kernel-devel-$(uname -r) bpftool libseccomp"
    assert packages.command("bcc", "headers", "bpftool", "libseccomp") == line


def test_no_command_points_back_to_what_has_just_failed(lists):
    for wanted in packages.INSTEAD:
        unavailable.remember([wanted])
        assert packages.command(wanted) == packages.INSTEAD[wanted]


def test_what_doctor_looks_for_has_a_way_without_a_package():
    assert set(packages.INSTEAD) == {"bcc", "bpftool", "headers"}


def test_every_distribution_has_a_package_for_what_doctor_looks_for():
    for _, names in packages.OTHERS.values():
        assert set(names) == {"bcc", "bpftool", "headers"}


# What is missing


def test_each_thing_that_a_mode_needs_can_be_looked_for_and_installed():
    always = ["bcc", "headers", "bpftool", "libseccomp", "setcap"]
    names = set(itertools.chain(*packages.MACHINES.values()))
    for wanted in itertools.chain(always, *needs.MODES.values()):
        assert (wanted in needs._FOUND) == (wanted in packages.APT) == (wanted not in names)


@pytest.mark.parametrize("mode", ["qemu", "debian"])
def test_what_virtme_ng_starts_is_installed_with_qemu(mode: str) -> None:
    """It starts ``busybox`` in the guest, and ends with a traceback where there is no ``file`` to tell a program's kind."""
    run = pytest.importorskip("virtme.commands.run", reason="./lab test --kernel alone needs virtme-ng")
    source = Path(run.__file__).read_text()
    assert '"file", "-L"' in source
    assert {"qemu", "busybox", "file"} <= set(needs.MODES[mode])


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
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "arch"})
    with pytest.raises(SystemExit, match=r"lacks headers.*\nFix: sudo pacman -S linux-headers"):
        needs.main()


def test_without_apt_the_lab_goes_on_without_what_is_optional(monkeypatch, capsys):
    monkeypatch.setitem(needs._FOUND, "bpftool", lambda: False)
    monkeypatch.setattr(needs.shutil, "which", lambda name, **options: None)
    needs.main()
    assert "no package here brings bpftool" in capsys.readouterr().out


@pytest.fixture
def kheaders(monkeypatch, tmp_path):
    """A kernel without headers that has them in a module; returns what apt knows for the very kernel."""
    modules = tmp_path / platform.release()
    modules.mkdir()
    (modules / "modules.dep").write_text("kernel/kernel/kheaders.ko.zst:\nkernel/fs/ext4/ext4.ko: a.ko\n")
    monkeypatch.setattr(headers, "MODULES", tmp_path)
    monkeypatch.setitem(needs._FOUND, "headers", lambda: False)
    monkeypatch.setattr(needs.shutil, "which", lambda name, **options: name)
    own = []
    monkeypatch.setattr(packages, "candidates", lambda wanted: [*own, ["linux-headers-generic"]])
    return own


def test_the_module_with_this_kernels_headers_is_loaded_before_other_headers_are_installed(kheaders, capsys):
    needs.main()
    sentence, _, wanted = capsys.readouterr().out.splitlines()
    assert "loading" in sentence and "installing" not in sentence and wanted == "kheaders"


def test_the_package_of_this_kernels_headers_is_preferred_to_the_module(kheaders, capsys):
    kheaders.append([packages.choices("headers")[0]])
    needs.main()
    assert capsys.readouterr().out.splitlines()[2] == "headers"


def test_a_kernel_without_that_module_has_headers_installed(kheaders, capsys):
    (headers.MODULES / platform.release() / "modules.dep").write_text("kernel/fs/ext4/ext4.ko: a.ko\n")
    needs.main()
    assert capsys.readouterr().out.splitlines()[2] == "headers"


def tool(path, script):
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def ubuntu(monkeypatch, tmp_path):
    """A machine whose bpftool is Ubuntu's script, which rejects this kernel; with those of two other kernels."""
    tool(tmp_path / "sbin/bpftool", "echo 'WARNING: bpftool not found for kernel 6.6.87' >&2; exit 2")
    for version in ("6.8.0-9-generic", "6.8.0-31-generic"):
        tool(tmp_path / "tools" / version / "bpftool", f"echo bpftool {version}")
    monkeypatch.setenv("PATH", str(tmp_path / "sbin"), prepend=os.pathsep)
    monkeypatch.setattr(bpftool, "LINUX_TOOLS", tmp_path / "tools")
    return tmp_path


def test_the_newest_bpftool_of_another_kernel_serves_where_ubuntus_script_rejects_this_one(ubuntu):
    assert bpftool.run().stdout == "bpftool 6.8.0-31-generic\n"


def test_notebooks_and_tests_find_that_bpftool_by_its_name(ubuntu):
    assert bpftool.folder() == [str(ubuntu / "tools/6.8.0-31-generic")]


def test_path_is_enough_where_it_has_a_bpftool_that_works(ubuntu):
    (ubuntu / "sbin/bpftool").write_text("#!/bin/sh\n")
    assert bpftool.folder() == []


def test_the_script_is_told_of_where_no_bpftool_works(ubuntu, monkeypatch):
    monkeypatch.setattr(bpftool, "LINUX_TOOLS", ubuntu / "none")
    assert bpftool.run().args[0] == str(ubuntu / "sbin/bpftool")


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


def test_a_chromium_that_is_a_snap_is_not_driven(monkeypatch, tmp_path):
    tool(tmp_path / "usr/chromium-browser", 'exec /snap/bin/chromium "$@"')
    tool(tmp_path / "snapd/snap", "")
    (tmp_path / "snap").mkdir()
    (tmp_path / "snap/chromium").symlink_to(tmp_path / "snapd/snap")
    monkeypatch.setenv("PATH", f"{tmp_path}/usr:{tmp_path}/snap")
    assert needs.chromium() is None
    tool(tmp_path / "opt/google-chrome", "exec /opt/google/chrome/chrome")
    monkeypatch.setenv("PATH", str(tmp_path / "opt"), prepend=os.pathsep)
    assert needs.chromium() == str(tmp_path / "opt/google-chrome")


# Another kernel


def test_the_distributions_kernel_is_booted_where_this_user_may_read_it(monkeypatch, tmp_path, capsys):
    (tmp_path / "vmlinuz").touch()
    monkeypatch.setattr(packages, "packaged_kernel", lambda: str(tmp_path / "vmlinuz"))
    kernel_image.main("debian")
    assert capsys.readouterr().out == f"{tmp_path}/vmlinuz\n"


def test_a_kernel_that_only_root_may_read_as_ubuntus_ends_the_run_with_the_command(monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(
        SystemExit, match="only root may read /boot/vmlinuz\nFix: sudo chmod a\\+r /boot/vmlinuz"
    ):
        kernel_image.main("/boot/vmlinuz")


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
    kernel = ["-m", "ipykernel_launcher", "-f", "{connection_file}", "--ext", "ebpf_lab.magic"]
    assert argv == [*start, str(lab / "bin/python"), *kernel]


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


def test_a_module_that_was_loaded_in_this_boot_is_unloaded(lab, monkeypatch, tmp_path):
    (lab / "libexec/ebpf-lab/made").write_text(f"kheaders {uninstall.BOOT.read_text()}")
    monkeypatch.setattr(headers, "KHEADERS", tmp_path / "none")
    assert uninstall.made() == []
    monkeypatch.setattr(headers, "KHEADERS", lab)
    assert uninstall.made() == ["kheaders"]


def test_without_notes_nothing_is_undone(lab):
    assert uninstall.made() == []


def test_a_process_that_uses_venv_is_found(lab):
    sleeping = subprocess.Popen(["sleep", "60"], env=os.environ | {"JUPYTER_PATH": f"{lab}/share/jupyter"})
    try:
        # The kernel closes the pipe that Popen waits for before a new program's environment can be read.
        until(uninstall.running)
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
