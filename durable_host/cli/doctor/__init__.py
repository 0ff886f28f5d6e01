"""`func doctor`: finds problems in an app, its settings, its storage and its task hub, and says how to fix them.

Each module checks one subject. It returns findings and changes nothing.
"""

from durable_host.cli.doctor.command import doctor

__all__ = ["doctor"]
