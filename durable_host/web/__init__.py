"""The host's one HTTP endpoint: admin and management routes, then the routes of HTTP functions, then the home page."""
