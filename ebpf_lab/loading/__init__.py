"""What happens before a program runs: a sandboxed compile, a test load, and the messages that both leave on stderr."""
