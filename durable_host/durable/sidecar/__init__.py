"""The gRPC service of the Durable Task SDKs, for clients of 2.x apps, plain clients and plain workers."""
