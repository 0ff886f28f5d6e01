"""The child process that loads the function app and runs its functions, on the app's own interpreter.

Standard library and the app's own packages only; Python 3.10 and later. `__main__.py` is started by path, so that
nothing of the host has to be importable for the app. The host's side of the pipes is `durable_host.invocation`.
"""
