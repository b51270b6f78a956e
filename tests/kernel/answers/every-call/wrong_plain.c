// wrong: at once
BPF_HASH(counter_table);

RAW_TRACEPOINT_PROBE(sys_enter) {
	u64 uid;
	u64 counter = 0;
	u64 *p;

	uid = bpf_get_current_uid_gid() & 0xFFFFFFFF;

	p = counter_table.lookup(&uid);

	if (p != 0) {
		counter = *p;
	}

	counter++;

	counter_table.update(&uid, &counter);
	return 0;
}
