"""BPF: BCC's own class, with a lifetime and with errors one can read."""

import atexit
import ctypes as ct
import difflib
import errno
import inspect
import os
import re
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

from .diagnostics.compiler import compile_error, death_error
from .diagnostics.errors import (
    AttachError,
    CompileError,
    LabError,
    MapError,
    PrivilegeError,
    SetupError,
    UnloadedError,
)
from .diagnostics.explanations import ATTACH, MACHINE, explained
from .diagnostics.lines import line_info
from .diagnostics.verifier import verifier_error
from .kernel import headers, leftovers, syscalls, tracefs
from .loading import sandbox, testload
from .loading.interrupts import held_back

try:
    import bcc
except ImportError as e:
    raise SetupError(
        "BCC, the compiler and loader that this lab stands on, is not in this Python.",
        fix="./lab setup (it comes from the distribution: python3-bpfcc on Debian and Ubuntu, never from pip)",
        log=str(e),
    ) from e
except OSError as e:
    raise SetupError(f"BCC's library can't be loaded: {e}", fix="sudo apt-get install libbpfcc") from e
if not hasattr(bcc, "BPF"):
    raise SetupError(
        f"The package bcc in this Python ({os.path.dirname(bcc.__file__)}) is not BCC, "
        "but an unrelated one of the same name from PyPI.",
        fix=f"{sys.executable} -m pip uninstall bcc",
    )
from bcc.libbcc import lib

from . import bcc_maps

# BCC's Python does not declare these two.
lib.bpf_num_tables.argtypes, lib.bpf_num_tables.restype = [ct.c_void_p], ct.c_size_t
lib.bpf_table_name.argtypes, lib.bpf_table_name.restype = [ct.c_void_p, ct.c_size_t], ct.c_char_p

_lock = threading.RLock()  # two compiles at once crash libbcc
_loaded = []  # the living programs of this Python, oldest first
_tried = {}  # (text, cflags) of each text whose trial went well -> BCC's rewriting of it, its line_info()

# A call of a function that isn't there compiles, and then the verifier is at a loss for words.
_CFLAGS = ["-Werror=implicit-function-declaration"]


