"""How events come out of the kernel: the trace pipe, perf buffers and ring buffers, each read by one thread."""
