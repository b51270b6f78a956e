"""What a clang prints about the programs of mistakes.py, as JSON: clang/README.md says of which versions.

python tests/record_clang.py             the clang in this machine's libbcc
python tests/record_clang.py clang-18    a clang and an llc of that version, with the arguments and headers of this libbcc
"""

import functools
import json
import platform
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers import clang
from mistakes import MISTAKES

from ebpf_lab.kernel import headers
from ebpf_lab.loading import sandbox
from ebpf_lab.loading.libbcc import bcc

# The headers in libbcc, each by a name that only it defines.
HEADERS = {
    "include/bcc/bpf.h": b"_UAPI__LINUX_BPF_H__",
    "include/bcc/bpf_workaround.h": b"__HAVE_BUILTIN_BSWAP16__",
    "include/bcc/helpers.h": b"__BPF_HELPERS_H",
    "include/bcc/proto.h": b"__BCC_PROTO_H",
    "lib/clang/include/stdarg.h": b"__STDARG_H",
}
# Of the arguments that libbcc gives to clang, those that all versions know.
ARGUMENTS = (
    r"-(?:triple|isystem|include|I|D) \S+|-[WO][\w-]+|-(?:nostdsysteminc|nobuiltininc|ferror-limit 19)"
    r"|-(?:fcf-protection|fgnuc-version|debug-info-kind|dwarf-version)=\S+"
)


def by_libbcc(text: str) -> tuple[bool, str]:
    """(whether the compiler crashed, its output) of the clang in libbcc."""
    compiled = sandbox.compile_sandboxed(text.encode())
    return compiled.crashed, compiled.log


def by_clang(text: str, version: str) -> tuple[bool, str]:
    """The same of another clang: its front end, then its back end on the program as libbcc rewrites it."""
    arguments = [f"clang{version}", "-cc1", *_arguments()]
    front = _front_end(arguments, text)
    if front.returncode:
        return False, front.stderr
    compiled = sandbox.compile_sandboxed(text.encode())
    back = _front_end(arguments, compiled.rewritten)
    if not back.returncode:
        llc = [f"llc{version}", "-march=bpf", "-mcpu=v1", "-filetype=obj", "-o", "/dev/null"]
        back = subprocess.run(llc, input=back.stdout, capture_output=True, text=True, check=False)
    rewritten = compiled.rewritten + "#include <bcc/footer.h>\n"
    return bool(back.returncode), front.stderr + rewritten + back.stderr


@functools.cache
def _arguments() -> list[str]:
    log = sandbox.compile_sandboxed(b"int f(void *ctx) { return 0; }").log
    command = next(line for line in log.splitlines() if "-cc1" in line)
    return shlex.split(" ".join(re.findall(ARGUMENTS, command)))


def _front_end(arguments: list[str], text: str) -> subprocess.CompletedProcess[str]:
    """clang from C to LLVM's intermediate representation; its /virtual holds ``text`` and libbcc's headers."""
    library = re.search(r"/\S*/libbcc\.so\S*", Path("/proc/self/maps").read_text())[0]
    strings = Path(library).read_bytes().split(b"\0")
    found = {
        name: next(part for part in strings if b"#ifndef " + mark in part) for name, mark in HEADERS.items()
    }
    files = {
        name: part[part.index(b"\n") :] for name, part in found.items()
    }  # Each begins with a line break.
    files["main.c"] = text.encode()
    with tempfile.TemporaryDirectory() as folder:
        roots = []
        for n, (name, content) in enumerate(files.items()):
            Path(folder, str(n)).write_bytes(content)
            roots.append({"type": "file", "name": f"/virtual/{name}", "external-contents": f"{folder}/{n}"})
        overlay = Path(folder, "overlay.json")
        overlay.write_text(json.dumps({"version": 0, "use-external-names": False, "roots": roots}))
        command = [*arguments, "-ivfsoverlay", overlay, "-emit-llvm", "-o", "-", "-x", "c", "/virtual/main.c"]
        return subprocess.run(command, cwd=headers.find()[0], capture_output=True, text=True, check=False)


def main() -> None:
    """Print the record of one clang."""
    version = sys.argv[1].removeprefix("clang") if sys.argv[1:] else ""
    headers.prepare()
    made_by = f"clang{version} and llc{version} with libbcc" if version else f"clang {clang()} of libbcc"
    outputs = []
    for text, _, _ in MISTAKES:
        crashed, output = by_clang(text, version) if version else by_libbcc(text)
        lines = [line for line in output.splitlines() if "-cc1 " not in line and "Running from" not in line]
        outputs.append({"program": text.split("\n"), "crashed": crashed, "output": lines})
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    record = {"made by": f"{made_by} {bcc.__version__}, {system}", "outputs": outputs}
    print(json.dumps(record, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
