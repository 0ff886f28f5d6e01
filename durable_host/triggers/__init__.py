"""What starts an invocation: one module or folder a trigger. Each listens and hands over to the invocation pipeline."""
