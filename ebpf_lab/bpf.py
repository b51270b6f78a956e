"""BPF: BCC's own class, with a lifetime and with errors one can read."""

import atexit
import ctypes as ct
import inspect
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

from . import bcc_maps, hooks
from .bcc_types import corrected_types
from .diagnostics.compiler import compile_error
from .diagnostics.errors import CompileError, LabError, MapError, UnloadedError
from .diagnostics.names import check_name
from .kernel import capabilities, headers, leftovers, syscalls
from .loading import stderr
from .loading.compile import Rewritten, compile_first
from .loading.interrupts import held_back
from .loading.libbcc import bcc, lib
from .loading.load import load_error, privilege_error, test_load
from .loading.source import source_of

Owned = TypeVar("Owned")

_loaded: list["BPF"] = []  # the loaded programs of this Python, oldest first
# What an unloaded program keeps.
_KEPT = ("source", "warnings", "_pid")


class BPF(bcc.BPF):
    """A BPF program, compiled: bcc.BPF with the same arguments and methods.

    Loading a program unloads all earlier ones of this Python, once it has compiled. With ``keep=True``
    it unloads only one of the same source, with ``keep="all"`` none. ``close()``, or the end of a
    ``with`` block, detaches and unloads it. Raises CompileError; what loads a function (attach,
    load_func) raises VerifierError.

    ``source`` is the C source as a str, ``warnings`` what clang wrote about a program that it accepted, and
    which calls of increment() count nothing.
    """

    def __init__(self, *args: Any, keep: bool | Literal["all"] = False, **kwargs: Any) -> None:
        given = inspect.signature(bcc.BPF.__init__).bind(self, *args, **kwargs)
        source = source_of(given.arguments)
        self.source, self.warnings = source.decode(errors="backslashreplace"), ""
        self._owned: dict[Any, Any] = {}  # what own() made
        hooks.prepare(self)
        self._prog_types: dict[bytes, int] = {}  # the type that each function was loaded as
        self.rewritten: Rewritten = ("", {})
        self.types = ""  # clang's description of the program's types
        self._closing, self._pid = False, os.getpid()
        with stderr.lock:
            headers.prepare()
            leftovers.sweep()
            if not given.arguments.get("usdt_contexts"):  # BCC adds their code to the source.
                self.rewritten, self.types = compile_first(source, given.arguments.get("cflags", []))
            self._compile(*given.args[1:], **given.kwargs)
            self._replace(keep)

    def _compile(self, *args: Any, **kwargs: Any) -> None:
        """Have BCC compile the source, and attach the functions whose names say where to."""
        failed = None
        try:
            with stderr.captured() as output:
                try:
                    super().__init__(*args, **kwargs)
                except BaseException as e:
                    failed = e
        except KeyboardInterrupt:  # It was held back until BCC was done.
            self.close()
            raise
        if getattr(self, "debug", 0):
            sys.stderr.write(output.text)
        if failed:
            error = self._compile_error(failed, output.text)
            self.close()
            raise error from (failed if error is not failed else None)
        uncounted = bcc_maps.uncounted(self)
        self.warnings = output.text + f"warning: {uncounted}\n" * bool(uncounted)

    def _compile_error(self, failed: BaseException, output: str) -> BaseException:
        if isinstance(failed, LabError) or not isinstance(failed, Exception) or self.__dict__.get("module"):
            return failed
        if "could not open bpf map" in output and "bpf" in (
            missing := capabilities.missing(["bpf", "perfmon"])
        ):
            return privilege_error("make a map", missing, output)
        if not output.strip():
            return CompileError(f"BCC can't compile this: {type(failed).__name__}: {failed}")
        return compile_error(output, self.source, self.rewritten[0])

    def _replace(self, keep: bool | Literal["all"]) -> None:
        """Unload the earlier programs that this one replaces."""
        replaced = [b for b in _loaded if not keep or (keep != "all" and b.source == self.source)]
        _loaded.append(self)
        for program in replaced:
            with suppress(Exception):  # Whatever is wrong with that one, this one is loaded.
                program._unload("a later BPF(...): it unloads all earlier ones, unless it has keep=True")

    def load_func(self, func_name: str | bytes, prog_type: int, *args: Any, **kwargs: Any) -> Any:
        """BCC's load_func; raises VerifierError, and loads a function again when its type changes."""
        name = func_name.encode() if isinstance(func_name, str) else bytes(func_name)
        with stderr.lock:
            check_name(name, self.functions)
            if self._prog_types.get(name, prog_type) != prog_type and name in self.funcs:
                os.close(self.funcs.pop(name).fd)  # BCC would return the earlier one, whatever its type.
            if name not in self.funcs and not self.debug:
                test_load(self, name, prog_type, *args, **kwargs)
            failed = None
            with stderr.captured() as output:
                try:
                    function = super().load_func(name, prog_type, *args, **kwargs)
                except Exception as e:
                    failed, number = e, ct.get_errno()
            if self.debug:
                sys.stderr.write(output.text)
            if failed:
                raise load_error(self, name, prog_type, number, output.text) from failed
            self._prog_types[name] = prog_type
        return function

    @property
    def functions(self) -> list[str]:
        """Names of the program's functions, in the order of the source."""
        return [
            lib.bpf_function_name(self.module, i).decode() for i in range(lib.bpf_num_functions(self.module))
        ]

    def get_table(
        self, name: str | bytes, keytype: Any = None, leaftype: Any = None, reducer: Any = None
    ) -> Any:
        """BCC's get_table, which ``b["name"]`` calls too; raises MapError. Where BCC mistakes a type, it is clang's."""
        if not isinstance(name, str | bytes):
            raise TypeError(f"a map is asked for by its name, a str, not {type(name).__name__}")
        check_name(name, bcc_maps.map_names(self), "map-name", MapError)
        key, leaf = corrected_types(self, os.fsencode(name))
        try:
            table = super().get_table(name, keytype or key, leaftype or leaf, reducer)
        except Exception as e:
            if not str(e).startswith("Unknown table type"):  # bcc/table.py, Table()
                raise
            raise bcc_maps.no_class(os.fsdecode(name), int(str(e).split()[-1])) from e
        bcc_maps.guard(table)
        return table

    def perf_buffer_poll(self, timeout: int = -1) -> None:
        """BCC's perf_buffer_poll; raises what a callback raised, and ends a second after the timeout (ms)."""
        bcc_maps.polled(self, lambda: super(BPF, self).perf_buffer_poll(timeout), timeout)

    def perf_buffer_consume(self) -> None:
        """BCC's perf_buffer_consume; raises what a callback raised."""
        bcc_maps.polled(self, super().perf_buffer_consume, 0)

    def ring_buffer_poll(self, timeout: int = -1) -> None:
        """BCC's ring_buffer_poll; raises what a callback raised, and leaves the later events in the ring."""
        bcc_maps.polled(self, lambda: super(BPF, self).ring_buffer_poll(timeout))

    def ring_buffer_consume(self) -> None:
        """BCC's ring_buffer_consume; raises what a callback raised, and leaves the later events in the ring."""
        bcc_maps.polled(self, super().ring_buffer_consume)

    @staticmethod
    def remove_xdp(dev: str | bytes, flags: int = 0) -> None:
        """BCC's remove_xdp; a program of the lab is detached whatever its mode."""
        if not hooks.detach_device(_loaded, os.fsdecode(dev)):
            bcc.BPF.remove_xdp(dev, flags)

    @staticmethod
    def detach_func(fn: bcc.BPF.Function, attachable_fd: int, attach_type: int) -> None:
        """BCC's detach_func."""
        if not hooks.detach_func(fn, attachable_fd, attach_type):
            bcc.BPF.detach_func(fn, attachable_fd, attach_type)

    def get_syscall_prefix(self) -> bytes:
        """BCC's get_syscall_prefix, for ordinary users too.

        For them BCC answers b"sys_", which names no function: it looks for addresses in /proc/kallsyms.
        """
        return syscalls.functions()["bpf"].removesuffix("bpf").encode()

    def own(self, key: Any, make: Callable[[], Owned]) -> Owned:
        """What belongs to this program under ``key``; ``make()`` makes it at the first call.

        It ends with the program: close() calls its close(), the latest first, before anything is detached.
        """
        self.check_loaded()
        if key not in self._owned:
            self._owned[key] = make()
        return self._owned[key]

    def disown(self, key: Any) -> Any:
        """Let go of what own() made under ``key``, without closing it; returns it, or None."""
        return self.__dict__.get("_owned", {}).pop(key, None)

    def check_loaded(self) -> None:
        """Raise UnloadedError where this program was unloaded."""
        if by := self.__dict__.get("_unloaded_by"):
            raise UnloadedError(
                f"This program is not in the kernel any more: it was unloaded by {by}.",
                fix="run the cell again that loads it; to have two programs at once, load the later one with keep=True",
            )

    def __getattr__(self, name: str) -> Any:
        """Raise UnloadedError for what an unloaded program had; BCC's methods all use some attribute."""
        if not name.startswith("_"):  # as IPython asks for _repr_html_, and copy for __deepcopy__
            self.check_loaded()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __enter__(self) -> "BPF":
        self.check_loaded()
        return self

    def close(self) -> None:
        """Stop what reads this program's events, detach it from all hooks, unload it. May be called twice."""
        self._unload("b.close(), or the end of its with block")

    def cleanup(self) -> None:
        """The same as close(); BCC calls it when Python ends."""
        self.close()

    def _unload(self, by: str) -> None:
        with stderr.lock:
            if "_unloaded_by" in self.__dict__ or self._closing:  # BCC's cleanup() calls close() in the end.
                return
            if os.getpid() != self._pid:  # A forked child must not detach its parent's program.
                return
            self._closing = True
            try:
                self._close_owned()
                with held_back():
                    self._detach()
            except BaseException:
                self._closing = False  # After an interrupt it can be closed again, and the next load does so.
                raise
            _forget(self)
            self.__dict__ = {name: self.__dict__[name] for name in _KEPT} | {"_unloaded_by": by}

    def _close_owned(self) -> None:
        while self._owned:
            key = next(reversed(self._owned))
            self._owned[key].close()
            self.disown(key)

    def _detach(self) -> None:
        if "module" not in self.__dict__:  # BCC's __init__ did not get so far.
            return
        hooks.detach(self)
        functions, tables = list(self.funcs.values()), list(self.tables.values())
        for table in tables:
            for key in list(getattr(table, "_open_key_fds", ())):  # BCC frees perf buffers in __del__ only.
                with suppress(Exception):
                    del table[key]
        bcc.BPF.cleanup(self)
        bcc.BPF.close(self)
        for function in functions:  # These numbers will soon be those of other files.
            function.fd = -1
        for table in tables:
            table.map_fd = -1

    def __repr__(self) -> str:
        if by := self.__dict__.get("_unloaded_by"):
            return f"<BPF, unloaded by {by}>"
        state = "loaded" if self.funcs else "compiled"
        if attached := hooks.attached(self):
            more = f" and {len(attached) - 3} more" if len(attached) > 3 else ""
            state = f"attached to {', '.join(attached[:3])}{more}"
        count = self.warnings.count("warning: ")
        warned = f"; {count} warning{'s' * (count > 1)} in .warnings" if count else ""
        return f"<BPF {', '.join(self.functions) or 'without functions'}: {state}{warned}>"


for _name, _method in hooks.methods().items():
    setattr(BPF, _name, _method)


def loaded() -> list[BPF]:
    """The loaded programs of this Python, oldest first."""
    return list(_loaded)


def _forget(program: BPF) -> None:
    """Let go of ``program``: BCC's exit handlers would keep it for ever."""
    atexit.unregister(program.cleanup)
    atexit.unregister(program.donothing)
    if program in _loaded:
        _loaded.remove(program)


def _after_fork() -> None:
    """In a forked child, leave the programs to the parent."""
    for program in loaded():
        _forget(program)


os.register_at_fork(after_in_child=_after_fork)
