// right
BPF_PROG_ARRAY(next, 3);
BPF_ARRAY(input, u64, 1);
BPF_ARRAY(result, u64, 1);
BPF_PERCPU_ARRAY(state, u64, 2);

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
  int from = 0, to = 1;
  u64 *before = state.lookup(&from), *after = state.lookup(&to);
  if (before == 0 || after == 0)
    return 0;
  *after = *before + 1;
  next.call(skb, 2);
  return 0;
}

int third(struct __sk_buff *skb) {
  int slot = 0, from = 1;
  u64 *number = state.lookup(&from), *answer = result.lookup(&slot);
  if (number == 0 || answer == 0)
    return 0;
  *answer = *number * 2;
  return 0;
}
