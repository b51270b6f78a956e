"""What a check compares with: the system calls of one user, counted by a program of the lab's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..bpf import BPF
from ..maps import to_frame

_COUNT = """
BPF_HASH(calls, u64, u64, 1024);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u32 uid = bpf_get_current_uid_gid();
  u64 number = ctx->args[1];
  if (uid == COUNTED)
    calls.atomic_increment(number);
  return 0;
}
"""


@contextmanager
def calls_of(uid: int) -> Iterator[Callable[[], dict[int, int]]]:
    """Count the system calls that the user makes while the block runs; what it gives returns {number: calls} so far."""
    with BPF(text=_COUNT, keep="all", cflags=[f"-DCOUNTED={uid}"]) as b:

        def so_far() -> dict[int, int]:
            frame = to_frame(b["calls"])
            return dict(zip(frame.key.tolist(), frame.value.tolist(), strict=True))

        yield so_far
