"""`func doctor`: what is wrong with an app, its settings, its storage and its task hub, and how to fix it.

One module per subject; each gives findings and changes nothing.
"""

from durable_host.cli.doctor.command import doctor

__all__ = ["doctor"]
