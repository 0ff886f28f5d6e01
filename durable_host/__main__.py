"""`python -m durable_host` is `func`."""

import sys

from durable_host.cli import main

if __name__ == "__main__":
    sys.exit(main())
