// TRACEPOINT -> null-check, line 6: p may be NULL here, and the program has not checked it
BPF_HASH(counter_table);
int hello(void *ctx) {
  u64 uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;
  u64 *p = counter_table.lookup(&uid);
  *p += 1;
  return 0;
}
