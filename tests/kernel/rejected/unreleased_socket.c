// SCHED_CLS -> unreleased, line 5: sk is neither submitted nor released on this path
int filter(struct __sk_buff *skb) {
  struct bpf_sock_tuple tuple = {};
  struct bpf_sock *sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
  return sk ? 1 : 0;
}
