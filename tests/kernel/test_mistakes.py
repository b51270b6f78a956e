"""Mistakes that beginners make in C. Each one has its own entry in the table."""

import pytest

from ebpf_lab import BPF, CompileError

HELLO = "\nint hello(void *ctx) {\n  %s\n  return 0;\n}\n"
COUNT = "\n%s\nint hello(void *ctx) {\n  u64 uid = 0;\n  %s\n  return 0;\n}\n%s\n"


@pytest.mark.parametrize(
    ("text", "rule", "message"),
    [
        (HELLO % 'bpf_trace_printk("x")', "semicolon", r"line 3, column 24"),
        (HELLO % 'printf("x");', "print", r"line 3, column 3(?s:.)*bpf_trace_printk"),
        (HELLO % 'int n = strlen("x");', "no-such-function", r"line 3, column 11(?s:.)*no C library"),
        (HELLO % "char a[8]; memset(a, 0, n);", "copy-memory", r"__builtin_memset"),
        ("\n#include <stdio.h>\n" + HELLO % "", "no-c-library-header", r"line 2, column 10"),
        ("\n#include <linux/nowhere.h>\n" + HELLO % "", "no-such-header", r"line 2"),
        (HELLO % "uint46_t n = 0;", "unknown-type", r"line 3(?s:.)*u64"),
        (HELLO % "struct data_t d = {};", "unknown-struct", r"line 3(?s:.)*struct data_t"),
        (COUNT % ("", "counts.increment(uid);", "BPF_HASH(counts);"), "map-below-its-use", r"line 5(?s:.)*above"),
        (COUNT % ("BPF_HASH(counts);", "cuonts.increment(uid);", ""), "misspelt", r"line 5(?s:.)*write counts"),
        (COUNT % ("BPF_HASH(counts);", "counts.lokup(&uid);", ""), "misspelt", r"line 5(?s:.)*write lookup"),
        (COUNT % ("struct d { u32 pid; };", "struct d e; e.size = 1;", ""), "no-such-field", r"line 5"),
        (HELLO % "return counted;", "undeclared", r"line 3, column 10"),
        (HELLO % 'bpf_trace_printk("Hello\n");', "python-string", r'line 3, column 20(?s:.)*r"""'),
        ("\nBPF_ARENA(pages, 4);\n" + HELLO % "", "newer-bcc", r"line 2(?s:.)*no BPF_ARENA\(\)"),
        (HELLO % "char b[600]; bpf_probe_read_kernel(b, 600, ctx); return b[9];", "stack-limit", r"line 2(?s:.)*512"),
        (HELLO % "float f = 1.5; f *= (long)ctx; return f;", "floating-point", r"line 3"),
        (HELLO % "int n = bpf_get_current_pid_tgid() >> 32; return n % 3;", "signed-division", r"line 3"),
        (HELLO % 'bpf_trace_printk("%d%d%d%d", 1, 2, 3, 4);', "too-many-arguments", r"line 3(?s:.)*three are left"),
        (HELLO % "char *name = 0; bpf_trace_printk(name);", "format", r'line 3(?s:.)*"%s", name'),
        (HELLO % "bpf_get_current_comm();", "arguments", r"line 3(?s:.)*takes 2"),
        (HELLO % "if (1 { return 1; }", "bracket", r"line 3"),
        ("\nint hello(void *ctx)\n  bpf_trace_printk(\"x\");\n  return 0;\n}\n", "outside-a-function", r"line 3"),
        (HELLO % "if (!data)\n    return 0;\n  data->pid = bpf_get_smp_processor_id();", "undeclared", r"line 3(?s:.)*named data"),
        ("\n# hello\n" + HELLO % "", "preprocessor", r"line 2"),
        ("\nint twice(int n) { return n; }\n" + HELLO % "return twice(2);", "own-function", r"line 5"),
        ("\nBPF_HASH(counts);\nBPF_HASH(counts);\n" + HELLO % "", "declared-twice", r"line 3(?s:.)*Meaning: counts"),
        ("\nBPF_HASH(none, u32, u32, 0);\n" + HELLO % "", "map-rejected", r"line 2"),
    ],
)  # fmt: skip
def test_a_mistake_is_explained(text, rule, message):
    with pytest.raises(CompileError, match=message) as raised:
        BPF(text=text)
    error = raised.value
    assert error.rule == rule and error.why and error.fix
    assert "Meaning: " in str(error)


def test_the_types_of_the_c_library_are_known():
    BPF(text=HELLO % "uint64_t n = 0; bool b = true; pid_t p = 0;").close()


def test_a_field_that_bcc_cannot_read_raises_an_error_and_does_not_end_python():
    text = """
struct data_t { u32 uid; pid_t pid; };
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  struct data_t data = {};
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
"""
    with pytest.raises(CompileError, match=r"line 2(?s:.)*pid_t") as raised:
        BPF(text=text)["output"].event(b"")
    assert raised.value.rule == "unreadable-event" and "u32" in raised.value.fix


def test_an_event_that_bcc_can_read_is_read():
    text = """
struct data_t { u32 uid; };
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  struct data_t data = {};
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
"""
    from ctypes import addressof, c_uint32

    with BPF(text=text) as b:
        assert b["output"].event(addressof(c_uint32(7))).uid == 7
