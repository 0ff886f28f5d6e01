"""Hides secrets in what goes to the console.

Source: spec/functions-host.md, section 2.5.
"""

import re
from typing import Final

_HIDDEN: Final = "[Hidden Credential]"
_SECRET: Final = re.compile(
    r"""(?:token=|defaultendpointsprotocol=http|accountkey=|data\ source=|server=|password=|pwd=|[&?]sig="""
    r"""|sharedaccesskey=|sharedaccesssignature=|[&?]code=|key=)[^"'<\n]*""",
    re.IGNORECASE | re.VERBOSE,
)


def sanitise(text: str) -> str:
    """`text` with everything from a token such as `AccountKey=` up to a quotation mark, `<` or line end hidden."""
    return _SECRET.sub(_HIDDEN, text) if "=" in text else text