class BPF(bcc.BPF):
    """A BPF program, compiled: bcc.BPF with the same arguments and methods.

    Loading one unloads all earlier ones of this Python once it has compiled;
    with ``keep=True`` it only replaces one of the same text. ``close()``, or the
    end of a ``with`` block, detaches and unloads it. Raises CompileError; what
    loads a function (attach, load_func) raises VerifierError.

    ``source`` is the program's text, ``warnings`` what clang said without
    refusing it.
    """

    def __init__(self, *args, keep=False, **kwargs):
        given = inspect.signature(bcc.BPF.__init__).bind(self, *args, **kwargs)
        given.arguments["cflags"] = [*given.arguments.get("cflags", []), *_CFLAGS]
        text = _text(given.arguments)
        self.source = text.decode(errors="backslashreplace")
        self.at_close = []  # what close() calls first: readers and views of this program's events
        self._owned = {}  # key -> what own() made
        self.hooks = {}  # (hook, function) -> file descriptor, of what attach() attached
        self._prog_types, self._xdp, self._closing = {}, {}, False
        self._rewriting, self._line_info = "", {}
        self._pid = os.getpid()
        with _lock:
            version = headers.prepare()
            leftovers.sweep()
            if not given.arguments.get("usdt_contexts"):  # they add text of their own
                self._try(text, given.arguments["cflags"], version)
            try:
                with captured_stderr() as words:
                    try:
                        super().__init__(*given.args[1:], **given.kwargs)
                        failed = None
                    except BaseException as e:
                        failed = e
            except KeyboardInterrupt:  # held back until BCC was done
                self.close()
                raise
            if given.arguments.get("debug"):
                sys.stderr.write(words[0])
            if failed:
                error = self._init_error(failed, words[0])
                self.close()
                raise error from (failed if error is not failed else None)
            self.warnings = words[0]
            earlier = [b for b in _loaded if not keep or b.source == self.source]
            _loaded.append(self)
            for program in earlier:
                with suppress(Exception):  # whatever is wrong with that one, this one is loaded
                    program._unload("a later BPF(...): it unloads all earlier ones, unless it has keep=True")

    def _init_error(self, failed, words):
        if isinstance(failed, LabError) or not isinstance(failed, Exception):
            return failed
        if getattr(self, "module", None):  # compiled: a probe that BCC attaches by itself found no hook
            return attach_error(failed, words)
        if "could not open bpf map" in words and "CAP_BPF" in (missing := _missing()):
            return _privilege_error("make a map", missing, words)
        if not words.strip():
            return CompileError(f"BCC can't make a program of that: {type(failed).__name__}: {failed}")
        return compile_error(words, self.source, self._rewriting)

    def _try(self, text, cflags, version):
        key = (text, tuple(map(str, cflags)))
        if key not in _tried:
            tried = _first_compile(*key, version)
            if tried.died:
                raise death_error(tried.words, self.source, tried.rewritten)
            _tried[key] = tried.rewritten, line_info(tried.disassembly, tried.rewritten)
        self._rewriting, self._line_info = _tried[key]

    def load_func(self, func_name, prog_type, *args, **kwargs):
        """BCC's load_func; raises VerifierError, and loads anew where the type is another than before."""
        name = func_name.encode() if isinstance(func_name, str) else bytes(func_name)
        with _lock:
            check_name(name, self.functions, "function")
            if self._prog_types.get(name, prog_type) != prog_type and name in self.funcs:
                os.close(self.funcs.pop(name).fd)  # BCC would give back the old one, whatever its type
            if name not in self.funcs and not self.debug:
                self._attempt(name, prog_type, *args, **kwargs)
            with captured_stderr() as words:
                try:
                    function, failed = super().load_func(name, prog_type, *args, **kwargs), None
                except Exception as e:
                    failed, number = e, ct.get_errno()
            if self.debug:
                sys.stderr.write(words[0])
            if failed:
                raise self._load_error(name, prog_type, number, words[0]) from failed
            self._prog_types[name] = prog_type
        return function

    def _attempt(self, name, prog_type, device=None, attach_type=-1):
        """Raise the error for ``name`` if the kernel refuses it; loads nothing for good."""
        code = lib.bpf_function_start(self.module, name), lib.bpf_function_size(self.module, name)
        license_, version = lib.bpf_module_license(self.module), lib.bpf_module_kern_version(self.module)

        def load(log, size, level):
            return lib.bcc_func_load(
                self.module, prog_type, name, *code, license_, version, level, log, size, device, attach_type
            )

        with captured_stderr() as words:
            refusal = testload.refusal(load)
        if refusal:
            raise self._load_error(name, prog_type, refusal.number, refusal.words(words[0]))

    def _load_error(self, name, prog_type, number, words):
        known = self._rewriting, self._line_info.get(name.decode(), {}), _TYPES.get(prog_type, "")
        if "processed" in words or "\n; " in words or number == errno.ETIMEDOUT:
            seconds = testload.SECONDS if number == errno.ETIMEDOUT else 0
            return verifier_error(
                name.decode(), os.strerror(number), words, self.source, *known, seconds=seconds
            )
        if number == errno.EPERM and (missing := _missing(prog_type)):
            return _privilege_error(f"load {name.decode()}", missing, words)
        reason = words.strip() or os.strerror(number)
        what = f"The kernel refused to load {name.decode()} as this type of program: {reason}"
        return LabError(what, log=words, **explained(MACHINE, what))

    @property
    def functions(self):
        """Names of the program's functions, in the order of the text."""
        return [
            lib.bpf_function_name(self.module, i).decode() for i in range(lib.bpf_num_functions(self.module))
        ]

    def get_table(self, name, *args, **kwargs):
        """BCC's get_table, which ``b["name"]`` calls too; raises MapError."""
        if not isinstance(name, str | bytes):
            raise TypeError(f"a map is asked for by its name, a str, not {type(name).__name__}")
        known = [lib.bpf_table_name(self.module, i).decode() for i in range(lib.bpf_num_tables(self.module))]
        check_name(name.encode() if isinstance(name, str) else name, known, "map", MapError)
        table = super().get_table(name, *args, **kwargs)
        bcc_maps.guard(table)
        return table

    def perf_buffer_poll(self, timeout=-1):
        """BCC's perf_buffer_poll; raises what a callback raised, and ends a second after the timeout (ms)."""
        bcc_maps.polled(self, lambda: super(BPF, self).perf_buffer_poll(timeout), timeout)

    def perf_buffer_consume(self):
        """BCC's perf_buffer_consume; raises what a callback raised."""
        bcc_maps.polled(self, super().perf_buffer_consume, 0)

    def ring_buffer_poll(self, timeout=-1):
        """BCC's ring_buffer_poll; raises what a callback raised, and leaves the later events in the ring."""
        bcc_maps.polled(self, lambda: super(BPF, self).ring_buffer_poll(timeout))

    def ring_buffer_consume(self):
        """BCC's ring_buffer_consume; raises what a callback raised, and leaves the later events in the ring."""
        bcc_maps.polled(self, super().ring_buffer_consume)

    def attach_kprobe(self, *args, **kwargs):
        """BCC's attach_kprobe; raises AttachError with the kernel's words."""
        return self._attach("attach_kprobe", self.kprobe_fds, args, kwargs)

    def attach_kretprobe(self, *args, **kwargs):
        """BCC's attach_kretprobe; raises AttachError with the kernel's words."""
        return self._attach("attach_kretprobe", self.kprobe_fds, args, kwargs)

    def attach_tracepoint(self, *args, **kwargs):
        """BCC's attach_tracepoint; raises AttachError with the kernel's words, also where nothing matches."""
        return self._attach("attach_tracepoint", self.tracepoint_fds, args, kwargs)

    def attach_raw_tracepoint(self, *args, **kwargs):
        """BCC's attach_raw_tracepoint; raises AttachError with the kernel's words."""
        return self._attach("attach_raw_tracepoint", self.raw_tracepoint_fds, args, kwargs)

    def _attach(self, method, fds, args, kwargs):
        before = repr(fds)
        with captured_stderr() as words:
            try:
                ct.set_errno(0)
                result, failed = getattr(super(), method)(*args, **kwargs), None
            except LabError:
                raise
            except Exception as e:
                failed = e
        if failed:
            raise attach_error(failed, words[0]) from failed
        if repr(fds) == before:  # BCC (0.26) is content with a regular expression that matches nothing
            what = f"{method}() matched no hook, so nothing was attached."
            raise AttachError(what, log=words[0], **explained(ATTACH, what))
        return result

    @staticmethod
    def attach_xdp(dev, fn, flags=0):
        """BCC's attach_xdp; close() takes the program off the device, which BCC's cleanup (0.26) does not."""
        bcc.BPF.attach_xdp(dev, fn, flags)
        fn.bpf._xdp[dev] = flags

    @staticmethod
    def remove_xdp(dev, flags=0):
        """BCC's remove_xdp."""
        bcc.BPF.remove_xdp(dev, flags)
        for program in _loaded:
            program._xdp.pop(dev, None)

    def own(self, key, make):
        """What belongs to this program under ``key``, a hashable; ``make()`` makes it at the first call.

        It ends with the program: close() calls its close(), the latest first, before anything is detached.
        ``disown(key)`` ends that, for what was closed before.
        """
        if key not in self._owned:
            self._owned[key] = make()
        return self._owned[key]

    def disown(self, key):
        """Let go of what own() made under ``key``, if there is such a thing, without closing it; returns it, or None."""
        return self._owned.pop(key, None)

    def check_loaded(self) -> None:
        """Raise UnloadedError where this program was unloaded."""

    def get_syscall_prefix(self):
        """As BCC's, for somebody who isn't uid 0 too: BCC would answer b"sys_", which no kprobe takes."""
        return syscalls.functions()["bpf"].removesuffix("bpf").encode()

    def close(self):
        """Stop what reads this program's events, detach it everywhere, unload it. May be called twice."""
        self._unload("b.close(), or the end of its with block")

    def cleanup(self):
        """The same as close(); BCC calls it when Python ends."""
        self.close()

    def _unload(self, by):
        with _lock:
            if self._closing or os.getpid() != self._pid:  # BCC's cleanup() ends by calling close();
                return  # and a forked child has no say about its parent's program
            self._closing = True
            try:
                while self.at_close:
                    self.at_close[-1]()
                    self.at_close.pop()
                while self._owned:
                    key = next(reversed(self._owned))
                    self._owned[key].close()
                    self.disown(key)
                with held_back():
                    self._detach()
            except BaseException:
                self._closing = False  # interrupted, say: it can be closed again, and the next load will
                raise
            _forget(self)
            self._unloaded_by = by
            self.__class__ = _Unloaded

    def _detach(self):
        for dev, flags in list(self._xdp.items()):
            with suppress(Exception):  # the device may have gone
                bcc.BPF.remove_xdp(dev, flags)
        if "module" not in self.__dict__:  # BCC's __init__ did not get so far
            return
        functions = list(self.funcs.values())
        for function in functions:
            if socket := vars(function).pop("sock", None):
                os.close(socket)
        hooks = [
            (self.kprobe_fds, self.detach_kprobe_event),
            (self.uprobe_fds, self.detach_uprobe_event),
            (self.tracepoint_fds, self.detach_tracepoint),
            (self.raw_tracepoint_fds, self.detach_raw_tracepoint),
            (self.kfunc_entry_fds, self.detach_kfunc),
            (self.kfunc_exit_fds, self.detach_kretfunc),
            (self.lsm_fds, self.detach_lsm),
        ]
        for fds, detach in hooks:
            for key in list(fds):
                with suppress(Exception):  # one that fails must not keep the others attached
                    detach(key)
                fds.pop(key, None)
        for table in self.tables.values():
            for key in list(getattr(table, "_open_key_fds", ())):  # BCC frees perf buffers in __del__ only
                with suppress(Exception):
                    del table[key]
        bcc.BPF.cleanup(self)
        bcc.BPF.close(self)
        for function in functions:  # the numbers will soon be those of other files
            function.fd = -1
        for table in self.tables.values():
            table.map_fd = -1

    def __repr__(self):
        count = self.warnings.count("warning: ")
        warned = f"; {count} warning{'s' * (count > 1)} in .warnings" if count else ""
        attached = self.kprobe_fds or self.tracepoint_fds or self.raw_tracepoint_fds or self._xdp
        state = "attached" if attached else "loaded" if self.funcs else "compiled"
        return f"<BPF {', '.join(self.functions) or 'without functions'}: {state}{warned}>"


