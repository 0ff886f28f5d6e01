"""Shows everything about an error where only its message is shown, as in a traceback, in the words of tests."""

from typing import Final, TypeVar

from durable_host.errors import HostError

E = TypeVar("E", bound=HostError)

_IN_TESTS: Final = {
    "The value of --python": "The value of python=",
    "with --python": "as python= of the app, of its mark, or 'durable_host_python' in the ini file",
    "--cors http://localhost:3000 --cors-credentials": "'CORS' of 'Host' in local.settings.json",
    "Run 'func start' in the folder of the app, or name it with --script-root PATH.": "Name the folder of the app.",
    "Use the development account (UseDevelopmentStorage=true) or --task-hub sqlite, or remove the setting.": (
        "Remove the setting, and use the mark durable_chaos with function_app."
    ),
}
"""Parts of remedies that name options of `func start`, and what tests have instead."""


def with_notes(error: E) -> E:
    """Add code, cause and remedy to the traceback of an error, once."""
    error.cause, error.remedy = in_a_test(error.cause), in_a_test(error.remedy)
    notes = [f"{name}: {text}" for name, text in _parts(error) if text]
    known: list[str] = getattr(error, "__notes__", [])
    for note in notes:
        if note not in known:
            error.add_note(note)
    return error


def in_a_test(text: str | None) -> str | None:
    """The text without options of `func start`, which a test cannot use."""
    for option, instead in _IN_TESTS.items():
        text = text.replace(option, instead) if text is not None else None
    return text


def _parts(error: HostError) -> tuple[tuple[str, str | None], ...]:
    return ("code", error.code), ("cause", error.cause), ("remedy", error.remedy)
