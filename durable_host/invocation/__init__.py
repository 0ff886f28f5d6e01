"""The host's side of a function call: what functions there are, worker processes, bindings, retries, time-outs.

`WorkerPool` runs calls in worker processes, `Invoker` puts the pipeline of one invocation around it.
"""
