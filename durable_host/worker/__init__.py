"""The child process that loads the function app and runs its functions, on the app's own interpreter.

It imports only the standard library and the app's packages, and supports Python 3.10 and later. `__main__.py` is
started by path, so that the app does not need the host's packages. `durable_host.invocation` is the host's side of the
pipes.
"""
