import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import until

from ebpf_lab.kernel import headers
from ebpf_lab.loading import sandbox

TOO_MUCH_STACK = b"""
int hello(void *ctx) {
  char large[600];
  bpf_probe_read_kernel(large, sizeof(large), ctx);
  bpf_trace_printk("%d", large[0]);
  return 0;
}
"""


@pytest.fixture(autouse=True)
def with_headers():
    headers.prepare()


def test_libbcc_really_ends_the_whole_process_without_a_trial():
    code = f"import bcc; bcc.BPF(text={TOO_MUCH_STACK!r}); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode and b"alive" not in done.stdout


def test_a_program_that_kills_the_compiler_is_found_out():
    tried = sandbox.compile_sandboxed(TOO_MUCH_STACK)
    assert tried.crashed and "stack limit of 512 bytes" in tried.output


def test_a_good_program_and_a_wrong_one_both_survive():
    assert not sandbox.compile_sandboxed(b"\nint hello(void *ctx) { return 0; }\n").crashed
    assert not sandbox.compile_sandboxed(b"\nint hello(\n").crashed


def test_the_child_cannot_reach_the_kernel():
    tried = sandbox.compile_sandboxed(
        b'\nBPF_TABLE_PINNED("hash", u64, u64, counts, 1, "/sys/fs/bpf/ebpf_lab_test");\n'
    )
    assert not tried.crashed and re.search(r"counts.*Operation not permitted", tried.output)


def test_the_child_shows_how_bcc_rewrites_the_text():
    tried = sandbox.compile_sandboxed(
        b"\nBPF_HASH(t);\nint hello(void *ctx) {\n u64 k = 1;\n t.increment(k);\n return 0;\n}\n"
    )
    assert "t.increment" not in tried.rewritten and ".bpf.fn.hello" in tried.rewritten


def test_a_child_that_cannot_try_is_no_death():
    child = "from ebpf_lab.loading import sandbox; sandbox.uapi.NR_BPF = None; sandbox.child([])"
    done = subprocess.run([sys.executable, "-c", child], input=b"", check=False)
    assert done.returncode == sandbox._NOT_TRIED


def test_flags_reach_the_compiler():
    tried = sandbox.compile_sandboxed(b"\nint hello(void *ctx) { return ANSWER; }\n", ["-DANSWER=42"])
    assert "undeclared" not in tried.output


def test_the_child_does_not_outlive_its_parent():
    text = "\n".join(
        ["#define M1(x) M2(x) M2(x)", *(f"#define M{i}(x) M{i + 1}(x) M{i + 1}(x)" for i in range(2, 26))]
    )
    endless = f"{text}\n#define M26(x) x+\nint hello(void *ctx) {{ return M1(1) 1; }}\n"
    code = f"from ebpf_lab.kernel import headers; from ebpf_lab.loading import sandbox; headers.prepare(); print(flush=True); sandbox.compile_sandboxed({endless.encode()!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        child = until(lambda: children.read_text().split())[0]
        until(lambda: b"sandbox" in Path(f"/proc/{child}/cmdline").read_bytes())
        until(lambda: "libbcc" in Path(f"/proc/{child}/maps").read_text())
        parent.kill()
    until(lambda: not Path(f"/proc/{child}").exists())


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return lambda: sorted((tmp_path / "ebpf-lab").glob("*"))


def test_what_a_compile_said_is_kept_for_the_same_text_flags_and_versions(kept):
    good = b"\nint hello(void *ctx) { return 0; }\n"
    first = sandbox.compile_cached(good, (), "one")
    (file,) = kept()
    assert sandbox.compile_cached(good, (), "one") == first and file.read_text() == first.output
    file.write_text("kept")
    assert sandbox.compile_cached(good, (), "one").output == "kept"
    for other in [(good, ("-DX",), "one"), (good, (), "another"), (good + b"\n", (), "one")]:
        assert sandbox.compile_cached(*other).output != "kept"
    assert len(kept()) == 4


def test_no_death_is_kept_and_no_disk_is_needed(kept, monkeypatch):
    assert sandbox.compile_cached(TOO_MUCH_STACK, (), "").crashed
    assert kept() == []
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert not sandbox.compile_cached(b"\nint hello(void *ctx) { return 0; }\n", (), "").crashed


def test_a_compiler_that_takes_too_long_is_ended_and_that_is_the_last_word(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.01)
    tried = sandbox.compile_sandboxed(b"\nint hello(void *ctx) { return 0; }\n")
    assert tried.crashed and tried.output.splitlines()[-1] == "the compiler did not finish within 0.01 s"
