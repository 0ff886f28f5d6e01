"""Where durable state lives: the port `TaskHub` and its adapters `azure` (queues, tables, blobs) and `sqlite`."""
