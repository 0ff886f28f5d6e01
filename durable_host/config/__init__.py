"""Everything that configures the host, resolved once into frozen records: host.json, settings, connections."""
