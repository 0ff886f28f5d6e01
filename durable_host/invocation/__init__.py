"""The host's side of a function call: function metadata, worker processes, bindings, retries, time-outs.

`WorkerPool` runs calls in worker processes; `Invoker` runs the pipeline of an invocation around them.
"""
