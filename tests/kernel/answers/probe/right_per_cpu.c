// right
BPF_PROG_ARRAY(syscall, 512);
BPF_PERCPU_ARRAY(jumps, u64, 513);

static int count(u32 slot) {
  u64 *n = jumps.lookup(&slot);
  if (n)
    *n += 1;
  return 0;
}

RAW_TRACEPOINT_PROBE(sys_enter) {
  u32 number = ctx->args[1], uid = bpf_get_current_uid_gid();
  if (uid != WATCHED)
    return 0;
  syscall.call(ctx, number);
  return count(512);
}

int hello_exec(struct bpf_raw_tracepoint_args *ctx) { return count(ctx->args[1]); }
