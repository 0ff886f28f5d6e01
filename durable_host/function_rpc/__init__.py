"""Runs apps whose workers speak FunctionRpc, the gRPC protocol of the Functions host: .NET isolated apps."""
