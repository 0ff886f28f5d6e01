"""The HTTP trigger: routes, requests for functions, and responses from their results."""