class _Unloaded(BPF):
    """What a BPF object turns into when it is unloaded: any use but close() says why it can't be had."""

    def __getattribute__(self, name):
        if name.startswith("_") or name in ("source", "warnings", "close", "cleanup"):
            return object.__getattribute__(self, name)
        raise UnloadedError(
            f"This program is not in the kernel any more: it was unloaded by {self._unloaded_by}.",
            fix="run the cell that makes it again; to have two programs at once, load the later one with keep=True",
        )

    def __getitem__(self, key):
        return self.tables

    __setitem__ = __delitem__ = __len__ = __iter__ = __enter__ = lambda self, *_: self.tables

    def close(self):
        """Nothing is left to do."""

    cleanup = close

    def __repr__(self):
        return f"<BPF, unloaded by {self._unloaded_by}>"


def loaded():
    """The living programs of this Python, oldest first."""
    return list(_loaded)


def _text(arguments):
    """The program's text as bytes, from BCC's arguments; CompileError where it can't be one."""
    if arguments.get("src_file"):
        path = arguments["src_file"]
        try:
            with open(
                bcc.BPF._find_file(path if isinstance(path, bytes) else os.fsencode(path)), "rb"
            ) as file:
                text = file.read()
        except Exception as e:
            raise CompileError(f"There is no source file {path!r}.", log=str(e)) from e
    else:
        text = arguments.get("text")
        if not isinstance(text, str | bytes):
            raise TypeError(f"BPF(text=...) takes the program's C text as a str, not {type(text).__name__}")
        try:
            text = text.encode() if isinstance(text, str) else text
        except UnicodeEncodeError as e:
            line = text.count("\n", 0, e.start) + 1
            raise CompileError(f"line {line}: the text has a character that can't be encoded: {e}") from e
    if not text.strip():
        raise CompileError(
            "line 1: the program is empty.", fix="give its C text: BPF(text=program), or a %%bpf program cell"
        )
    if b"\0" in text:
        raise CompileError(f"line {text[: text.index(0)].count(10) + 1}: the text contains a NUL character.")
    return text


