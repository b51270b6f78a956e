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


def test_without_the_sandbox_libbcc_ends_the_whole_process():
    code = f"import bcc; bcc.BPF(text={TOO_MUCH_STACK!r}); print('alive')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode and b"alive" not in done.stdout


def test_a_program_that_crashes_the_compiler_is_reported():
    compiled = sandbox.compile_sandboxed(TOO_MUCH_STACK)
    assert compiled.crashed and "BPF stack limit" in compiled.output


def test_neither_a_good_program_nor_a_syntax_error_is_a_crash():
    assert not sandbox.compile_sandboxed(b"\nint hello(void *ctx) { return 0; }\n").crashed
    assert not sandbox.compile_sandboxed(b"\nint hello(\n").crashed


def test_the_child_cannot_use_bpf():
    compiled = sandbox.compile_sandboxed(
        b'\nBPF_TABLE_PINNED("hash", u64, u64, counts, 1, "/sys/fs/bpf/ebpf_lab_test");\n'
    )
    assert not compiled.crashed and re.search(r"counts.*Operation not permitted", compiled.output)


def test_the_child_shows_how_bcc_rewrites_the_source():
    compiled = sandbox.compile_sandboxed(
        b"\nBPF_HASH(t);\nint hello(void *ctx) {\n u64 k = 1;\n t.increment(k);\n return 0;\n}\n"
    )
    assert "t.increment" not in compiled.rewritten and ".bpf.fn.hello" in compiled.rewritten


def test_a_child_that_cannot_be_sandboxed_does_not_compile():
    child = "from ebpf_lab.loading import sandbox; sandbox.uapi.NR_BPF = None; sandbox.child([])"
    done = subprocess.run([sys.executable, "-c", child], input=b"", check=False)
    assert done.returncode == sandbox._NOT_TRIED


def test_flags_reach_the_compiler():
    compiled = sandbox.compile_sandboxed(b"\nint hello(void *ctx) { return ANSWER; }\n", ["-DANSWER=42"])
    assert "undeclared" not in compiled.output


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


def test_the_output_is_kept_for_the_same_source_flags_and_versions(kept):
    good = b"\nint hello(void *ctx) { return 0; }\n"
    first = sandbox.compile_cached(good, (), "one")
    (file,) = kept()
    assert sandbox.compile_cached(good, (), "one") == first and file.read_text() == first.output
    file.write_text("kept")
    assert sandbox.compile_cached(good, (), "one").output == "kept"
    for other in [(good, ("-DX",), "one"), (good, (), "another"), (good + b"\n", (), "one")]:
        assert sandbox.compile_cached(*other).output != "kept"
    assert len(kept()) == 4


def test_no_crash_is_kept_and_no_disk_is_needed(kept, monkeypatch):
    assert sandbox.compile_cached(TOO_MUCH_STACK, (), "").crashed
    assert kept() == []
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert not sandbox.compile_cached(b"\nint hello(void *ctx) { return 0; }\n", (), "").crashed


def test_a_compile_that_exceeds_its_time_is_ended_and_the_output_says_so_last(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.01)
    compiled = sandbox.compile_sandboxed(b"\nint hello(void *ctx) { return 0; }\n")
    assert (
        compiled.crashed and compiled.output.splitlines()[-1] == "the compiler did not finish within 0.01 s"
    )
