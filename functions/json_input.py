"""Helpers of the HTTP starters in this app: read a JSON object and return JSON."""

import json
from typing import Any

import azure.functions as func


def json_object(req: func.HttpRequest) -> dict[str, Any]:
    """Return the body as an object; an empty body is an empty object. Raises ValueError for other values."""
    body = req.get_json() if req.get_body().strip() else {}
    if not isinstance(body, dict):
        raise ValueError("Send a JSON object.")
    return body


def number(body: dict[str, Any], name: str, default: float, *, at_least: float = 0, at_most: float = 1e6) -> float:
    """Return a number from the body. Raises ValueError if it is not a number or out of bounds."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not at_least <= value <= at_most:
        raise ValueError(f'"{name}" must be a number from {at_least:g} to {at_most:g}.')
    return value


def text(body: dict[str, Any], name: str) -> str:
    """Return a string from the body. Raises ValueError if it is empty or not a string."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'"{name}" must be a string.')
    return value.strip()


def texts(body: dict[str, Any], name: str) -> list[str]:
    """Return a list of strings from the body. Raises ValueError if it is something else."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f'"{name}" must be a list of strings.')
    return value


def answer(body: Any, status_code: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status_code, mimetype="application/json")


def refusal(error: ValueError) -> func.HttpResponse:
    """A response with status 400 and the reason."""
    return answer({"error": str(error)}, 400)
