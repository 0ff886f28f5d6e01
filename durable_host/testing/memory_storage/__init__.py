"""Azure Storage in memory: queues, blobs and tables that behave like the services, in virtual time."""
