"""Entry point of the worker process.

Every Python 3 can parse it, so that an interpreter that is too old prints a message instead of a syntax error.
"""

import sys

TOO_OLD = 78
PACKAGE = "durable_host_worker"


def main() -> None:
    if sys.version_info < (3, 10):  # noqa: UP036
        sys.stderr.write("Python %d.%d is too old, 3.10 or later is needed\n" % sys.version_info[:2])  # noqa: UP031
        sys.exit(TOO_OLD)
    import gc
    import importlib
    import importlib.util
    import os

    gc.disable()  # Modules are not garbage. It is enabled again before the app is loaded.

    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != folder]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    importlib.import_module(PACKAGE + ".process").run()


if __name__ == "__main__":
    main()
