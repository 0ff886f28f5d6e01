"""MCP triggers: an app's functions as tools, resources and prompts of a server of the Model Context Protocol.

The server is our own, because importing the package mcp takes 1.5 s.
"""
