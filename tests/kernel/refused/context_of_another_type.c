// SOCKET_FILTER -> context-bounds, line 3: bytes 76 to 79 of the context may not be read by socket filter programs
int filter(struct __sk_buff *skb) {
  return skb->data_end - skb->data;
}
