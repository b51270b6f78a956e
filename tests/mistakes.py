"""Mistakes that beginners make in C: (program, rule of its explanation, what the error says, as a regular expression)."""

HELLO = "\nint hello(void *ctx) {\n  %s\n  return 0;\n}\n"
COUNT = "\n%s\nint hello(void *ctx) {\n  u64 uid = 0;\n  %s\n  return 0;\n}\n%s\n"
DIVIDED = HELLO % "int n = bpf_get_current_pid_tgid() >> 32; return n %% %s;"
ADDED = HELLO % "u64 *n = ctx; return __sync_fetch_and_add(n, 1);"
BY_VALUE = COUNT % ("BPF_HASH(counts);", "counts.lookup(uid);", "")
SENT = COUNT % ("BPF_PERF_OUTPUT(output);", "output.perf_submit(ctx, uid, sizeof(uid));", "")
NUMBER = HELLO % "u64 *p = bpf_get_current_task(); return p == 0;"
MISTAKES = [
    (HELLO % 'bpf_trace_printk("x")', "semicolon", r"line 3, column 24"),
    (HELLO % 'printf("x");', "print", r"line 3, column 3(?s:.)*bpf_trace_printk"),
    (HELLO % "msleep(3);", "no-such-function", r"line 3, column 3(?s:.)*no C library"),
    (HELLO % "char a[8]; memset(a, 0, bpf_ktime_get_ns()); bpf_trace_printk(\"%d\", a[1]);", "copy-memory", r"line 3(?s:.)*__builtin_memset"),
    (HELLO % 'char a[8]; bpf_get_current_comm(a, 8); return strcmp(a, "cat");', "compare-strings", r"line 3, column 49(?s:.)*byte by byte"),
    (HELLO % 'char a[8]; bpf_get_current_comm(a, 8); return __builtin_memcmp(a, "cat", bpf_ktime_get_ns());', "compare-strings", r"line 3(?s:.)*memcmp\(\)"),
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
    (DIVIDED % "3", "signed-division", r"line 3"),
    (DIVIDED % "(int)bpf_ktime_get_ns()", "signed-division", r"line 3"),
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
    (ADDED, "atomic-result", r"line 3"),
    (BY_VALUE, "address", r"line 5, column 17(?s:.)*write `&uid`"),
    (SENT, "address", r"line 5, column 27(?s:.)*write `&uid`"),
    (NUMBER, "number-as-pointer", r"line 3, column 8"),
    (
        "\nTRACEPOINT_PROBE(syscalls, sys_enter_chdir) { return 0; }"
        "\nint twice(struct tracepoint__syscalls__sys_enter_chdir *args) { return 0; }",
        "tracepoint-struct-twice",
        r"line 3: redefinition(?s:.)*int twice",
    ),
]  # fmt: skip
# The versions of clang that reject a program which others compile.
REJECTED_BY = {
    DIVIDED % "3": range(21),
    ADDED: range(21, 99),
    BY_VALUE: range(15, 99),
    SENT: range(15, 99),
    NUMBER: range(15, 99),
}
