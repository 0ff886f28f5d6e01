"""The data of Durable Functions: history events, task messages and instance state, with DurableTask.Core's names."""
