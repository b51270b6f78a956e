"""The source of a program, from the arguments given to BPF(), checked before clang gets it."""

import os
from typing import Any

from ..diagnostics.errors import CompileError
from .libbcc import bcc


def source_of(arguments: dict[str, Any]) -> bytes:
    """The C source in ``text`` or ``src_file``; CompileError where it can't be read or encoded.

    It may be empty: BCC's tools ask BPF(text="") for the name of a system call's function.
    """
    if path := arguments.get("src_file"):
        source = _read(path)
    elif isinstance(text := arguments.get("text"), str | bytes):
        source = text if isinstance(text, bytes) else _encoded(text)
    else:
        raise TypeError(f"BPF(text=...) needs the program's C source as a str, not {type(text).__name__}")
    if b"\0" in source:
        line = source.count(b"\n", 0, source.index(0)) + 1
        raise CompileError(f"line {line}: the source contains a NUL character.", line=line)
    return source


def _read(path: str | bytes) -> bytes:
    try:
        with open(bcc.BPF._find_file(os.fsencode(path)), "rb") as file:
            return file.read()
    except Exception as e:  # BCC raises a plain Exception for a file that it can't find
        raise CompileError(f"There is no source file {path!r}.", log=str(e)) from e


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as e:
        line = text.count("\n", 0, e.start) + 1
        raise CompileError(
            f"line {line}: the source has a character that can't be encoded: {e}", line=line
        ) from e
