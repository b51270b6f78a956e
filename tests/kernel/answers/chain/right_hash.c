// right
BPF_PROG_ARRAY(next, 3);
BPF_ARRAY(input, u64, 1);
BPF_ARRAY(result, u64, 1);
BPF_PERCPU_HASH(state, int, u64, 1);

int first(struct __sk_buff *skb) {
  int slot = 0;
  u64 *number = input.lookup(&slot);
  if (!number)
    return 0;
  u64 mine = *number;
  state.update(&slot, &mine);
  next.call(skb, 1);
  return 0;
}

int second(struct __sk_buff *skb) {
  int slot = 0;
  u64 *mine = state.lookup(&slot);
  if (mine == 0)
    return 0;
  *mine += 1;
  next.call(skb, 2);
  return 0;
}

int third(struct __sk_buff *skb) {
  int slot = 0;
  u64 *mine = state.lookup(&slot);
  if (mine == 0)
    return 0;
  *mine *= 2;
  u64 answer = *mine;
  result.update(&slot, &answer);
  return 0;
}
