"""Reads and writes a Python file of the app, keeping its line ends and byte order mark."""

from pathlib import Path

import msgspec

from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.scaffold.module_text import ModuleText
from durable_host.errors import ConfigurationError


class SourceFile(msgspec.Struct, frozen=True):
    """A Python file. `text` has plain line feeds; `newline` and `mark` are those in the file."""

    path: Path
    text: str = ""
    newline: str = "\n"
    mark: str = ""

    @classmethod
    def read(cls, path: Path) -> "SourceFile":
        """Read the file; a missing one is empty. Raises ConfigurationError if it cannot be read as text."""
        try:
            content = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"'{path}' cannot be read.", cause=str(error), code="DH1042") from error
        mark = "\ufeff" if content.startswith("\ufeff") else ""
        text = content.removeprefix(mark)
        newline = "\r\n" if "\r\n" in text else "\n"
        return cls(path, text.replace("\r\n", "\n"), newline, mark)

    @property
    def module(self) -> ModuleText:
        return ModuleText(self.text, self.path.name)

    def write(self, text: str) -> None:
        """Replace the content. Raises ConfigurationError if the file cannot be written."""
        try:
            write_atomically(self.path, self.mark + text.replace("\n", self.newline))
        except OSError as error:
            raise ConfigurationError(f"'{self.path}' cannot be written.", cause=str(error), code="DH1043") from error
