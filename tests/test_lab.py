"""The ./lab command, as somebody types it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from helpers import server_of

from ebpf_lab.kernel import capabilities

ROOT = Path(__file__).parents[1]


def lab(*arguments, **more):
    return subprocess.run([ROOT / "lab", *arguments], capture_output=True, text=True, check=False, **more)


def test_help_names_every_command_and_option():
    commands = {
        word for word in re.findall(r'^  "(\w+) ', (ROOT / "lab").read_text(), re.M) if word != "help"
    }
    assert commands == {"test", "setup", "doctor", "uninstall"}
    wanted = [f"./lab {command}" for command in commands]
    wanted += [
        "--kernel",
        "--machine",
        "--system",
        "--vagrant",
        "--lima",
        "--container",
        "--long",
        "--tests",
        "--no-browser",
        "--port",
    ]
    text = lab("--help").stdout
    assert [word for word in wanted if word not in text] == []


def test_lab_is_a_small_bootstrap():
    assert len((ROOT / "lab").read_text().splitlines()) <= 250


@pytest.mark.parametrize(
    "arguments",
    [["tset"], ["--prot", "1"], ["setup", "--all"], ["--port"], ["--port", "x"], ["--port=70000"]],
)
def test_a_wrong_argument_ends_lab_with_the_fix(arguments):
    done = lab(*arguments)
    assert done.returncode == 1
    assert "Fix:" in done.stderr and "--help" in done.stderr


def test_a_second_setup_changes_nothing_and_needs_no_network():
    before = {path: path.stat().st_mtime for path in (ROOT / ".venv").glob("*")}
    offline = os.environ | {
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "PIP_NO_INDEX": "1",
    }
    done = lab("setup", "--tests", env=offline)
    assert done.returncode == 0, done.stderr
    assert ".venv is complete" in done.stdout and "are here" in done.stdout
    assert {path: path.stat().st_mtime for path in (ROOT / ".venv").glob("*")} == before


def test_lab_works_from_any_folder(tmp_path):
    assert "01_hello" in lab("doctor", cwd=tmp_path).stdout


def test_the_exit_code_of_doctor_is_1_if_something_is_missing():
    done = lab("doctor")
    assert done.returncode == ("0 missing" not in done.stdout)


def test_the_server_prints_its_url_last_listens_on_this_machine_only_and_ends_on_a_signal(tmp_path):
    env = os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    with open(tmp_path / "log", "wb") as log:
        server = subprocess.Popen(
            [ROOT / "lab", "--no-browser", "--port", "0"], stdout=log, stderr=log, env=env
        )
    try:
        address, token = server_of(tmp_path / "log")
        url = f"{address}/lab/tree/notebooks/01_hello.ipynb?token={token}"
        kernel = urllib.request.Request(f"{address}/api/kernels?token={token}", method="POST", data=b"{}")
        assert urllib.request.urlopen(kernel).status == 201
        lines = (tmp_path / "log").read_text().splitlines()
        assert lines[-1] == url and all(line.startswith("==> ") for line in lines[:-1])
        info = json.loads(next(tmp_path.glob("jpserver-*.json")).read_text())
        assert info["hostname"] == "127.0.0.1" and info["root_dir"] == str(ROOT)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{address}/api/kernelspecs")
        specs = json.load(urllib.request.urlopen(f"{address}/api/kernelspecs?token={token}"))
        assert specs["default"] == "python3"
        assert str(ROOT / ".venv") in specs["kernelspecs"]["python3"]["spec"]["argv"][0]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


@pytest.mark.parametrize(
    "command",
    [
        [
            "shellcheck",
            "lab",
            ".ci/run",
            ".ci/long",
            "machines/provision.sh",
            "tests/machines/arm64_guest.sh",
            "tests/machines/arm64_init.sh",
            "tests/machines/debian_root.sh",
            "tests/machines/make_box.sh",
            "tests/kernels/guest.sh",
        ],
        ["ruff", "check"],
        ["ruff", "format", "--check"],
    ],
    ids=" ".join,
)
def test_the_code_is_clean(command):
    if command[0] != "ruff" and not shutil.which(command[0]):
        pytest.skip(f"there is no {command[0]} here: ./lab setup --tests installs it where it can be had")
    if command[0] == "ruff":
        command = [sys.executable, "-m", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_document_names_the_capabilities_of_a_notebook():
    page = (ROOT / "docs/machine.md").read_text()
    assert [name for name in capabilities.GRANTED if f"`{name}`" not in page] == []
    assert (
        lab("--capabilities").stdout == "".join(f"+{name}," for name in capabilities.available())[:-1] + "\n"
    )