def _first_compile(text, cflags, version):
    """The Trial of a text, with the headers of ``version``; BCC decides too, and who is compiling.

    BCC reads /proc/kallsyms as root only (bcc_procutils_each_ksym()), and where it finds no
    bpf_probe_read_kernel() there, it takes bpf_probe_read().
    """
    user = "root" if os.geteuid() == 0 else "a user"
    return sandbox.compile_once(text, cflags, f"BCC {bcc.__version__}, headers {version}, {user}")


def check_name(name, known, kind, error=LabError):
    """Raise ``error``, with the nearest name, where ``name`` is not among the ``known`` ones."""
    name = name.decode(errors="backslashreplace")
    if name in known:
        return
    near = difflib.get_close_matches(name, known, 1)
    names = ", ".join(known) or "none"
    what = f"The program has no {kind} named {name!r}; it has: {names}."
    raise error(what, **explained(MACHINE, what, f"did you mean {near[0]!r}?" if near else ""))


def _forget(program):
    """Let go of ``program``: BCC's exit handlers would keep it for ever."""
    atexit.unregister(program.cleanup)
    atexit.unregister(program.donothing)
    if program in _loaded:
        _loaded.remove(program)


def attach_error(failed, words):
    """The AttachError for what BCC raised, and libbcc said, when it found no hook."""
    reason = os.strerror(ct.get_errno()) if ct.get_errno() else "no reason given"
    wanted = re.search(r"to (?:raw )?(kprobe|kretprobe|tracepoint) b?'?([\w:.]+)", str(failed))
    near = []
    if named := re.search(r"bpf_attach_raw_tracepoint \((\w+)\)", words):
        known = dict.fromkeys(["sys_enter", "sys_exit", *(e.partition(":")[2] for e in _tracepoints())])
        near = difflib.get_close_matches(named[1], known)
        failed = f"There is no raw tracepoint {named[1]!r}."
    elif wanted and "probe" in wanted[1]:
        known = set(
            re.findall(rf" [tT] ({re.escape(wanted[2][:3])}\w*)$", Path("/proc/kallsyms").read_text(), re.M)
        )
        near = difflib.get_close_matches(wanted[2], known - {wanted[2]})
    elif wanted:
        near = difflib.get_close_matches(wanted[2], [e for e in _tracepoints() if e != wanted[2]])
    what = f"{failed}\nThe kernel: {words.strip() or reason}"
    fix = f"did you mean {' or '.join(map(repr, near))}?" if near else ""
    error = AttachError(what, log=words, **explained(ATTACH, what, fix))
    error.tried = [(":".join(wanted.groups()) if wanted else "", reason)]
    return error


