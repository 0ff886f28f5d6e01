"""The HTTP trigger: routes, the request as a function sees it, the response a function's result makes."""
