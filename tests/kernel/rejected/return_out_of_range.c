// CGROUP_SKB -> return-value, line 3: this hook allows only the return values 0 to 1, and the function may return another
int filter(struct __sk_buff *skb) {
  return skb->len > 100 ? 7 : 1;
}
