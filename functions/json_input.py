"""Shared by the HTTP starters of this app: reads a JSON object and returns JSON."""

import json
from typing import Any

import azure.functions as func


def json_object(req: func.HttpRequest) -> dict[str, Any]:
    """The body; an empty one is an empty object. ValueError when it is anything but an object."""
    body = req.get_json() if req.get_body().strip() else {}
    if not isinstance(body, dict):
        raise ValueError("Send a JSON object.")
    return body


def number(body: dict[str, Any], name: str, default: float, *, at_least: float = 0, at_most: float = 1e6) -> float:
    """A number of the body within bounds. ValueError when it is something else."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not at_least <= value <= at_most:
        raise ValueError(f'"{name}" must be a number from {at_least:g} to {at_most:g}.')
    return value


def text(body: dict[str, Any], name: str) -> str:
    """A text of the body that is not empty. ValueError when it is something else."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'"{name}" must be a text.')
    return value.strip()


def texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of texts of the body. ValueError when it is something else."""
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f'"{name}" must be a list of texts.')
    return value


def answer(body: Any, status_code: int = 200) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(body), status_code=status_code, mimetype="application/json")


def refusal(error: ValueError) -> func.HttpResponse:
    """400 with the reason."""
    return answer({"error": str(error)}, 400)
