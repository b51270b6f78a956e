// XDP -> helper-not-allowed, line 5: XDP programs cannot call bpf_override_return(), or this kernel has no such helper
int filter(struct xdp_md *ctx) {
  char comm[16];
  bpf_get_current_comm(comm, sizeof(comm));
  bpf_override_return((void *)ctx, 1);
  return XDP_PASS;
}
