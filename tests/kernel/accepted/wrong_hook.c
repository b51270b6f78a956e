// XDP
int filter(struct __sk_buff *skb) {
  return skb->len > 100 ? XDP_DROP : XDP_PASS;
}
