"""A live server's catalogue: `python -m tests.servers.live_server --port 8606`."""

import asyncio
from typing import Any

from typing_extensions import override

from tests.images import a_picture
from tests.servers.http import Exchange, Received, run
from tests.servers.http import HttpServer as Server

MIRA = {
    "tts_model": "edgeTTS",
    "timbre": "FemaleA",
    "avatar_model": "MuseTalk",
    "description": "Patient with beginners",
    "support_clone": False,
    "avatar_blur": False,
    "created_at": "2025-11-18T10:30:45",
    "status": "active",
}


class LiveServerServer(Server):
    """While it makes an avatar it answers nothing else; the list knows of it some time after the answer."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.avatars: dict[str, dict[str, Any]] = {"test_yongen": MIRA, "g": {**MIRA, "support_clone": True}}
        self.names_only = False
        self.making = asyncio.Event()  # cleared while an avatar is being made
        self.making.set()
        self.takes_s = 0.0
        self.later_s = 0.0
        self.made: list[tuple[dict[str, str], dict[str, bytes]]] = []
        self._later: set[asyncio.Task[None]] = set()

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        await self.making.wait()
        match request.method, request.path:
            case "GET", "/avatar/get_avatars":
                avatars = list(self.avatars) if self.names_only else self.avatars
                await exchange.json(200, {"status": "success", "avatars": avatars})
            case "POST", "/avatar/preview":
                await self._preview(request.form()[0].get("avatar_name", ""), exchange)
            case "POST", "/avatar/add":
                await self._add(request, exchange)
            case "POST", "/avatar/delete":
                await self._delete(request.form()[0].get("name", ""), exchange)
            case _:
                await exchange.page(404, "Not Found")

    async def _preview(self, name: str, exchange: Exchange) -> None:
        if name not in self.avatars:
            return await exchange.json(404, {"detail": f"/srv/live/{name}.png not found"})
        await exchange.answer(200, picture_of(name), "image/png", {"set-cookie": "a=b"})

    async def _add(self, request: Received, exchange: Exchange) -> None:
        fields, files = request.form()
        missing = [name for name in ("name", "prompt_face") if name not in {**fields, **files}]
        if missing:
            said = [{"loc": ["body", name], "msg": "Field required", "type": "missing"} for name in missing]
            return await exchange.json(422, {"detail": said})
        name = fields["name"]
        if name in self.avatars:
            return await exchange.json(400, {"detail": f"Avatar {name} already exists"})
        self.making.clear()
        await asyncio.sleep(self.takes_s)
        self.making.set()
        self.made.append((fields, {part: file.content for part, file in files.items()}))
        path = f"/srv/live/avatars/{name}.png"
        answer = {"status": "success", "message": "Avatar created", "image_path": path}
        await exchange.json(200, answer)
        task = asyncio.create_task(self._write(name, fields))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _write(self, name: str, fields: dict[str, str]) -> None:
        await asyncio.sleep(self.later_s)
        self.avatars[name] = {**MIRA, "description": fields.get("description", "")}

    async def _delete(self, name: str, exchange: Exchange) -> None:
        if self.avatars.pop(name, None) is None:
            return await exchange.json(404, {"detail": f"Avatar {name} not found"})
        await exchange.json(200, {"status": "success", "message": f"Avatar {name} deleted"})


def picture_of(name: str) -> bytes:
    """Another one for each name."""
    return a_picture((2 * len(name), 4))


if __name__ == "__main__":
    run(lambda port: LiveServerServer(port=port))
