"""Plain workers of the Durable Task SDKs: work is sent over their streams, and they answer it."""
