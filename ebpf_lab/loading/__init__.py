"""What happens before a program runs: BCC is found, the source is compiled in a sandbox, the program is test-loaded."""
