"""The triggers, one module or folder each. A trigger waits for events and invokes functions through the pipeline."""
