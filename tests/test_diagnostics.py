import re

from ebpf_lab.diagnostics.compiler import call_error, compile_error, death_error
from ebpf_lab.diagnostics.lines import line_info, line_map
from ebpf_lab.diagnostics.verifier import verifier_error

SOURCE = """
BPF_HASH(counter_table);

int hello(void *ctx) {
  u64 *p, uid = 0;
  p = counter_table.lookup(&uid);
  *p += 1;
  return 0;
}
"""
# As BCC 0.26 rewrites it.
REWRITTEN = """#if defined(BPF_LICENSE)
#error BPF_LICENSE cannot be specified through cflags
#endif

BPF_HASH(counter_table);

__attribute__((section(".bpf.fn.hello")))
int hello(void *ctx) {

  u64 *p, uid = 0;
  p = bpf_map_lookup_elem((void *)bpf_pseudo_fd(1, -1), &uid);
  *p += 1;
  return 0;
}

"""


def test_a_rewritten_line_maps_to_the_learners_line():
    lines = line_map(SOURCE, REWRITTEN)
    of = {text: n for n, text in enumerate(REWRITTEN.splitlines(), 1)}
    assert lines[of["BPF_HASH(counter_table);"]] == 2
    assert lines[of["int hello(void *ctx) {"]] == 4
    assert lines[of["  p = bpf_map_lookup_elem((void *)bpf_pseudo_fd(1, -1), &uid);"]] == 6
    assert lines[of["  *p += 1;"]] == 7


def test_a_compile_error_marks_line_and_column():
    output = "/virtual/main.c:7:10: error: expected ';' after expression\n  *p += 1\n         ^\n1 error generated.\n"
    error = compile_error(output, SOURCE.replace("+= 1;", "+= 1"))
    assert "line 7, column 10: expected ';'" in str(error)
    assert "    7 |   *p += 1\n      |          ^" in str(error)
    assert "semicolon" in error.fix
    assert error.log == output


def test_tabs_before_the_column_are_kept_so_that_the_mark_is_aligned():
    output = "/virtual/main.c:2:2: error: use of undeclared identifier 'x'\n\tx;\n\t^\n"
    assert "      | \t^" in str(compile_error(output, "\n\tx;\n"))


def test_an_error_in_a_rewritten_line_names_the_learners_line():
    output = "/virtual/main.c:12:3: error: no\n  *p += 1;\n  ^\n"
    assert "line 7, column 3: no" in str(compile_error(output, SOURCE, REWRITTEN))


def test_an_error_in_a_header_names_the_line_of_the_include():
    output = (
        "In file included from /virtual/main.c:2:\n"
        "include/linux/fs.h:9:1: error: unknown type name 'wrong'\nwrong x;\n^\n"
    )
    assert "line 2: include/linux/fs.h: unknown type name" in str(
        compile_error(output, "\n#include <linux/fs.h>\n")
    )


def test_a_header_that_is_too_new_for_bcc_is_explained_with_the_line_of_the_include():
    output = """In file included from /virtual/main.c:2:
include/linux/bpf.h:368:10: error: invalid application of 'sizeof' to an incomplete type 'struct bpf_wq'
                return sizeof(struct bpf_wq);
                       ^     ~~~~~~~~~~~~~~~
"""
    error = compile_error(output, "\n#include <linux/bpf.h>\n")
    assert error.rule == "header-too-new" and error.line == 2
    assert "include/linux/bpf.h does not compile here" in str(error)


def test_a_line_is_found_whether_clang_quotes_it_with_a_number_or_without():
    head = "/virtual/main.c:9:7: error: expected ';' after expression\n"
    plain = head + "  *p += 1\n         ^\n"
    gutter = head + "    8 |   p = counter_table.lookup(&uid);\n    9 |   *p += 1\n      |         ^\n"
    source = SOURCE.replace("+= 1;", "+= 1")
    lines = {compile_error(output, source).line for output in (plain, gutter)}
    assert lines == {7}  # BCC has put two lines before it


def test_a_call_that_a_newer_clang_only_warns_of_is_explained_by_that_warning():
    text = "call to undeclared function 'msleep'; ISO C99 and later do not support implicit function declarations"
    output = f"/virtual/main.c:7:3: warning: {text}\n{REWRITTEN}"
    error = call_error(output, SOURCE, REWRITTEN, 0)
    assert error.rule == "no-such-function" and "no function msleep" in str(error)


def test_the_nearest_field_is_told_where_clang_does_not_tell_it():
    source = (
        "\nstruct data_t { u32 pid; char comm[16]; };\nint hello(void *ctx) { struct data_t d; d.pdi = 1; }\n"
    )
    output = "/virtual/main.c:3:43: error: no member named 'pdi' in 'struct data_t'\n"
    error = compile_error(output, source)
    assert error.rule == "misspelt" and "write pid" in error.fix


