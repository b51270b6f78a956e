"""Formats of bpf_trace_printk() that the kernel rejects: the call returns an error, writes no line, and the program goes on."""

import re

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.S)
_CALL = re.compile(rf"\bbpf_trace_printk\s*\(\s*((?:{_STRING}\s*)+)")
# What a % may begin: kernel/bpf/helpers.c, bpf_bprintf_prepare(). It accepts widths since Linux 5.13.
_ACCEPTED = re.compile(
    r"%(?:%|[0+\- ]*(?:[1-9]\d*)?(?:l?l?[diuxX]|c|p[KxsSB]|p[iI][46]|(?:s|p[ku]s|p)(?![A-Za-z0-9])))"
)
_MOST = 3  # MAX_TRACE_PRINTK_VARARGS in kernel/trace/bpf_trace.c


def rejected_formats(source: str) -> str:
    """The formats in a program's C source that the kernel rejects, as a sentence with their lines; '' for none."""
    code = without_comments(source)
    found = []
    for call in _CALL.finditer(code):
        text = "".join(string[1:-1] for string in re.findall(_STRING, call[1]))
        if _rejected(text):
            found.append(f'"{text}" (line {code.count(chr(10), 0, call.start()) + 1})')
    if not found:
        return ""
    return (
        f"the kernel rejects the format {', '.join(found)}, so that bpf_trace_printk() writes nothing: "
        f"use %d %u %x %ld %lu %lx %lld %llu %llx %p %s, {_MOST} at most, and %% for a percent sign"
    )


def _rejected(text: str) -> bool:
    accepted = _ACCEPTED.findall(text)
    return "%" in _ACCEPTED.sub("", text) or sum(one != "%%" for one in accepted) > _MOST


def without_comments(source: str) -> str:
    """C source with blanks in place of its comments: lines and columns stay."""
    return _COMMENT.sub(lambda found: found[1] or re.sub(r"[^\n]", " ", found[0]), source)
