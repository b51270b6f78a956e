"""What the compiler, the kernel and BCC mean by their words: one table, for the errors and for docs/errors.md.

An entry is found by its ``words``, a regular expression; the first that matches
counts. Its texts may use what the expression names, as {size}, and for the
verifier {r}: the learner's name of the register that it speaks of.
``python -m ebpf_lab.diagnostics.explanations`` prints docs/errors.md.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """One mistake: what is ``meant``, ``why`` it is one, and ways to ``mend`` it, the likeliest first."""

    name: str
    words: str
    meant: str
    why: str
    mend: tuple[str, ...]
    example: str  # what the compiler or the kernel says, for docs/errors.md


def explain(table, words, **known):
    """-> (name, meant, why, ways to mend) of the first entry of ``table`` for ``words``, or None."""
    for entry in table:
        if found := re.search(entry.words, words, re.M):
            named = {name: text or "" for name, text in found.groupdict().items()} | known
            filled = [text.format_map(named) for text in (entry.meant, entry.why, *entry.mend)]
            return entry.name, filled[0], filled[1], filled[2:]
    return None


def explained(table, words, fix=""):
    """What ``table`` has on ``words``, as keyword arguments of a LabError; a ``fix`` that is known goes before."""
    name, _, why, ways = explain(table, words) or ("", "", "", [])
    return {"rule": name, "why": why, "fix": fix or "\n   or: ".join(ways)}


COMPILER = [
    Explanation(
        "semicolon",
        r"expected ';'",
        "the statement has no ; at its end.",
        "C goes by the semicolon, not by the end of the line; so the compiler notices only where the next thing begins.",
        ("put a semicolon (;) at the marked place.",),
        "expected ';' after expression",
    ),
    Explanation(
        "python-string",
        r"missing terminating '\"' character",
        'a text is opened by " and not closed on its line.',
        'C wants the closing " on the same line. Within """...""" Python turns \\n into a real end of line before C sees it.',
        ('write the program as r"""...""", or in a %%bpf cell; \\n then reaches C as it is.', 'close the text with ".'),
        "missing terminating '\"' character",
    ),
    Explanation(
        "no-c-library-header",
        r"'(?P<file>(?:std\w+|string|ctype|math|errno|unistd|time|assert|stdlib|inttypes|sys/\w+)\.h)' file not found",
        "{file} belongs to the C library, and a program in the kernel has none.",
        "a BPF program runs inside the kernel; there is nobody to link it with.",
        ("leave the #include out: BCC brings the types (u32, u64, bool) and the helpers.",),
        "'stdio.h' file not found",
    ),
    Explanation(
        "no-such-header",
        r"'(?P<file>[^']+)' file not found",
        "there is no {file} among the kernel headers that BCC uses.",
        "BCC compiles against the headers of one kernel version, and a file may have moved, or have never been part of them.",
        ("check its name; kernel headers are written <linux/sched.h> or <uapi/linux/ptrace.h>.",),
        "'linux/nothere.h' file not found",
    ),
    Explanation(
        "print",
        r"implicit(?:ly)? declar.*'(?P<called>printf|puts|fprintf|printk|print)'",
        "there is no {called}() in a BPF program.",
        "that function is another world's; a program in the kernel can call BPF helpers and functions of its own only.",
        ('bpf_trace_printk("...") writes a line to the trace pipe.',),
        "implicitly declaring library function 'printf'",
    ),
    Explanation(
        "copy-memory",
        r"implicit(?:ly)? declar.*'(?P<called>memcpy|memset|memmove|memcmp)'",
        "there is no {called}() to call: a BPF program has no C library.",
        "that function is the C library's. The compiler has one built in, which becomes plain instructions where the size is a constant.",
        ("write __builtin_{called}(...), with a size known when compiling.",),
        "implicitly declaring library function 'memcpy'",
    ),
    Explanation(
        "no-such-function",
        r"(?:implicit(?:ly)? declar|undeclared function).*'(?P<called>\w+)'",
        "nothing is named {called}() here: it is no BPF helper, no function of this program, or stands below its first use.",
        "in the kernel there is no C library: a BPF program can call the kernel's BPF helpers and its own functions, no others.",
        (
            "check the name: helpers begin with bpf_, as in bpf_get_current_comm(); a map's functions are written map.lookup(&key).",
            "a function of your own: define it above, as static inline.",
        ),
        "implicit declaration of function 'msleep' is invalid in C99",
    ),
    Explanation(
        "newer-bcc",
        r"^(?:.*\n)?\s*(?P<macro>(?:BPF|TRACEPOINT|RAW_TRACEPOINT|KFUNC|KRETFUNC|LSM|MODULE|USDT|XDP)_?\w*)\s*\(.*",
        "this BCC has no {macro}(), so the compiler takes it for the head of a function.",
        "maps and probes are made by macros that BCC defines; each came with some version of BCC.",
        ("check its spelling.", "use an older way, or a newer BCC: ./lab doctor says which one is here."),
        "BPF_ARENA(events);  a parameter list without types is only allowed in a function definition",
    ),
    Explanation(
        "unknown-type",
        r"unknown type name '(?P<type>\w+)'(?P<near>; did you mean '\w+')?",
        "nothing has said what the type {type} is.",
        "a type must be known before it is used: from BCC, from an #include, or from a struct or typedef above.",
        (
            "the kernel's own names are u8, u16, u32, u64, s32, s64, bool.",
            "a struct needs the word struct before its name, and its definition above.",
        ),
        "unknown type name 'uint46_t'",
    ),
    Explanation(
        "unreadable-event",
        r"Type: '(?P<type>[^']+)' not recognized",
        "BCC's event() can't read a field of type {type}.",
        "BCC makes a Python class of the struct that a program sends, and knows only C's basic types by name.",
        ("write u32 for pid_t, uid_t and __u32; u64 for __u64 and time types; char name[16] for a text.",),
        "Type: 'pid_t' not recognized. Please define the data with ctypes manually.",
    ),
    Explanation(
        "map-below-its-use",
        r"undeclared identifier '(?P<name>\w+)'.*\[a map below\]",
        "the map {name} is declared further down than it is used.",
        "C reads from top to bottom: a map must be declared above the function that uses it.",
        ("move the line that declares {name} above the function.",),
        "use of undeclared identifier 'counter_table'",
    ),
    Explanation(
        "misspelt",
        r"(?:undeclared identifier|no member named) '(?P<name>\w+)'.*(?:did you mean|\[near:) '(?P<near>\w+)'",
        "nothing is named {name} here; the nearest name is {near}.",
        "C knows a name only as it was declared, letter for letter.",
        ("write {near}, if that is what you mean.",),
        "use of undeclared identifier 'counter_tabel'; did you mean 'counter_table'?",
    ),
    Explanation(
        "undeclared",
        r"undeclared identifier '(?P<name>\w+)'",
        "nothing is named {name} here.",
        "a variable or a map must be declared above its first use. Names of the kernel's own variables mean nothing to a BPF program either.",
        ("declare it, with its type: u32 {name} = ...;", "a map: BPF_HASH({name}); above the function."),
        "use of undeclared identifier 'pid'",
    ),
    Explanation(
        "no-such-field",
        r"no member named '(?P<name>\w+)' in '(?P<struct>[\w ]+)'",
        "{struct} has no field named {name}.",
        "a struct has the fields that its definition lists; a tracepoint's are those of its format file in tracefs.",
        ("check the definition. A map's functions are lookup, update, delete, increment and some more.",),
        "no member named 'pdi' in 'struct data_t'",
    ),
    Explanation(
        "unknown-struct",
        r"incomplete type '(?P<struct>[\w ]+)'",
        "the compiler has heard of {struct}, but not what is in it.",
        "without the fields it can't tell the size.",
        ("define it above, or #include the kernel header that does.",),
        "variable has incomplete type 'struct data_t'",
    ),
    Explanation(
        "format",
        r"array initializer must be an initializer list or string literal",
        "the format of bpf_trace_printk() must be a text written out at that place.",
        "BCC puts the text onto the program's stack, and for that must see it when compiling.",
        ('bpf_trace_printk("%s", name), or one call for each text.', "texts stand in \"double\" quotes; 'x' is one character."),
        "array initializer must be an initializer list or string literal",
    ),
    Explanation(
        "too-many-arguments",
        r"too many args",
        "a call has more arguments than BPF can hand over.",
        "a BPF call has five registers for arguments. bpf_trace_printk() needs two for its format, so three are left.",
        ("print in two calls.", "send a struct through a perf or ring buffer."),
        "too many args to 0x200afb00: i64 = Constant<6>",
    ),
    Explanation(
        "stack-limit",
        r"stack limit of \d+ bytes",
        "the variables of this function need more than the 512 bytes of stack that a program has.",
        "the kernel's own stack is small, and a BPF program runs on it; so each one gets 512 bytes.",
        (
            "512 bytes are all there is: keep what is large in a map, BPF_PERCPU_ARRAY(scratch, struct big, 1), and scratch.lookup(&zero).",
            "reserve it in the ring buffer, and fill it there.",
        ),
        "Looks like the BPF stack limit of 512 bytes is exceeded.",
    ),
    Explanation(
        "signed-division",
        r"Cannot select: \w+: i64 = s(?:div|rem)",
        "/ or % stands between numbers that may be negative, and BPF divides unsigned ones only.",
        "int and s64 are signed; this compiler knows no instruction that divides them.",
        ("make it unsigned: u32 pid = ...; pid % 2.", "for odd and even, pid & 1."),
        "Cannot select: 0x2000c0e0: i64 = sdiv 0x2000c760, Constant:i64<2>",
    ),
    Explanation(
        "floating-point",
        r"built-in function '__\w*(?:sf|df|di|si)\w*'|floating point",
        "a BPF program can't calculate with float or double.",
        "BPF has whole numbers only; the kernel doesn't save the CPU's floating-point registers for it.",
        ("count in small units: nanoseconds, or thousandths. Divide in Python.",),
        "A call to built-in function '__floatdisf' is not supported.",
    ),
    Explanation(
        "own-function",
        r"cannot call non-static helper function",
        "a function that is called must be static.",
        "BCC makes a program of its own of each function that isn't, and one program can't call another.",
        ("write static inline before it.",),
        "cannot call non-static helper function",
    ),
    Explanation(
        "declared-twice",
        r"redefinition of '(?P<name>\w+?)(?:_table_t)?'",
        "{name} is declared a second time.",
        "a name may stand for one thing.",
        ("take one of the two away, or give it another name.",),
        "redefinition of 'counts_table_t'",
    ),
    Explanation(
        "outside-a-function",
        r"expected parameter declarator|initializer element is not a compile-time constant|expected function body",
        "a statement stands outside of any function.",
        "outside of functions C takes declarations only: maps, structs, variables, functions. What is to run stands between {{ and }} of one.",
        ("look upwards: a function's {{ is missing, or a }} comes too early.",),
        "expected parameter declarator",
    ),
    Explanation(
        "bracket",
        r"expected '[(){}\[\]]'|extraneous|expected identifier or '\('|unterminated function-like macro",
        "brackets don't pair up: one is missing, or there is one too many.",
        "the compiler notices only where the text makes no sense any more; that can be far below the mistake.",
        ("count the brackets from the marked place upwards; JupyterLab shows a bracket's partner.",),
        "expected '}'",
    ),
    Explanation(
        "preprocessor",
        r"invalid preprocessing directive",
        "a line that begins with # is an order to the compiler, and this one it doesn't know.",
        "comments in C are // to the end of the line, or /* ... */; # begins #include, #define and the like.",
        ("for a comment, write // instead of #.",),
        "invalid preprocessing directive",
    ),
    Explanation(
        "arguments",
        r"too (?P<which>few|many) arguments to function call, expected (?P<n>[\w ]+), have (?P<m>\d+)",
        "the call has {m} arguments, and the function takes {n}.",
        "helpers return a number; what is larger they write into memory that you give them, with its size.",
        ("look its arguments up: bpf_get_current_comm(&name, sizeof(name)) is typical.",),
        "too few arguments to function call, expected 2, have 0",
    ),
    Explanation(
        "map-refused",
        r"could not open bpf map: (?P<name>\w+), error: (?P<reason>.*)",
        "the kernel doesn't make the map {name}: {reason}.",
        "a map is made when the program is compiled, and the kernel checks its kind and its sizes.",
        ("check its sizes: room for one entry at least; a ring buffer's pages are a power of two.",),
        "could not open bpf map: counts, error: Invalid argument",
    ),
    Explanation(
        "expression",
        r"expected expression",
        "here should stand a value, and something else does.",
        "often the mistake is just before: a sign too many, a bracket, a text that isn't closed.",
        ("look at the marked place, and at what comes before it.",),
        "expected expression",
    ),
]  # fmt: skip

_POINTER = r"(?:map_value|ringbuf_mem|alloc_mem|mem|sock|sock_common|tcp_sock|ptr_|rdonly_mem|rdwr_mem)\w*"

VERIFIER = [
    Explanation(
        "null-check",
        rf"(?P<reg>R\d+) (?:invalid mem access '|type=){_POINTER}_or_null",
        "{r} may be NULL here, and nothing has checked it",
        "a lookup gives NULL for a key that isn't there, and a ring buffer may be full. Reading address 0 would crash the kernel.",
        ("check for NULL first: if (!{p}) return 0; after the line where it comes from.", "do the rest within if ({p}) {{ ... }}."),
        "R0 invalid mem access 'map_value_or_null'",
    ),
    Explanation(
        "released",
        r"(?P<reg>R\d+) (?:invalid mem access '|type=)(?:scalar|inv)\b.*\[was (?:ringbuf_mem|alloc_mem|mem|sock)",
        "{r} is used after it was given back",
        "a submitted record belongs to the reader, and a released object to the kernel: whoever uses it later may overwrite somebody else's.",
        ("do everything with {p} before it is submitted, discarded or released.", "submit, discard or release it once."),
        "R6 invalid mem access 'scalar'",
    ),
    Explanation(
        "packet-moved",
        r"(?P<reg>R\d+) invalid mem access '(?:scalar|inv)'.*\[was pkt",
        "{r} pointed into the packet, but a helper since may have moved the packet",
        "helpers as bpf_xdp_adjust_head() move or resize the packet's memory; old pointers lead to what was there before.",
        ("read ctx->data and ctx->data_end again after that call, and check the length again.",),
        "R6 invalid mem access 'scalar'",
    ),
    Explanation(
        "no-globals",
        r"(?P<reg>R\d+) invalid mem access '(?:scalar|inv)'.*\[was 0\]",
        "this uses a global variable or a table of constants, and with BCC a program has none",
        "a program keeps nothing between its runs but what is in maps. BCC doesn't make a map of the compiler's data sections, so their address stays 0.",
        (
            "keep the number in a map: BPF_ARRAY(counts, u64, 1);",
            "a table of constants: write it as switch, or fill a map from Python.",
        ),
        "R1 invalid mem access 'scalar'",
    ),
    Explanation(
        "not-a-pointer",
        r"(?P<reg>R\d+) invalid mem access '(?:scalar|inv)'",
        "{r} is read through like a pointer, but to the verifier it is just a number",
        "an address of the kernel's or of a process' memory may be wrong or gone; reading it directly could crash the machine. Helpers read it and report an error instead.",
        (
            "kernel memory: bpf_probe_read_kernel(&copy, sizeof(copy), address);",
            "a process' memory, as a file name: bpf_probe_read_user_str(text, sizeof(text), address);",
        ),
        "R0 invalid mem access 'scalar'",
    ),
    Explanation(
        "context-argument",
        r"(?P<reg>R\d+) type=(?P<type>\w+) expected=ctx",
        "{helper}() must be given this program's own context, and gets {gets}",
        "helpers that emit an event or jump to another program work on the event at hand; only the context tells them which.",
        ("hand over the function's first argument, ctx, as it came.",),
        "R1 type=scalar expected=ctx",
    ),
    Explanation(
        "not-a-record",
        r"(?P<reg>R\d+) type=(?P<type>\w+) expected=(?:ringbuf_mem|alloc_mem|sock|sock_common|ptr_)|reference has not been acquired",
        "{helper}() takes only what the kernel handed out to be given back, and gets {gets}",
        "submit, discard and release hand something back that was reserved; anything else would confuse the kernel's books.",
        (
            "hand over just what ringbuf_reserve() or the lookup helper gave, on the path where it isn't NULL.",
            "to send other memory, use ringbuf_output(&data, sizeof(data), 0).",
        ),
        "R1 type=map_value expected=ringbuf_mem",
    ),
    Explanation(
        "wrong-argument",
        r"(?P<reg>R\d+) type=(?P<type>\w+) expected=(?P<wanted>.*)",
        "{helper}() wants {argument} as an address of memory, and gets {gets}",
        "the helper reads or writes at that address, so the verifier must know what is there.",
        ("put the value into a variable, and hand over its address: &key.",),
        "R2 type=scalar expected=fp, pkt, pkt_meta, map_key, map_value, mem, ...",
    ),
    Explanation(
        "map-value-bounds",
        r"invalid access to map value, value_size=(?P<size>\d+) off=(?P<off>-?\d+) size=(?P<n>\d+)",
        "{r} points to a map value of {size} bytes, and this touches {n} bytes from byte {off}",
        "beyond the value lies other memory of the kernel. The verifier goes by the largest (or smallest) number that an index can be.",
        (
            "check an index first: if (i < N).",
            "check the type: the map's value must be as large as what the pointer says.",
            "another entry of an array is reached by another key, not by adding to the pointer.",
        ),
        "invalid access to map value, value_size=8 off=8 size=8",
    ),
    Explanation(
        "length",
        r"(?P<reg>R\d+) (?:min value is negative|unbounded memory access).*\[call\]",
        "{helper}() is told a length that may be too large: {i} is {range}",
        "the helper writes or reads that many bytes; more than the buffer holds would overwrite what lies behind it.",
        (
            "hand over sizeof(buffer).",
            "bound it just before: if (n > sizeof(buffer)) n = sizeof(buffer); with n of type u32 or u64.",
            "mask it: n & 15, for a buffer of 16.",
        ),
        "R2 min value is negative, either use unsigned or 'var &= const'",
    ),
    Explanation(
        "index",
        r"(?P<reg>R\d+) (?:unbounded memory access|min value is negative)|math between (?P<kind>\w+) pointer and register with unbounded",
        "an index that isn't bounded: {i} is {range}",
        "the verifier must know that each possible index stays inside. It knows only what the program has checked.",
        (
            "check it on both sides first: if (i < N), with i of type u32 or u64, so that it can't be negative.",
            "mask it: i & 7, for 8 entries.",
        ),
        "R0 unbounded memory access, make sure to bounds check any such access",
    ),
    Explanation(
        "uninitialised-stack",
        r"invalid (?:indirect )?read from stack(?: R\d+)? (?:var_)?off (?:-?\d|\()|\[never written\]",
        "a variable is read that nothing was written to, or only to a part of it",
        "what lies on the stack from before may be secrets of the kernel. Gaps that the compiler leaves between the fields of a struct count too.",
        (
            "set it to zero where it is declared: struct data_t data = {{}};",
            "a struct with gaps: __builtin_memset(&data, 0, sizeof(data)); before filling it.",
        ),
        "invalid indirect read from stack R2 off -8+0 size 8",
    ),
    Explanation(
        "stack-bounds",
        r"invalid (?:variable-offset |unbounded variable-offset )?(?:indirect )?(?:(?P<way>read|write|access)(?: from| to|) stack(?: (?P<reg>R\d+))?|stack off=)",
        "memory beyond a variable on the stack is touched",
        "next to a variable lie others, and the return address of the kernel's own code.",
        (
            "hand over sizeof(the variable), not a larger number.",
            "check an index first: if (i < sizeof(name)).",
        ),
        "invalid write to stack R1 off=-8 size=16",
    ),
    Explanation(
        "packet-bounds",
        r"invalid access to packet, off=(?P<off>-?\d+) size=(?P<n>\d+), (?P<reg>R\d+)\(id=\d+,(?:off=\d+,)?r=(?P<checked>\d+)\)",
        "this reads the packet before its length was checked that far",
        "a packet may be shorter than the headers that you expect. Only a comparison with data_end tells.",
        (
            "compare with data_end first, with the end of what you read: if ((void *)(ip + 1) > data_end) return XDP_PASS;",
            "after a step of variable length, compare again.",
        ),
        "invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)",
    ),
    Explanation(
        "uninitialised-variable",
        r"(?P<reg>R\d+) !read_ok",
        "a value is used that was never set",
        "a register that nothing was written to holds what the kernel left there.",
        (
            "give the variable a value where it is declared: int answer = 0;",
            "give each path of the function a return with a value.",
            "a division by the constant 0 ends here too.",
        ),
        "R0 !read_ok",
    ),
    Explanation(
        "endless-loop",
        r"infinite loop detected|back-edge from insn|loop is not bounded",
        "this loop never ends, as far as the verifier sees: a round changes nothing",
        "a program runs inside the kernel, which waits for it; it must come to an end.",
        ("bound it by a constant: for (int i = 0; i < 100; i++).", "do one step a run, and keep the state in a map."),
        "infinite loop detected at insn 1",
    ),
    Explanation(
        "too-long",
        r"program is too large\. Processed (?P<n>\d+) insn|too many instructions|Argument list too long",
        "the verifier gave up after a million steps: a loop is too long, or has no bound",
        "it follows each round of a loop and each branch. A program that it can't follow to the end it can't promise anything about.",
        (
            "bound the loop by a small constant: for (int i = 0; i < 100; i++).",
            "a loop of more rounds: the helper bpf_loop() (Linux 5.17), or do it in Python.",
        ),
        "BPF program is too large. Processed 1000001 insn",
    ),
    Explanation(
        "too-many-branches",
        r"sequence of (?P<n>\d+) jumps is too complex",
        "there are more ways through this loop than the verifier keeps in mind: {n} branches wait to be looked at",
        "each if in a loop doubles the ways; it remembers 8192 that it must come back to.",
        ("fewer rounds, by a constant bound.", "fewer ifs within the loop.", "the helper bpf_loop() (Linux 5.17) looks at its body once."),
        "The sequence of 8193 jumps is too complex.",
    ),
    Explanation(
        "lock",
        r"inside bpf_spin_lock-ed region|bpf_spin_unlock is missing|cannot be used inside.*lock",
        "a path leaves the function with a spin lock held",
        "another CPU would wait for that lock for ever.",
        ("call bpf_spin_unlock() on each path, before any return.",),
        "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region",
    ),
    Explanation(
        "unreleased",
        r"Unreleased reference id=(?P<id>\d+) alloc_insn=(?P<alloc>\d+)",
        "{r} is never given back on this path",
        "what a program reserves or looks up with a reference stays taken until it is given back: the ring buffer would fill up, the object never go.",
        (
            "a record: ringbuf_submit({p}, 0) or ringbuf_discard({p}, 0) before each return.",
            "a socket: bpf_sk_release({p}) on each path where it isn't NULL.",
        ),
        "Unreleased reference id=2 alloc_insn=4",
    ),
    Explanation(
        "helper-not-allowed",
        r"(?:program of this type cannot use helper|unknown func) (?P<called>\w+)#",
        "{type} programs may not call {called}(), or this kernel has no such helper",
        "a helper does its work only where it makes sense: a packet can't be changed where there is none.",
        ("use a helper that fits the hook; the kernel's words for the type are in man 7 bpf-helpers.", "attach the program to a hook whose type has the helper."),
        "program of this type cannot use helper bpf_xdp_adjust_head#44",
    ),
    Explanation(
        "license",
        r"cannot call GPL-restricted function|GPL compatible",
        "{helper}() may be called only by a program under a licence compatible with the GPL",
        "some helpers are reserved so by the kernel's authors, most of those for tracing among them.",
        ("leave out #define BPF_LICENSE: BCC's own default is GPL.", 'write  #define BPF_LICENSE GPL'),
        "cannot call GPL-restricted function from non-GPL compatible program",
    ),
    Explanation(
        "pointer-arithmetic",
        r"(?P<reg>R\d+) (?:pointer arithmetic (?:with (?P<op>\S+) operator|on (?P<on>\w+))|bitwise operator (?P<bit>\S+) on pointer|32-bit pointer arithmetic)",
        "{r} is a pointer, and this calculation is not allowed with it",
        "the verifier follows a pointer through adding and subtracting numbers. After anything else it could not tell where the pointer leads.",
        ("add to or subtract from a pointer only; not from the end of the packet.", "calculate with numbers first, and add the result at the end."),
        "R0 bitwise operator &= on pointer prohibited",
    ),
    Explanation(
        "leak",
        r"(?P<reg>R\d+) leaks addr",
        "an address of the kernel would get out: {r} is a pointer",
        "addresses help attackers. A process without CAP_PERFMON may not learn them, not even through a map or a return value.",
        ("store or return what it points to, not the pointer.", "for tracing, run with CAP_PERFMON: ./lab gives it to notebooks."),
        "R0 leaks addr as return value",
    ),
    Explanation(
        "return-value",
        r"At program exit the register R0 (?:has|is not)(?P<found>.*?)(?: should have been in (?P<wanted>.*))?$",
        "the function may return a number that means nothing at this hook: allowed is {wanted}",
        "the kernel acts on what is returned: it lets a packet pass, or drops it. So only the agreed numbers may come.",
        ("return one of the allowed numbers on each path.",),
        "At program exit the register R0 has smin=7 smax=7 should have been in [0, 1]",
    ),
    Explanation(
        "context-bounds",
        r"invalid bpf_context access off=(?P<off>\d+) size=(?P<n>\d+)",
        "bytes {off} to {end} of the context may not be {touched} by {type} programs",
        "each kind of hook has its own context. Which of its fields may be read, and which written, the kernel says for each.",
        (
            "check the function's argument: its type must be that of the hook.",
            "most contexts can't be written to: change a copy.",
        ),
        "invalid bpf_context access off=160 size=8",
    ),
    Explanation(
        "context-variable",
        r"variable ctx access",
        "the context is read at a place that is known only when the program runs",
        "the kernel rewrites each read of the context when it loads the program. For that the place must be a constant.",
        ("read the fields with constant numbers, and choose among the values: switch (i) {{ case 0: v = ctx->args[0]; ... }}",),
        "variable ctx access var_off=(0x0; 0x38) disallowed",
    ),
    Explanation(
        "context-moved",
        r"dereference of modified ctx ptr (?P<reg>R\d+) off=(?P<off>-?\d+)",
        "the context is handed over with {off} added to it",
        "a helper takes the context only as it came.",
        ("hand over ctx itself.", "to read a field of it: ctx->field."),
        "dereference of modified ctx ptr R1 off=8 disallowed",
    ),
    Explanation(
        "constant-size",
        r"(?P<reg>R\d+) is not a known constant",
        "{helper}() needs {argument} as a constant, and gets {gets}",
        "the verifier remembers how much was reserved, to check each write into it.",
        ("reserve sizeof(struct ...), the largest that you need.", "for records of varying size: ringbuf_output(&data, size, 0)."),
        "R2 is not a known constant",
    ),
    Explanation(
        "read-only-map",
        r"write into map forbidden",
        "this map may not be written to by programs",
        "it was made with BPF_F_RDONLY_PROG: Python fills it, programs read it.",
        ("write to another map, or leave the flag out.",),
        "write into map forbidden, value_size=8 off=0 size=8",
    ),
    Explanation(
        "no-end",
        r"last insn is not an exit or jmp",
        "the function runs off its end: after the last line there is no return",
        "behind the last instruction lies other memory.",
        ("end it with return 0; and leave __builtin_unreachable() out.",),
        "last insn is not an exit or jmp",
    ),
    Explanation(
        "alignment",
        r"misaligned (?P<where>\w+) access",
        "a number is read at an address that is no multiple of its size",
        "some CPUs can't do that, and the stack must be used so that the verifier can follow what lies where.",
        ("give the field its own aligned place in the struct.", "copy it with __builtin_memcpy()."),
        "misaligned stack access off (0x0; 0x0)+-9+0 size 8",
    ),
    Explanation(
        "time",
        r"still at it after (?P<n>[\d.]+) s",
        "the verifier was not done after {n} seconds",
        "it follows each way through the program. So many ways take too long.",
        ("fewer rounds of a loop, and fewer ifs within it.",),
        "(the verifier was still at it after 10 s, and was ended)",
    ),
]  # fmt: skip

ATTACH = [
    Explanation(
        "not-permitted",
        r"Permission denied|Operation not permitted|may not look into it",
        "",
        "attaching needs the capabilities CAP_BPF and CAP_PERFMON, and reading tracefs CAP_DAC_READ_SEARCH.",
        ("open the lab with ./lab: its notebooks get them.",),
        "Failed to attach BPF program hello to tracepoint: Permission denied",
    ),
    Explanation(
        "no-such-hook",
        r"no such tracepoint|There is no raw tracepoint|no function of that name|cannot attach kprobe, probe entry may not exist|No such file or directory",
        "",
        "hooks are the kernel's own functions and events; which ones there are depends on its version and how it was built.",
        ("look the name up: ls /sys/kernel/tracing/events/syscalls, or /proc/kallsyms for functions.",),
        "tracepoint:syscalls:sys_enter_exceve: the kernel has no such tracepoint",
    ),
    Explanation(
        "no-kprobes",
        r"has no kprobes",
        "",
        "a kprobe needs a kernel built with CONFIG_KPROBES.",
        ("declare the function as taking void *ctx: attach() then uses the system call's tracepoint.",),
        "this kernel has no kprobes (CONFIG_KPROBES is off)",
    ),
    Explanation(
        "matched-nothing",
        r"matched no hook",
        "",
        "BCC takes the name for a pattern, and a pattern that fits nothing is no error to it.",
        ("name the arguments: attach_tracepoint(tp='syscalls:sys_enter_execve', fn_name='hello').",),
        "attach_tracepoint() matched no hook, so nothing was attached.",
    ),
]  # fmt: skip

MACHINE = [
    Explanation(
        "capabilities",
        r"lacks? (?P<missing>CAP_.*)",
        "",
        "a BPF program sees what everybody on the machine does; so the kernel asks for a capability for each part.",
        ("open the lab with ./lab: its notebooks get them. Elsewhere, as root: sudo.",),
        "The kernel refused to load hello: this process lacks CAP_PERFMON (tracing programs).",
    ),
    Explanation(
        "program-type",
        r"as this type of program",
        "",
        "each type of program is a part of the kernel that can be left out when it is built; fentry and LSM programs need the hook's own name, too.",
        ("load it as another type: a tracepoint or a raw tracepoint is there nearly everywhere.",),
        "The kernel refused to load hello as this type of program: Operation not permitted",
    ),
    Explanation(
        "map-name",
        r"has no map named",
        "",
        "b[\"name\"] asks for a map by the name that the program's text declares it with.",
        ("use one of the names above.",),
        "The program has no map named 'counter_tabel'; it has: counter_table.",
    ),
]  # fmt: skip

# Programs that textbooks say are refused, and kernels take: name of the program in tests/kernel/accepted -> what it does.
TAKEN = {
    "uninitialised_key": "A key on the stack that was never set. A process with CAP_PERFMON may read what lies there (Linux 6.4, and later updates of 6.1).",
    "uninitialised_event": "A struct with gaps that was filled field by field: the same.",
    "pointer_leaked": "A pointer as return value, or in a map: a process with CAP_PERFMON may learn addresses. Without it both are refused.",
    "no_return": "A function with a path that has no return: clang makes of it what is shortest, here a return of nothing in particular.",
    "wrong_hook": "An XDP function that takes another hook's context: the bytes that it reads are there, they only mean something else.",
}

_INTRODUCTION = """# When it fails

