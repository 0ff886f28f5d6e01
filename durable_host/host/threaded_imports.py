"""Imports in threads, one at a time.

Importing a submodule locks it, then its package; importing the package locks them in the other order. When two threads
do both, Python breaks the deadlock by giving one of them a package that is not complete.
"""

import threading
from importlib import import_module
from types import ModuleType

_turn = threading.Lock()


def import_in_turn(name: str) -> ModuleType:
    """Import a module when no other thread imports here."""
    with _turn:
        return import_module(name)
