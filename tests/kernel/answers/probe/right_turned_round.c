// right
BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);

RAW_TRACEPOINT_PROBE(sys_enter) {
  if ((bpf_get_current_uid_gid() & 0xFFFFFFFF) == WATCHED) {
    syscall.call(ctx, ctx->args[1]);
    jumps.atomic_increment(512);
  }
  return 0;
}

int hello_exec(struct bpf_raw_tracepoint_args *ctx) {
  int slot = ctx->args[1];
  u64 *count = jumps.lookup(&slot);
  if (count)
    __sync_fetch_and_add(count, 1);
  return 0;
}