<!-- Made from ebpf_lab/diagnostics/explanations.py: .venv/bin/python -m ebpf_lab.diagnostics.explanations > docs/errors.md -->

Most of the time with eBPF goes into programs that don't compile, or that the kernel refuses. Each such error of this
lab says where, what is meant, why, and how to mend it. This page has all of them. The name of an entry is `error.rule`.

Of an error, `print(error)` shows the text, `error.log` has every word of the compiler or the kernel, and `error.steps` the
path that the verifier walked, an instruction a step, with what it knew there. A notebook shows that below the error: click, and step through it.

A variable's name is told only where the log leaves no doubt; `R0` to `R10` are the registers of the BPF machine, `fp-8` is a place on the
stack. What the lab has no explanation for is shown in the kernel's own words. One refusal takes at most ten seconds, and keeps 4 MiB of its log.
"""


_EXAMPLE = {  # what a program at hand would fill in
    "r": "a value",
    "p": "p",
    "i": "it",
    "range": "any number",
    "helper": "bpf_...",
    "argument": "an argument",
    "gets": "something else",
    "type": "tracepoint",
    "touched": "read",
    "end": "167",
    "name": "counter_table",
}


def _plain(text):
    """``text`` as it is, in Markdown."""
    return re.sub(r"([*<]|__)", lambda sign: "".join("\\" + c for c in sign[0]), text)


def document():
    """The text of docs/errors.md."""
    parts = [_INTRODUCTION]
    chapters = {
        "When it doesn't compile": COMPILER,
        "When the verifier refuses it": VERIFIER,
        "When there is nothing to attach to": ATTACH,
        "When the machine or a name is not as expected": MACHINE,
    }
    for title, table in chapters.items():
        parts.append(f"## {title}\n")
        for entry in table:
            found = re.search(entry.words, entry.example, re.M)
            known = _EXAMPLE | {
                name: text or "" for name, text in (found.groupdict() if found else {}).items()
            }
            meant, why, *mend = (
                _plain(text.format_map(known)) for text in (entry.meant, entry.why, *entry.mend)
            )
            texts = [f"Meant: {meant}"] * bool(meant) + [f"Why: {why}"] + [f"Try: {way}" for way in mend]
            parts.append(f"### {entry.name}\n\n    {entry.example}\n")
            parts.append("\n".join(f"- {text}" for text in texts) + "\n")
    parts.append("## What kernels take, though textbooks say they refuse it\n")
    parts.append(
        "With root's rights, on Linux 6.18, and all but `pointer_leaked` tried on 6.1 too; the programs are in `tests/kernel/accepted`.\n"
    )
    parts.append("\n".join(f"- `{name}`: {text}" for name, text in TAKEN.items()) + "\n")
    parts.append(
        "C's own type names, `uint64_t` and `pid_t`, are known to the compiler; only BCC's `event()` can't read a `pid_t`."
    )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(document(), end="")
