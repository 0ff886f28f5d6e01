"""MCP triggers: an app's functions as tools, resources and prompts of a server of the Model Context Protocol."""
