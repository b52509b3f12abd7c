"""What a talking head costs: `.venv/bin/python bench/avatar_instance.py [--viewers N]`.

A real instance and aiortc viewers in this process: CPU per viewer while nothing is said and while all speak,
frames received, text to first sound, the distance of sound and mouth, memory."""

import argparse
import asyncio
import os
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parents[1])]

from tests.integration.talking_head.running import Running, running  # noqa: E402 (the path is set above)
from tests.integration.talking_head.sounds import tones  # noqa: E402 (the path is set above)
from tests.integration.talking_head.watching import LOUD, Watcher  # noqa: E402 (the path is set above)

TEXT = "Plants use chlorophyll to absorb the light of the sun, and they release oxygen. "
SECONDS = 8.0
BEEPS = 12
PREFETCH = 0.08  # aiortc's viewers hold four frames of sound back
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int, what: str) -> int:
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) // 1024


async def load(what: str, instance: Running, watchers: list[Watcher]) -> None:
    used, seen, began = cpu(instance.process.pid), [len(one.seen) for one in watchers], time.monotonic()
    await asyncio.sleep(SECONDS)
    took = time.monotonic() - began
    share = (cpu(instance.process.pid) - used) / took / len(watchers)
    frames = [(len(one.seen) - before) / took for one, before in zip(watchers, seen, strict=True)]
    print(f"{what}: {share:.1%} of a core per viewer, {min(frames):.1f} pictures a second at least")


async def first_sound(watcher: Watcher) -> None:
    waits = []
    for _ in range(8):
        began = time.monotonic()
        await watcher.say(TEXT)
        waits.append((await watcher.until_loud(began)).at - began)
        await watcher.interrupt()
        await asyncio.sleep(0.7)
    print(f"text to first sound heard: median {statistics.median(waits):.2f} s, worst {max(waits):.2f} s")


async def skew(watcher: Watcher, instance: Running) -> None:
    began = time.monotonic()
    await instance.http.post(
        "/humanaudio",
        data={"sessionid": str(watcher.number)},
        files={"file": ("beeps.wav", tones(*[(0.7, 0.3)] * BEEPS))},
    )
    await asyncio.sleep(BEEPS + 1.5)
    heard = begins([(one.at, one.loudness > LOUD) for one in watcher.heard if one.at > began])
    seen = begins([(one.at, one.is_open) for one in watcher.seen if one.at > began])
    apart = [(sound - PREFETCH - picture) * 1000 for sound, picture in zip(heard, seen, strict=False)]
    median = statistics.median(apart)
    print(f"sound after mouth: {median:.0f} ms ({min(apart):.0f} to {max(apart):.0f})")


def begins(states: list[tuple[float, bool]]) -> list[float]:
    return [now for (_, before), (now, after) in pairwise(states) if after and not before]


async def main(viewers: int) -> None:
    began = time.monotonic()
    async with running("--look", "ada", "--max-sessions", str(viewers)) as instance:
        await instance.healthy()
        healthy = time.monotonic() - began
        await instance.ready()
        print(f"healthy after {healthy:.2f} s, has its voice after {time.monotonic() - began:.2f} s")
        await asyncio.sleep(3)
        async with Watcher(instance.http) as watcher:
            await first_sound(watcher)
            await skew(watcher, instance)
        await asyncio.sleep(1)
        for number in sorted({1, viewers}):
            watchers = [Watcher(instance.http) for _ in range(number)]
            for watcher in watchers:
                await watcher.__aenter__()
            await load(f"{number} in silence", instance, watchers)
            for watcher in watchers:
                await watcher.say(TEXT * 4)
            await asyncio.sleep(1)
            await load(f"{number} speaking", instance, watchers)
            for watcher in watchers:
                await watcher.leave()
            await asyncio.sleep(1)
        pid = instance.process.pid
        print(f"memory: {memory(pid, 'VmRSS')} MiB, at most {memory(pid, 'VmHWM')} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--viewers", type=int, default=3)
    asyncio.run(main(parser.parse_args().viewers))
