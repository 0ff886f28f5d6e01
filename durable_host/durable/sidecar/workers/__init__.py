"""Plain workers of the Durable Task SDKs: what is to be run goes out over their streams, and the answers come back."""