def test_an_unresolved_call_on_a_line_that_calls_nothing_is_the_compilers_own():
    for line in ("  __builtin_unreachable();", "  *(int *)0 = 1;"):
        source = SOURCE.replace("  *p += 1;", line)
        rewritten = REWRITTEN.replace("  *p += 1;", line)
        error = call_error(rewritten, source, rewritten, rewritten.split("\n").index(line) + 1)
        assert (error.rule, error.line) == ("undefined", 7)


def test_the_first_line_of_a_loop_is_named_however_few_instructions_it_has():
    body = "".join(f"{n}: (07) r7 += 1\n" for n in range(1, 8))
    loop = f"; first @ main.c:11\n0: (1d) if r6 == r7 goto pc+9\n; *p += 1; @ main.c:12\n{body}"
    log = f"0: R1=ctx() R10=fp0\n{loop * 9}The sequence of 8193 jumps is too complex.\nprocessed 72 insns\n"
    error = verifier_error("hello", "Bad address", log, SOURCE, REWRITTEN)
    assert (error.rule, error.line) == ("too-many-branches", 6)


def test_an_unclosed_string_is_explained_also_after_warnings_about_headers():
    output = (
        "arch/x86/include/asm/ibt.h:77:8: warning: 'nocf_check' attribute ignored [-Wignored-attributes]\n"
        "/virtual/main.c:3:20: warning: missing terminating '\"' character [-Winvalid-pp-token]\n"
        "/virtual/main.c:3:20: error: expected expression\n"
    )
    assert compile_error(output, SOURCE).rule == "python-string"


def test_a_line_of_c_that_looks_like_a_number_before_a_bar_is_no_gutter():
    output = "/virtual/main.c:3:6: error: use of undeclared identifier 'x'\n  1 | x;\n      ^\n"
    error = compile_error(output, "\nint a =\n  1 | x;\n")
    assert error.line == 3 and "    3 |   1 | x;" in str(error)


def test_warnings_and_further_errors_are_counted_and_kept_in_the_log():
    output = (
        "/virtual/main.c:5:7: warning: unused variable 'p'\n"
        "/virtual/main.c:6:1: error: first\n/virtual/main.c:7:1: error: second\n"
    )
    error = compile_error(output, SOURCE)
    assert "first" in str(error) and "second" not in str(error)
    assert "2 more: warning, error" in str(error)
    assert "second" in error.log


def test_output_of_an_unknown_form_is_shown_unchanged():
    assert "something else" in str(compile_error("something else\n", SOURCE))


def test_an_exceeded_stack_limit_names_the_function_and_its_line():
    output = (
        REWRITTEN
        + "error: /virtual/main.c:10:9: in function hello i32 (i8*): Looks like the BPF stack limit of 512 bytes is exceeded.\n"
    )
    error = death_error(output, SOURCE, REWRITTEN)
    assert "line 4: Looks like the BPF stack limit" in str(error)
    assert "in function hello" in str(error)
    assert error.rule == "stack-limit" and error.line == 4


def test_a_crash_without_output_is_reported_as_a_crash():
    assert "crashes the compiler" in str(death_error("", SOURCE, ""))


LOG = """bpf: Failed to load program: Permission denied
0: R1=ctx() R10=fp0
; p = bpf_map_lookup_elem((void *)bpf_pseudo_fd(1, -1), &uid);{lookup}
8: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=2,map=counter_table,ks=8,vs=8)
; *p += 1;{deref}
9: (79) r1 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 0

HINT: first check if that pointer is NULL.
"""


def test_a_verifier_error_names_the_learners_line_and_variable():
    log = LOG.format(lookup=" @ main.c:11", deref=" @ main.c:12")
    error = verifier_error("hello", "Permission denied", log, SOURCE, REWRITTEN)
    assert "hello: line 7: p may be NULL here" in str(error)
    assert "    7 |   *p += 1;" in str(error)
    assert "The kernel: R0 invalid mem access 'map_value_or_null' (Permission denied)" in str(error)
    assert error.rule == "null-check" and "if (!p) return 0;" in error.fix
    assert error.log == log


def test_quoted_lines_without_numbers_as_of_linux_6_1_are_found_in_the_source():
    log = "func#0 @0\nreg type unsupported for arg#0 function hello#26\n" + LOG.format(lookup="", deref="")
    error = verifier_error("hello", "Permission denied", log, SOURCE, REWRITTEN)
    assert "line 7" in str(error) and "reg type" not in str(error)


def test_a_log_without_quotes_names_the_line_of_the_function():
    log = "0: R1=ctx() R10=fp0\n0: (05) goto pc-1\ninfinite loop detected at insn 0\nprocessed 1 insns\n"
    assert "line 4" in str(verifier_error("hello", "Invalid argument", log, SOURCE, REWRITTEN))


