"""Log levels by category.

Source: docs/protocol/functions-host-cli.md#log-levels
"""

from logging import DEBUG, ERROR, INFO, WARNING

import pytest

from durable_host.config.log_levels import NEVER, LogLevels


@pytest.mark.parametrize(
    ("category", "quiet", "verbose"),
    [
        ("Function.hello.User", INFO, INFO),
        ("Function.hello", INFO, INFO),
        ("Host.Function.Console", INFO, INFO),
        ("my.own.logger", INFO, INFO),
        ("Host.Startup", WARNING, INFO),
        ("Worker.Process", WARNING, INFO),
        ("Microsoft.Azure.WebJobs.Hosting", WARNING, INFO),
        ("Function.hello.Internal", WARNING, INFO),
    ],
)
def test_defaults_of_user_and_system_categories(category: str, quiet: int, verbose: int):
    levels = LogLevels()
    assert levels.level_for(category) == quiet
    assert levels.level_for(category, verbose=True) == verbose


def test_default_of_host_json_replaces_both():
    levels = LogLevels(default=ERROR)
    assert levels.level_for("Function.hello.User") == ERROR
    assert levels.level_for("Host.Startup", verbose=True) == ERROR


def test_user_level_of_the_command_line_wins_over_the_default():
    levels = LogLevels(rules=(("function", DEBUG),), default=ERROR, user=DEBUG)
    assert levels.level_for("Function.hello.User") == DEBUG
    assert levels.level_for("my.own.logger") == DEBUG
    assert levels.level_for("Host.Startup") == ERROR


def test_longest_rule_wins():
    levels = LogLevels(rules=(("host", WARNING), ("host.triggers", DEBUG), ("function.hello", NEVER)), default=INFO)
    assert levels.level_for("Host.Triggers.Queue") == DEBUG
    assert levels.level_for("Host.Storage") == WARNING
    assert levels.level_for("Function.hello.User") == NEVER
    assert levels.level_for("Function.other.User") == INFO


def test_star_stands_for_any_text():
    levels = LogLevels(rules=(("function.*.user", DEBUG),))
    assert levels.level_for("Function.hello.User") == DEBUG
    assert levels.level_for("Function.hello") == INFO
