"""A minimal Flask relay with requests, no auth and no database: the floor under a Flask design."""

from collections.abc import Iterator

import requests
from flask import Flask, Response, request

LLM = "http://127.0.0.1:18011/chat/stream"
JSON = {"Content-Type": "application/json"}
app = Flask(__name__)


def lines(body: bytes) -> Iterator[bytes]:
    with requests.post(LLM, data=body, headers=JSON, stream=True, timeout=120) as answer:
        for line in answer.iter_lines():
            if line:
                yield line + b"\n\n"


@app.post("/chat/stream")
def relay() -> Response:
    return Response(lines(request.get_data()), mimetype="text/event-stream")
