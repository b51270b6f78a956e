import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ebpf_lab import run


def test_each_process_runs_once_and_its_pid_is_kept():
    done = run("/bin/true", times=23)
    assert len(done) == len(set(done.pids)) == 23
    assert done.returncodes == [0] * 23


def test_a_command_line_is_split_as_a_shell_does(tmp_path):
    run(f"touch '{tmp_path}/a b'")
    assert (tmp_path / "a b").exists()


def test_exit_codes_are_kept():
    done = run(["/bin/sh", "-c", "exit 3"], times=2)
    assert done.returncodes == [3, 3] and "2 ended with an error" in repr(done)


def test_the_command_is_looked_up_in_path():
    assert run("true").command == [
        os.path.abspath(next(filter(os.path.exists, ("/usr/bin/true", "/bin/true"))))
    ]


def test_an_unknown_command_is_named():
    with pytest.raises(FileNotFoundError, match="no command 'no-such-command'"):
        run("no-such-command")


@pytest.mark.parametrize("times", [-1, 1.5, "3", True])
def test_times_must_be_a_whole_number(times):
    with pytest.raises(ValueError, match="whole number"):
        run("/bin/true", times=times)


def test_an_empty_command_is_an_error():
    with pytest.raises(ValueError, match="needs a command"):
        run("")


@pytest.mark.parametrize("uid", ["root", -1, 2**32 - 1, 10**30, 1.5])
def test_uid_must_be_the_number_of_a_user(uid):
    with pytest.raises(ValueError, match="number of a user"):
        run("/bin/true", uid=uid)


def test_a_command_of_bytes_is_an_error():
    with pytest.raises(TypeError, match="not bytes"):
        run(b"/bin/true")


def test_running_out_of_time_kills_the_process_and_reports_how_many_had_ended():
    children = set(_children())
    with pytest.raises(TimeoutError, match="0 of 5"):
        run("sleep 100", times=5, seconds=0.2)
    assert set(_children()) == children


def test_parallel_processes_run_at_once(tmp_path):
    meet = f"touch {tmp_path}/$$; until [ $(ls {tmp_path} | wc -l) = 3 ]; do sleep 0.01; done"
    done = run(["/bin/sh", "-c", meet], times=3, parallel=True)
    assert {path.name for path in tmp_path.iterdir()} == {str(pid) for pid in done.pids}


def test_running_out_of_time_kills_parallel_processes_too():
    children = set(_children())
    with pytest.raises(TimeoutError, match="0 of 3"):
        run("sleep 100", times=3, parallel=True, seconds=0.2)
    assert set(_children()) == children


def test_an_interrupt_kills_the_process():
    code = (
        "import signal; from ebpf_lab import run; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a background job has it ignored
        "print(flush=True); run('sleep 100')"
    )
    python = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with python:
        python.stdout.read(1)
        from helpers import until

        children = until(lambda: _children(python.pid))
        until(lambda: Path(f"/proc/{children[0]}/comm").read_text() == "sleep\n")
        python.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in python.stderr.read()
    assert not Path(f"/proc/{children[0]}").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root, or CAP_SETUID, may run something as another user")
def test_a_workload_can_run_as_another_user():
    check = '[ "$(id -u)" = 12345 ] && [ "$(id -G)" = 12345 ]'
    assert run(["/bin/sh", "-c", check], uid=12345).returncodes == [0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root, or CAP_SETUID, may run something as another user")
def test_a_workload_can_run_in_a_group_of_another_number_than_its_user():
    check = '[ "$(id -u)" = 12345 ] && [ "$(id -G)" = 54321 ]'
    assert run(["/bin/sh", "-c", check], uid=12345, gid=54321).returncodes == [0]


@pytest.mark.parametrize(
    ("gid", "why"), [("root", "number of a group"), (-1, "number of a group"), (7, "uid, too")]
)
def test_gid_must_be_the_number_of_another_user_s_group(gid, why):
    with pytest.raises(ValueError, match=why):
        run("/bin/true", uid=None if gid == 7 else 12345, gid=gid)


def _children(pid=None):
    task = Path(f"/proc/{pid or os.getpid()}/task")
    return [int(child) for children in task.glob("*/children") for child in children.read_text().split()]
