// right
BPF_PERCPU_ARRAY(counter_table, u64, 1024);

TRACEPOINT_PROBE(raw_syscalls, sys_enter) {
  int syscall = args->id;
  u64 *p = counter_table.lookup(&syscall);
  if (p)
    *p += 1;
  return 0;
}
