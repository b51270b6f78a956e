"""Records in memory."""

import numpy as np

from ebpf_lab.reading.unpack import Store


def test_where_memory_can_t_be_reserved_it_grows_as_it_is_filled():
    event = np.dtype([("number", np.uint64), ("text", "S8")])
    store = Store(event, 1 << 50)  # more than there are addresses
    assert len(store._room) == 0
    early = np.array([(1, b"one"), (2, b"two")], event)
    store.add(early)
    kept = store.array()
    for start in range(3, 3000, 100):
        store.add(np.array([(n, str(n)) for n in range(start, start + 100)], event))
    assert store.array()["number"].tolist() == list(range(1, len(store) + 1))
    assert kept.tolist() == early.tolist()
