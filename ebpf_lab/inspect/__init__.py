"""What the kernel made of a loaded program: bytecode, machine code, jump tables. Reads, and changes nothing."""
