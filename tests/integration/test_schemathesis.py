"""Property tests of the whole API over its OpenAPI document (IN-13); what is narrowed stands in
schemathesis.toml, with the reason."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.integration.house import House, User, a_house
from tests.integration.http.staff import TIM, staff
from tests.servers.avatar_instance import AvatarInstanceServer
from tests.servers.avatar_manager import AvatarManagerServer
from tests.servers.live_server import LiveServerServer
from tests.servers.llm_service import LlmServiceServer
from tests.servers.script import Script

ROOT = Path(__file__).parents[2]
TOOL = Path(sys.executable).with_name("st")
LEAVING = ["logout", "logoutAll"]
EXAMPLES = 20  # of each operation, beside those that cover its schema; `st run` by itself makes more


async def schemathesis(user: User, *options: str) -> None:
    """A run as this user; fails with what it found."""
    arguments = ["--config-file", str(ROOT / "schemathesis.toml"), "--no-color", "run"]
    arguments += ["--max-examples", str(EXAMPLES)]
    arguments += [f"{user.house.url}/api/openapi.json", "-H", f"Authorization: Bearer {user.token}", *options]
    process = await asyncio.create_subprocess_exec(
        TOOL,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=user.house.settings.data_dir,  # where it keeps its examples
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-20_000:]


@pytest.fixture
async def ann(house: House, llm: LlmServiceServer) -> User:
    llm.script = Script(pieces=["A ", "fast answer."])
    return await house.user()


async def test_no_generated_request_finds_a_hole(ann: User, llm: LlmServiceServer) -> None:
    without = [option for name in LEAVING for option in ("--exclude-operation-id", name)]
    await schemathesis(ann, *without, "--exclude-tag", "avatars", "--seed", "1")
    llm.script = Script()
    assert (await ann.get("/api/chat/history")).status_code == 200


@pytest.mark.parametrize("name", LEAVING)
async def test_logging_out_has_no_hole(ann: User, name: str) -> None:
    """By itself: afterwards its token opens nothing."""
    await schemathesis(ann, "--include-operation-id", name)


async def test_administration_has_no_hole(house: House) -> None:
    """Logging somebody out comes last: it may hit the admin who does it."""
    root = await staff(house)
    out = "logOutUser"
    await schemathesis(root, "--include-tag", "administration", "--exclude-operation-id", out, "--seed", "1")
    await schemathesis(root, "--include-operation-id", out)


async def test_avatars_have_no_hole(tmp_path: Path, redis: object, valkey_url: str) -> None:
    """With a catalogue, a pool and an avatar of one's own."""

    def launched() -> AvatarInstanceServer:
        made = AvatarInstanceServer(max_sessions=100_000)
        made.takes_any_sdp = True  # what it cannot read is 502, which the tool takes for a fault of ours
        return made

    async with AvatarManagerServer(instance=launched) as manager, LiveServerServer() as live:
        upstreams = {"AVATAR_MANAGER_URL": manager.url, "LIVE_SERVER_URL": live.url}
        async with a_house(
            tmp_path, REDIS_URL=valkey_url, LLM_URL=manager.url, AVATAR_HOST="127.0.0.1", **upstreams
        ) as house:
            tim = await staff(house, TIM, "tutor")
            started = await tim.post("/api/avatar/start", data={"avatar_name": "test_yongen"})
            assert started.status_code == 200, started.text
            parting = ["--exclude-operation-id", "disconnectAvatar"]
            await schemathesis(tim, "--include-tag", "avatars", *parting, "--seed", "1")
            await schemathesis(tim, "--include-operation-id", "disconnectAvatar")
