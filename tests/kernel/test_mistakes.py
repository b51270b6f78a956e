"""Mistakes that beginners make in C. Each one has its own entry in the table."""

import struct

import pytest

from ebpf_lab import BPF, AttachError, CompileError

HELLO = "\nint hello(void *ctx) {\n  %s\n  return 0;\n}\n"
COUNT = "\n%s\nint hello(void *ctx) {\n  u64 uid = 0;\n  %s\n  return 0;\n}\n%s\n"


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("text", "rule", "message"),
    [
        (HELLO % 'bpf_trace_printk("x")', "semicolon", r"line 3, column 24"),
        (HELLO % 'printf("x");', "print", r"line 3, column 3(?s:.)*bpf_trace_printk"),
        (HELLO % "msleep(3);", "no-such-function", r"line 3, column 3(?s:.)*no C library"),
        (HELLO % 'return strlen("x") + msleep(3);', "no-such-function", r"line 3(?s:.)*no function msleep"),
        (HELLO % "char a[8]; memset(a, 0, bpf_ktime_get_ns()); bpf_trace_printk(\"%d\", a[1]);", "copy-memory", r"line 3(?s:.)*__builtin_memset"),
        (HELLO % 'char a[8]; bpf_get_current_comm(a, 8); return strcmp(a, "cat");', "compare-strings", r"line 3, column 49(?s:.)*byte by byte"),
        (HELLO % 'char a[8]; bpf_get_current_comm(a, 8); return __builtin_memcmp(a, "cat", 3);', "compare-strings", r"line 3(?s:.)*memcmp\(\)"),
        (HELLO % "u32 a = bpf_ktime_get_ns(); return min(a, 7);", "minimum", r"line 3(?s:.)*a < b \? a : b"),
        ("\n#include <linux/minmax.h>\nint hello(void *ctx) {\n  u32 a = bpf_ktime_get_ns();\n  return min(a, 7u);\n}\n", "macro-of-the-kernel", r"line 5, column 10(?s:.)*min\(\) is a macro"),
        ("\nstatic noinline int twice(int n) { return n * 2; }\n" + HELLO % "return twice(bpf_ktime_get_ns());", "not-inlined", r"line 5(?s:.)*Meaning: twice"),
        ("\nstatic int down(int n) { return n > 0 ? bpf_ktime_get_ns() + down(n - 1) * 3 : 1; }\n" + HELLO % "return down(bpf_ktime_get_ns());", "not-inlined", r"Meaning: down(?s:.)*recursion"),
        ("\nstatic __attribute__((noinline)) int twice(int n) { return n * 2; }\n" + HELLO % "return twice(3);", "noinline", r"line 2(?s:.)*static inline"),
        ("\n#include <linux/key.h>\nstruct key { u32 pid; };\n" + HELLO % "", "declared-in-a-header", r"line 3, column 8(?s:.)*linux/key\.h(?s:.)*my_key"),
        (HELLO % "int a\u200b = 1; return a;", "invisible-character", r"line 3, column 8: .*U\+200B"),
        ("\ufeff" + HELLO % "", "invisible-character", r"line 1, column 1: .*U\+FEFF"),
        (HELLO % "bpf_trace_printk(\u201chi\u201d);", "typographic-character", r"line 3, column 20"),
        (HELLO % "return args->fd;", "args", r"line 3(?s:.)*TRACEPOINT_PROBE"),
        ("\nTRACEPOINT_PROBE(syscalls, sys_chdir) {\n  return args->fd;\n}\n", "no-such-tracepoint", r"line 3(?s:.)*no tracepoint syscalls:sys_chdir(?s:.)*sys_enter_chdir"),
        ("\nint TRACEPOINT_PROBE(syscalls, sys_enter_chdir) {\n  return 0;\n}\n", "type-before-macro", r"line 2, column 5(?s:.)*remove int"),
        ('\nBPF_HASH("counts");\n' + HELLO % "", "quoted-name", r"line 2(?s:.)*counts without quotes"),
        ('\nRAW_TRACEPOINT_PROBE("sys_enter") {\n  return 0;\n}\n', "quoted-name", r"line 2(?s:.)*sys_enter without quotes"),
        (COUNT % ("BPF_HASH(counts);", "counts[uid]++;", ""), "map-as-array", r"line 5(?s:.)*`counts\.increment\(uid\);`"),
        ("\nint hello(struct pt_regs *ctx) {\n  return PT_REGS_PARM1(ctx);\n}\n", "struct-of-the-kernel", r"line 3(?s:.)*#include <uapi/linux/ptrace\.h>"),
        (COUNT % ("struct d { u32 pid; };\nBPF_PERF_OUTPUT(output);", "struct d e = {}; output.perf_submit(ctx, e, sizeof(e));", ""), "address", r"line 6(?s:.)*&e"),
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
        (
            "\nTRACEPOINT_PROBE(syscalls, sys_enter_chdir) { return 0; }"
            "\nint twice(struct tracepoint__syscalls__sys_enter_chdir *args) { return 0; }",
            "tracepoint-struct-twice",
            r"line 3: redefinition(?s:.)*int twice",
        ),
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


@pytest.mark.parametrize(
    ("probe", "rule", "message"),
    [
        ("TRACEPOINT_PROBE(syscalls, sys_chdir)", "no-such-hook", r"mean 'syscalls:sys_enter_chdir' or 'syscalls:sys_exit_chdir'\?$"),
        ("RAW_TRACEPOINT_PROBE(sys_enter_execve)", "no-raw-tracepoint", r"share sys_enter and sys_exit(?s:.)*mean 'sys_enter'\?$"),
        ("RAW_TRACEPOINT_PROBE(execve)", "no-raw-tracepoint", r"share sys_enter(?s:.)*TRACEPOINT_PROBE\(syscalls, sys_enter_execve\)"),
    ],
)  # fmt: skip
def test_a_probe_that_the_kernel_does_not_have_names_those_of_a_system_call(probe, rule, message):
    with pytest.raises(AttachError, match=message) as raised:
        BPF(text=f"\n{probe} {{\n  return 0;\n}}\n")
    assert raised.value.rule == rule


@pytest.mark.parametrize(
    "line",
    [
        'char a[64]; memset(a, 0, sizeof(a)); bpf_trace_printk("%d", a[3]);',
        "u64 a, b = 3; memcpy(&a, &b, sizeof(a)); return a;",
        'return strlen("abc");',
        "int n = bpf_ktime_get_ns(); return abs(n);",
    ],
)
def test_a_call_that_clang_folds_away_is_accepted(line):
    with BPF(text=HELLO % line) as b:
        b.load_func("hello", BPF.TRACEPOINT)
        assert "1 warning" in repr(b)


def test_a_warning_that_the_user_switches_off_stays_off():
    with BPF(text=HELLO % 'return strlen("abc");', cflags=["-Wno-implicit-function-declaration"]) as b:
        b.load_func("hello", BPF.TRACEPOINT)
        assert b.warnings == ""


def test_a_call_that_cannot_be_loaded_is_explained_without_the_compilers_warning():
    with pytest.raises(CompileError, match=r"line 3(?s:.)*msleep"):
        BPF(text=HELLO % "msleep(3);", cflags=["-Wno-implicit-function-declaration"])


def test_an_invisible_character_in_a_comment_or_a_string_is_accepted():
    with BPF(text=HELLO % '/* a\u200bb */ bpf_trace_printk("a\u200bb");') as b:
        b.load_func("hello", BPF.TRACEPOINT)


def test_the_types_of_the_c_library_are_known():
    BPF(text=HELLO % "uint64_t n = 0; bool b = true; pid_t p = 0;").close()


def test_a_field_of_a_type_that_bcc_does_not_know_is_read_and_does_not_end_python():
    text = """
struct data_t { u32 uid; pid_t pid; };
BPF_PERF_OUTPUT(output);
int hello(void *ctx) {
  struct data_t data = {};
  output.perf_submit(ctx, &data, sizeof(data));
  return 0;
}
"""
    sent = struct.pack("Ii", 7, -5)
    event = BPF(text=text)["output"].event(sent)
    assert (event.uid, event.pid) == (7, -5)


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
