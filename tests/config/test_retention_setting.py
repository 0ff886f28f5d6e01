"""How long ended instances are kept: option, setting, host.json."""

import json
from pathlib import Path

import pytest

from durable_host.config import HostConfig, load, retention_period
from durable_host.config.overrides import Overrides
from durable_host.errors import ConfigurationError, UsageError

DAY = 86_400.0


def load_app(root: Path, retain: object = None, option: str | None = None, **environ: str) -> HostConfig:
    durable = {} if retain is None else {"retain": retain}
    (root / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}), "utf-8")
    return load(root, environ=environ, overrides=Overrides(retain=option))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", 7 * DAY),
        (" 12 H ", DAY / 2),
        ("30m", 1800.0),
        ("90s", 90.0),
        ("1.5h", 5400.0),
        ("7.00:00:00", 7 * DAY),
        ("00:30:00", 1800.0),
        ("0", None),
        ("0d", None),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float | None) -> None:
    assert retention_period.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "-00:30:00", "7 weeks", "1d12h", "forever"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time span|negative"):
        retention_period.parse(text)


@pytest.mark.parametrize(
    "text", ["7d", "36h", "90m", "45s", "2d", "1234567.5s", "100000000s", "999999999d", "0.0000001s"]
)
def test_a_duration_is_shown_as_it_may_be_written(text: str) -> None:
    seconds = retention_period.parse(text)
    assert seconds is not None
    assert retention_period.render(seconds) == text


def test_everything_is_kept_by_default(tmp_path: Path) -> None:
    assert load_app(tmp_path).host.durable.retain is None


def test_the_option_precedes_the_setting_which_precedes_host_json(tmp_path: Path) -> None:
    assert load_app(tmp_path, "3d").host.durable.retain == 3 * DAY
    assert load_app(tmp_path, "3d", DURABLE_HOST_RETAIN="2d").host.durable.retain == 2 * DAY
    assert load_app(tmp_path, "3d", "1d", DURABLE_HOST_RETAIN="2d").host.durable.retain == DAY


def test_zero_keeps_everything_whatever_the_places_below_say(tmp_path: Path) -> None:
    assert load_app(tmp_path, "3d", DURABLE_HOST_RETAIN="0").host.durable.retain is None
    assert load_app(tmp_path, "3d", "0", DURABLE_HOST_RETAIN="2d").host.durable.retain is None


@pytest.mark.parametrize("written", [0, "0"])
def test_zero_in_host_json_may_be_a_number(tmp_path: Path, written: object) -> None:
    assert load_app(tmp_path, written).host.durable.retain is None


@pytest.mark.parametrize("written", [7, 1.5, True, False, ["7d"], {"days": 7}, ""])
def test_a_value_of_another_type_is_refused_with_an_example(tmp_path: Path, written: object) -> None:
    with pytest.raises(ConfigurationError, match=r"extensions\.durableTask\.retain.*a duration such as"):
        load_app(tmp_path, written)


def test_the_environment_may_set_the_value_of_host_json(tmp_path: Path) -> None:
    environ = {"AzureFunctionsJobHost__extensions__durableTask__retain": "5d"}
    assert load_app(tmp_path, "3d", **environ).host.durable.retain == 5 * DAY


def test_an_unreadable_duration_stops_the_start_and_names_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"extensions\.durableTask\.retain.*a duration such as"):
        load_app(tmp_path, "a week")
    with pytest.raises(ConfigurationError, match="'DURABLE_HOST_RETAIN' is 'a week', expected a duration such as"):
        load_app(tmp_path, DURABLE_HOST_RETAIN="a week")
    with pytest.raises(UsageError, match="--retain is 'a week', expected a duration such as"):
        load_app(tmp_path, option="a week")
