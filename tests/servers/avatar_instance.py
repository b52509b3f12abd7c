"""An avatar instance without a face: `python -m tests.servers.avatar_instance --port 8615`."""

from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from tests.servers.http import Exchange, Received, run
from tests.servers.http import HttpServer as Server

OK = {"code": 0, "msg": "ok"}
# What it sends with everything: it trusts whoever asks, and its headers must not get any further.
HOSTILE = {
    "access-control-allow-origin": "https://evil.example",
    "access-control-allow-credentials": "true",
    "set-cookie": "session=stolen; Path=/",
    "x-new-token": "forged",
    "location": "http://evil.example/",
    "server": "aiohttp",
    "x-powered-by": "avatars",
}


@dataclass(frozen=True, slots=True)
class Spoken:
    session: int
    text: str


class AvatarInstanceServer(Server):
    """The instance protocol with its quirks: a full house and most refusals come as success, ids are JSON
    integers or nothing, and nobody tells when one has gone."""

    def __init__(self, port: int = 0, max_sessions: int = 5, first_session: int = 100_001) -> None:
        super().__init__(port)
        self.max_sessions = max_sessions
        self.starting = False
        self.takes_any_sdp = False
        self.refuses = False  # everything but offers, with HTTP 200
        self.sessions: set[int] = set()
        self.said: list[Spoken] = []
        self.interrupted: list[int] = []
        self.sounds: list[bytes] = []
        self.records: list[tuple[int, str]] = []
        self.talking: set[int] = set()
        self.extra: dict[str, Any] = {}  # in every answer of success
        self._next = first_session

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        status, answer = self._answer(request)
        if isinstance(answer, str):
            return await exchange.answer(status, answer.encode(), "text/plain", HOSTILE)
        await exchange.json(status, answer if status != 200 else {**answer, **self.extra}, HOSTILE)

    def _answer(self, request: Received) -> tuple[int, dict[str, Any] | str]:
        match request.method, request.path:
            case "GET", "/health":
                sessions = {"sessions": len(self.sessions), "max_sessions": self.max_sessions}
                return 200, {"status": "healthy", "service": "webrtc", **sessions}
            case "POST", "/offer":
                return self._offer(request.json())
            case "POST", "/humanaudio":
                fields, files = request.form()
                return self._about(int(fields["sessionid"]), request.path, {"sound": files["file"].content})
            case "POST", "/human" | "/interrupt_talk" | "/is_speaking" | "/set_audiotype" | "/record":
                body = request.json()
                return self._about(body.get("sessionid"), request.path, body)
            case _:
                return 404, "404: Not Found"

    def _offer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any] | str]:
        if len(self.sessions) >= self.max_sessions:
            return 200, {"code": -1, "msg": "reach max session"}
        if not self.takes_any_sdp and not str(body.get("sdp")).startswith("v=0"):
            return 500, "Traceback (most recent call last): /srv/avatar/app.py"
        session, self._next = self._next, self._next + 1
        self.sessions.add(session)
        return 200, {"sdp": f"v=0 answer {session}", "type": "answer", "sessionid": session}

    def _about(self, session: object, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any] | str]:
        if self.starting:
            return 503, {"code": -1, "msg": "initialising"}
        if not isinstance(session, int) or session not in self.sessions:
            return 404, {"code": -1, "msg": f"Session {session} not found or expired"}
        if self.refuses:
            return 200, {"code": -1, "msg": "KeyError('internal')"}
        match path:
            case "/human":
                self.said.append(Spoken(session, body["text"]))
            case "/humanaudio":
                self.sounds.append(body["sound"])
            case "/interrupt_talk":
                self.interrupted.append(session)
            case "/is_speaking":
                return 200, {"code": 0, "data": session in self.talking}
            case "/record":
                self.records.append((session, body["type"]))
        return 200, OK


if __name__ == "__main__":
    run(lambda port: AvatarInstanceServer(port=port, max_sessions=100))
