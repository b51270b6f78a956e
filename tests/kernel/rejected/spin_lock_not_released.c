// SCHED_CLS -> lock, line 12: a path leaves the function while it holds a spin lock
struct slot { struct bpf_spin_lock lock; u64 count; };
BPF_ARRAY(slots, struct slot, 1);
int filter(struct __sk_buff *skb) {
  int zero = 0;
  struct slot *slot = slots.lookup(&zero);
  if (!slot)
    return 0;
  bpf_spin_lock(&slot->lock);
  slot->count++;
  return 0;
}
