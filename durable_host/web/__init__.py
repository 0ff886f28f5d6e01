"""The host's HTTP endpoint: admin and management routes, then routes of HTTP functions, then the home page."""
