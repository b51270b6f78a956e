// SCHED_CLS
struct slot { struct bpf_spin_lock lock; u64 count; };
BPF_ARRAY(slots, struct slot, 1);
int counts(struct __sk_buff *skb) {
  int zero = 0;
  struct slot *value = slots.lookup(&zero);
  if (!value) return 0;
  bpf_spin_lock(&value->lock);
  value->count++;
  bpf_spin_unlock(&value->lock);
  return 0;
}

int finds(struct __sk_buff *skb) {
  struct bpf_sock_tuple tuple = {};
  struct bpf_sock *p = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
  if (!p) return 0;
  bpf_sk_release(p);
  return 1;
}
