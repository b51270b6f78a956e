// TRACEPOINT -> index, line 9: an index is not bounded: cell is a number from 0 to 4,294,967,295
struct row { u64 cells[8]; };
BPF_ARRAY(rows, struct row, 1);
int hello(void *ctx) {
  int zero = 0;
  u32 cell = bpf_get_prandom_u32();
  struct row *row = rows.lookup(&zero);
  if (row)
    row->cells[cell] += 1;
  return 0;
}
