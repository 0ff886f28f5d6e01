"""The faults that the user asks for, if they may be injected here."""

import secrets

from durable_host.chaos.chaos import Chaos
from durable_host.chaos.spec import parse_chaos
from durable_host.config import HostConfig
from durable_host.config.chaos_setting import is_local_hub
from durable_host.config.durable import ChaosSetting
from durable_host.errors import ConfigurationError

_MOST_SEEDS = 1_000_000


def chosen_faults(config: HostConfig, chosen: ChaosSetting) -> Chaos | None:
    """Return the faults; None if none can happen. Without a seed, a random one.

    Raises ConfigurationError if the specification is not valid, or if the task hub is in a real account.
    """
    rates = parse_chaos(chosen.text, chosen.source)
    if not rates:
        return None
    durable = config.host.durable
    if not is_local_hub(config.settings, durable.storage):
        raise ConfigurationError(
            "Faults are injected only on the development account or SQLite.",
            cause=f"{chosen.source} asks for them, and the task hub '{durable.hub_name}' is in a storage account.",
            remedy="Use the development account (UseDevelopmentStorage=true) or --task-hub sqlite, or remove "
            "the setting.",
            code="DH1007",
        )
    return Chaos(rates, secrets.randbelow(_MOST_SEEDS) if chosen.seed is None else chosen.seed)
