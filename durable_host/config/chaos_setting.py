"""Where the faults to inject are set: `func start --chaos`, the environment, or host.json, in this order."""

from typing import Final

import msgspec

from durable_host.config import connections
from durable_host.config.durable import ChaosSetting, StorageProviderOptions
from durable_host.config.overrides import Overrides
from durable_host.config.section import Section
from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError

SETTING: Final = "DURABLE_HOST_CHAOS"
SEED_SETTING: Final = "DURABLE_HOST_CHAOS_SEED"


def read_chaos(section: Section) -> ChaosSetting | None:
    """Read `chaos` and `chaosSeed` in host.json. `chaos` is a text, or an object with a member per fault."""
    seed = section.integer("chaosSeed", 0) if "chaosSeed" in section else None
    written = section.raw("chaos")
    if isinstance(written, dict):
        text = _text_of(section.section("chaos"))
    elif written is None or isinstance(written, str):
        text = written
    else:
        raise section.error("chaos", 'text such as "delay=0..2s", or an object { … }')
    return None if text is None else ChaosSetting(text, f"host.json: '{section.path('chaos')}'", seed)


def chosen_chaos(written: ChaosSetting | None, settings: AppSettings, overrides: Overrides) -> ChaosSetting | None:
    """Return the setting that counts; None if nothing is to be injected. Raises ConfigurationError."""
    chosen = written
    if text := settings.get(SETTING, "").strip():
        chosen = ChaosSetting(text, SETTING, chosen.seed if chosen else None)
    if overrides.chaos is not None:
        chosen = ChaosSetting(overrides.chaos, "--chaos", chosen.seed if chosen else None)
    if chosen is None or chosen.text.strip().casefold() in ("", "off"):
        return None
    if seed := settings.get(SEED_SETTING, "").strip():
        chosen = msgspec.structs.replace(chosen, seed=_seed(seed))
    if overrides.chaos_seed is not None:
        chosen = msgspec.structs.replace(chosen, seed=overrides.chaos_seed)
    return chosen


def is_local_hub(settings: AppSettings, storage: StorageProviderOptions) -> bool:
    """Whether the task hub is on this machine: in SQLite, or in the development account. Without a connection: yes."""
    names = {storage.connection_name, storage.tracking_store_connection_name or storage.connection_name}
    return storage.type.lower() == "sqlite" or all(_is_development(settings, name) for name in names)


def _text_of(faults: Section) -> str:
    parts: list[str] = []
    for name, value in faults.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int | float) or "," in str(value):
            raise faults.error(name, 'a number from 0 to 1, or times such as "0..2s" for a delay')
        parts.append(f"{name}={value}")
    return ",".join(parts)


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(
            f"The setting '{SEED_SETTING}' is '{text}', expected a whole number.",
            remedy="Set it to the seed of the run to repeat, or remove it.",
            code="DH1006",
        ) from None


def _is_development(settings: AppSettings, connection: str) -> bool:
    try:
        return connections.resolve(settings, connection).is_development
    except ConfigurationError:
        return True