def _tracepoints():
    try:
        return tracefs.events()
    except SetupError:
        return []


# What each type of program is called in the explanations of the verifier's words.
_TYPES = {
    number: name.replace("_", " ") if name in ("XDP", "LSM") else name.lower().replace("_", " ")
    for name, number in vars(bcc.BPF).items()
    if name.isupper() and isinstance(number, int) and not name.startswith(("XDP_", "CLOCK"))
}
_FOR_NETWORKS = (BPF.SCHED_CLS, BPF.SCHED_ACT, BPF.XDP, BPF.LWT_IN, BPF.LWT_OUT, BPF.LWT_XMIT, BPF.SOCK_OPS, BPF.SK_SKB,
                 BPF.SK_MSG, BPF.CGROUP_SOCK, BPF.CGROUP_SOCK_ADDR, BPF.CGROUP_DEVICE)  # fmt: skip
_CAPABILITIES = {  # linux/capability.h, and what each is for
    "CAP_BPF": (39, "make maps, load programs"),
    "CAP_PERFMON": (38, "load programs that trace"),
    "CAP_NET_ADMIN": (12, "load programs for networks"),
}


def _missing(prog_type=None):
    """The capabilities that this process lacks, of those that loading such a program takes; CAP_SYS_ADMIN has all."""
    with open("/proc/self/status") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    if effective >> 21 & 1:  # CAP_SYS_ADMIN
        return []
    wanted = ["CAP_BPF", "CAP_NET_ADMIN" if prog_type in _FOR_NETWORKS else "CAP_PERFMON"]
    if prog_type in (BPF.SOCKET_FILTER, BPF.CGROUP_SKB):
        wanted = ["CAP_BPF"]
    return [name for name in wanted if not effective >> _CAPABILITIES[name][0] & 1]


def _privilege_error(what, missing, words):
    purposes = "; ".join(f"{name}: to {_CAPABILITIES[name][1]}" for name in missing)
    what = f"The kernel refused to {what}: this process lacks {' and '.join(missing)} ({purposes})."
    return PrivilegeError(what, log=words, **explained(MACHINE, what))


@contextmanager
def captured_stderr():
    """What is written to file descriptor 2, where libbcc and clang speak: a list that gets one str."""
    words = [""]
    with held_back(), _lock, open(os.memfd_create("stderr"), "w+b") as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield words
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            words[0] = file.read().decode(errors="backslashreplace")


def _after_fork():
    """In a forked child: the programs are the parent's to close, and so are the locks that it may have held."""
    global _lock
    for program in _loaded:
        atexit.unregister(program.cleanup)
        atexit.unregister(program.donothing)
    _loaded.clear()
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)
