// SOCKET_FILTER -> context-bounds, line 3: socket filter programs cannot read bytes 76 to 79 of the context
int filter(struct __sk_buff *skb) {
  return skb->data_end - skb->data;
}
