"""The dashboard at `/_df`: a page in the browser and the HTTP API that it uses.

The host imports this package when the first request for the dashboard arrives, so that starting an app costs nothing.
"""