def test_the_number_of_omitted_lines_is_exact():
    log = LOG.format(lookup="", deref="")
    message = str(verifier_error("hello", "Permission denied", log, SOURCE, REWRITTEN))
    said = [line for line in log.splitlines() if line.strip() and not line.startswith(("bpf:", "HINT"))]
    assert int(re.search(r"\((\d+) lines omitted", message)[1]) == len(said) - 1


def test_a_blank_line_added_by_bcc_does_not_shift_the_lines_after_it():
    source = (
        "\nint first(void *ctx) {\n  steps.increment(0);\n  next.call(ctx, 1);\n  steps.increment(2);\n}\n"
    )
    rewritten = (
        '\n__attribute__((section(".bpf.fn.first")))\nint first(void *ctx) {\n\n  ({ one(0); });\n'
        "  bpf_tail_call_(ctx, 1);\n  ({ one(2); });\n}\n"
    )
    lines = line_map(source, rewritten)
    assert [lines[n] for n in (3, 5, 6, 7, 8)] == [2, 3, 4, 5, 6]


def test_the_compilers_line_information_is_used_where_the_log_has_none():
    disassembly = (
        "Disassembly of function hello\n"
        "; p = bpf_map_lookup_elem((void *)bpf_pseudo_fd(1, -1), &uid); // Line  11\n   8:\t85 00\tcall 1\n"
        "; return other_file(); // Line  3\n"
        "; *p += 1; // Line  12\n   9:\t79 01\tr1 = *(u64 *)(r0 + 0)\n"
    )
    lines = line_info(disassembly, REWRITTEN)
    assert lines == {"hello": {8: 11, 9: 12}}
    log = "\n".join(line for line in LOG.splitlines() if not line.startswith(";"))
    assert verifier_error("hello", "", log, SOURCE, REWRITTEN).line == 0
    assert verifier_error("hello", "", log, SOURCE, REWRITTEN, lines["hello"]).line == 7


def test_a_message_without_an_explanation_is_shown_unchanged_and_marked_as_such():
    log = LOG.format(lookup=" @ main.c:11", deref=" @ main.c:12").replace(
        "R0 invalid mem access", "R0 smells"
    )
    error = verifier_error("hello", "Permission denied", log, SOURCE, REWRITTEN)
    assert "line 7: R0 smells 'map_value_or_null'" in str(error)
    assert "no explanation" in str(error) and error.rule == error.fix == error.why == ""


def test_a_line_that_is_not_known_is_reported_as_unknown():
    log = "0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns\n"
    error = verifier_error("hello", "Permission denied", log, SOURCE, REWRITTEN)
    assert error.line == 0 and "line 4" in str(error) and "does not say which line" in str(error)


def test_a_rejection_without_a_message_is_explained_by_its_errno():
    error = verifier_error("hello", "Argument list too long", "", SOURCE, REWRITTEN)
    assert error.rule == "too-long" and "no message (Argument list too long)" in str(error)


def test_a_variable_is_named_only_where_it_is_certain():
    two = SOURCE.replace("p = counter_table.lookup(&uid);", "q = p = counter_table.lookup(&uid);")
    log = LOG.format(lookup=" @ main.c:11", deref=" @ main.c:12")
    assert "line 7: p may be" in str(verifier_error("hello", "", log, two, REWRITTEN))
    other = SOURCE.replace("*p += 1", "*(u64 *)other(uid) += 1")
    assert "line 7: the value in R0 may be" in str(verifier_error("hello", "", log, other, REWRITTEN))


def test_a_verifier_that_the_lab_stopped_is_explained_by_the_seconds_it_had():
    error = verifier_error("hello", "Connection timed out", "", SOURCE, REWRITTEN, seconds=10)
    assert error.rule == "time" and "line 4: the verifier had not finished after 10 seconds" in str(error)
    assert "no message (stopped after 10 s)" in str(error)


def test_a_key_that_is_smaller_than_the_maps_is_explained_from_a_log_of_6_1_too():
    log = """0: R1=ctx(off=0,imm=0) R10=fp0
; u64 *p = counter_table.lookup(&uid);
0: (85) call bpf_map_lookup_elem#1
invalid indirect access to stack R2 off=-4 size=8
processed 1 insns"""
    error = verifier_error("hello", "Permission denied", log, SOURCE)
    assert error.rule == "smaller-than-the-map"
    assert "the key passed to bpf_map_lookup_elem() has 4 bytes, and the map's has 8" in str(error)


def test_a_function_that_a_newer_clang_does_not_know_is_explained_in_the_same_way():
    for called, kind, rule in [
        ("msleep", "", "no-such-function"),
        ("memset", "library ", "copy-memory"),
        ("printf", "library ", "print"),
    ]:
        output = f"/virtual/main.c:7:3: error: call to undeclared {kind}function '{called}'; ISO C99 and later do not support implicit function declarations [-Wimplicit-function-declaration]\n"
        assert compile_error(output, SOURCE).rule == rule
