"""Pure data of Durable Functions: history events, task messages, instance state, with DurableTask.Core's names."""
