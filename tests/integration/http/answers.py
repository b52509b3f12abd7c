"""What every answer and every refusal looks like."""

import re
from typing import Any

import httpx

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, msg and code of an error answer whose form is as it must be."""
    body = fields_of(answer)
    assert set(body) >= {"msg", "code", "request_id"}, body
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, body["msg"], body["code"]


def fields_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = answer.json()
    assert isinstance(body, dict)
    return body
