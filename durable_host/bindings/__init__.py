"""What an invocation reads and writes: one module a binding type."""
