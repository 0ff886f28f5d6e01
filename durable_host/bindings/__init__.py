"""What an invocation reads and writes: one module per binding type."""
