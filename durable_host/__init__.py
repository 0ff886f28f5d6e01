"""durable_host: run Azure Functions apps for Python and Node.js, Durable Functions included, on one machine."""

__version__ = "0.1.0"

__all__ = ["__version__"]
