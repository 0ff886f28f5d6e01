"""Modules that a process has imported in advance, and that a program in it does not see until it imports them."""

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class ImportShelf(MetaPathFinder, Loader):
    """Hides groups of modules from `sys.modules`. The import of one module brings back those of its group.

    A program may look up modules that it has not imported itself, such as the one that a class is defined in. The last
    group needs all others, so they come back with it.
    """

    def __init__(self, groups: Sequence[Mapping[str, ModuleType]]) -> None:
        everything = {name: module for group in groups for name, module in group.items()}
        self._group_of = {name: group for group in groups for name in group} | dict.fromkeys(groups[-1], everything)
        self._everything = everything
        for name in everything:
            sys.modules.pop(name, None)
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        module = self._everything.get(fullname)
        if module is None or module.__spec__ is None:
            return None
        known = module.__spec__
        spec = ModuleSpec(fullname, self, origin=known.origin, is_package=known.submodule_search_locations is not None)
        if known.submodule_search_locations is not None:
            spec.submodule_search_locations = list(known.submodule_search_locations)
        spec.loader_state = known
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        for name, module in self._group_of[spec.name].items():
            sys.modules.setdefault(name, module)
        return self._everything[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module has been executed. The import system has replaced its specification."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state
