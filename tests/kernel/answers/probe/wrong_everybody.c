// wrong: of the watched user, and of no other
BPF_PROG_ARRAY(syscall, 512);
BPF_ARRAY(jumps, u64, 513);

RAW_TRACEPOINT_PROBE(sys_enter) {
  u32 number = ctx->args[1];
  u32 uid = bpf_get_current_uid_gid();
  syscall.call(ctx, number);
  jumps.atomic_increment(512);
  return 0;
}

int hello_exec(struct bpf_raw_tracepoint_args *ctx) {
  u32 number = ctx->args[1];
  jumps.atomic_increment(number);
  return 0;
}
