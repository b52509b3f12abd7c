"""Does the text feel it when the avatar that speaks it hangs?

One server; twenty people read replies that stamp each piece with the time. First nobody watches an avatar,
then all do, then all do and the avatar takes no word: how late does a piece come?

    .venv/bin/python -m bench.hanging_avatar
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from bench.bad_models import lateness, p, person
from tests.free_port import free_port
from tests.integration.house import User
from tests.integration.served import served
from tests.servers.avatar_instance import AvatarInstanceServer
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.http import Fault, run
from tests.servers.live_server import LiveServerServer

READERS, ROUNDS = 20, 4
FIRST = 8615
RESULTS = Path(__file__).with_name("HANGING_AVATAR.md")


async def read(users: list[User]) -> list[float]:
    late: list[float] = []
    for _ in range(ROUNDS):
        for found in await asyncio.gather(*(lateness(user) for user in users)):
            late += found
    return late


async def watch(user: User, avatar: str) -> None:
    started = await user.post("/api/avatar/start", data={"avatar_name": avatar})
    assert started.status_code == 200, started.text
    offered = await user.post("/api/webrtc/offer", json={"sdp": "v=0 offer", "type": "offer"})
    assert offered.status_code == 200, offered.text


async def apart(*arguments: str) -> asyncio.subprocess.Process:
    """What is not measured has a process of its own."""
    return await asyncio.create_subprocess_exec(sys.executable, "-m", *arguments)


async def main() -> None:
    port = free_port()
    first, second = FIRST, FIRST + 1  # as the manager numbers them
    others = [
        await apart("bench.bad_models", "--serve", str(port)),
        await apart("tests.servers.avatar_instance", "--port", str(first)),
        await apart("bench.hanging_avatar", "--deaf", str(second)),
    ]
    rows: list[tuple[str, list[float]]] = []
    try:
        with tempfile.TemporaryDirectory(prefix="vt-bench-") as folder:
            async with AvatarManagerServer() as manager, LiveServerServer() as live:
                live.avatars = {name: {} for name in manager.names}
                async with served(
                    Path(folder),
                    LLM_URL=f"http://127.0.0.1:{port}",
                    AVATAR_MANAGER_URL=manager.url,
                    AVATAR_HOST="127.0.0.1",
                    LIVE_SERVER_URL=live.url,
                ) as one:
                    users = [await person(one, n) for n in range(READERS)]
                    await read(users[:2])
                    rows.append(("nobody watches", await read(users)))
                    for name, avatar in zip(
                        ("an avatar speaks it", "the avatar hangs"), manager.names[:2], strict=True
                    ):
                        for user in users:
                            await watch(user, avatar)
                        rows.append((name, await read(users)))
    finally:
        for other in others:
            other.terminate()
            await other.wait()
    lines = [
        f"| {name} | {len(late)} | {p(late, 0.5):.1f} | {p(late, 0.99):.1f} | {max(late):.1f} |"
        for name, late in rows
    ]
    RESULTS.write_text(
        "# Does the text feel its avatar?\n\n"
        f"`python -m bench.hanging_avatar`, {READERS} readers at once, {os.cpu_count()} cores for all of it; "
        "milliseconds from the model to the reader.\n\n"
        "| | pieces | p50 | p99 | max |\n|---|--:|--:|--:|--:|\n" + "\n".join(lines) + "\n"
    )
    print(RESULTS.read_text())


def deaf(port: int) -> AvatarInstanceServer:
    instance = AvatarInstanceServer(port=port, first_session=500_000)
    instance.max_sessions = 100
    instance.faults["/human"] = Fault(hang=True)
    return instance


if __name__ == "__main__":
    if sys.argv[1:2] == ["--deaf"]:
        sys.argv[1] = "--port"
        run(deaf)
    else:
        asyncio.run(main())
