// CGROUP_SKB -> return-value, line 3: the function may return a number that means nothing at this hook: allowed is 0 to 1
int filter(struct __sk_buff *skb) {
  return skb->len > 100 ? 7 : 1;
}
