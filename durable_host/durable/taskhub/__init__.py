"""The storage of durable state: the port `TaskHub` and its adapters `azure` (queues, tables, blobs) and `sqlite`."""
