"""Errors, and what the messages of clang, the verifier and the kernel mean. Only text goes in and out."""
