// TRACEPOINT -> index, line 9: an index is not bounded: i is a number up to 15, possibly negative
struct text { char bytes[16]; };
BPF_ARRAY(texts, struct text, 1);
int hello(void *ctx) {
  int zero = 0;
  struct text *text = texts.lookup(&zero);
  if (!text) return 0;
  s32 i = bpf_get_current_uid_gid();
  if (i < 16) return text->bytes[i];
  return 0;
}
