// wrong: third found
BPF_PROG_ARRAY(next, 3);
BPF_ARRAY(input, u64, 1);
BPF_ARRAY(result, u64, 1);
BPF_PERCPU_ARRAY(state, u64, 1);

int first(struct __sk_buff *skb) {
  int slot = 0;
  u64 *mine = state.lookup(&slot);
  u64 *number = input.lookup(&slot);
  if (number == 0 || mine == 0)
    return 0;
  *mine = *number;
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
  u64 *number = input.lookup(&slot);
  if (number == 0 || mine == 0)
    return 0;
  u64 answer = (*number + 1) * 2;
  result.update(&slot, &answer);
  return 0;
}
