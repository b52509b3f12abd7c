"""Does anything tell a registered address from an unknown one? Statuses, bodies, headers, or the clock?

    .venv/bin/python bench/enumeration.py [--pairs 200]

Pairs of requests that differ in nothing but the address, one known and one unknown, in random order, against
a server of its own. For each route the medians are printed, and the p value of a two-sided Mann-Whitney U
test: how probable so great a difference is when there is none.
"""

import argparse
import asyncio
import http.client
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent), str(HERE)]

from crowd import a_server, known, loopback, unknown  # noqa: E402

Fields = dict[str, str]
WARM_UP = 20
PER_ACCOUNT = 5  # failed logins; ten are allowed
PER_PLACE = 24  # pairs; a place may ask for 60 codes and fail 100 logins


@dataclass(frozen=True)
class Route:
    path: str
    body: Callable[[str], Fields]
    per_address: int = 1  # how often an address may be used without being limited


ROUTES = [
    Route("/api/login", lambda email: {"email": email, "password": "a wrong password"}, PER_ACCOUNT),
    Route("/api/send_verification", lambda email: {"email": email, "purpose": "reset_password"}),
    Route(
        "/api/reset_password",
        lambda email: {"email": email, "code": "000000", "new_password": "another good horse"},
    ),
]


@dataclass(frozen=True)
class Told:
    """All that somebody outside can see."""

    seconds: float
    status: int
    headers: tuple[str, ...]
    body: str


def asked(line: http.client.HTTPConnection, route: Route, email: str) -> Told:
    body = json.dumps(route.body(email))
    began = time.perf_counter()
    line.request("POST", route.path, body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    said = json.loads(answer.read())
    took = time.perf_counter() - began
    said.pop("request_id", None)
    names = tuple(name.lower() for name, _ in answer.getheaders())
    return Told(took, answer.status, names, json.dumps(said, sort_keys=True))


def measured(port: int, route: Route, first: int, pairs: int, place: int) -> tuple[list[Told], list[Told]]:
    """Answers about known and about unknown addresses, from `first` on."""
    found: tuple[list[Told], list[Told]] = [], []
    line: http.client.HTTPConnection | None = None
    for n in range(pairs):
        if line is None or n % PER_PLACE == 0:
            source = (loopback(place + n // PER_PLACE), 0)
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=source)
        address = first + n // route.per_address
        tries = [(known(address), found[0]), (unknown(address), found[1])]
        for email, answers in random.sample(tries, 2):
            answers.append(asked(line, route, email))
    return found


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p value, by the normal approximation with a correction for ties."""
    n, m = len(one), len(other)
    ranked = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    rank_sum, ties, at = 0.0, 0, 0
    while at < n + m:
        end = at
        while end < n + m and ranked[end][0] == ranked[at][0]:
            end += 1
        rank = (at + 1 + end) / 2
        rank_sum += rank * sum(1 for _, which in ranked[at:end] if which == 0)
        ties += (end - at) ** 3 - (end - at)
        at = end
    u = rank_sum - n * (n + 1) / 2
    variance = n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1)))
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))


def report(route: Route, knowns: list[Told], unknowns: list[Told]) -> bool:
    """Whether all looks alike but for the clock, which is for people to judge."""
    p = mann_whitney([t.seconds for t in knowns], [t.seconds for t in unknowns])
    medians = [statistics.median(t.seconds for t in told) * 1000 for told in (knowns, unknowns)]
    shapes = [{(t.status, t.headers, t.body) for t in told} for told in (knowns, unknowns)]
    alike = shapes[0] == shapes[1] and len(shapes[0]) == 1
    statuses = ", ".join(str(status) for status, _, _ in shapes[0] | shapes[1])
    print(
        f"{route.path:<24} {statuses:<9} {'alike' if alike else 'THEY DIFFER':<12}"
        f" {medians[0]:8.2f} {medians[1]:8.2f} {p:8.3f}",
        flush=True,
    )
    if not alike:
        print(shapes)
    return alike


async def run(pairs: int) -> bool:
    alike = True
    async with a_server(accounts=len(ROUTES) * (pairs + WARM_UP)) as house:
        port = urlsplit(house.url).port or 80
        print(
            f"{'':<24} {'status':<9} {'answers':<12} {'known':>8} {'unknown':>8} {'p':>8}   (medians in ms)"
        )
        for n, route in enumerate(ROUTES):
            first, place = n * (pairs + WARM_UP), 1 + n * (2 + (pairs + WARM_UP) // PER_PLACE)
            await asyncio.to_thread(measured, port, route, first, WARM_UP, place)
            answers = await asyncio.to_thread(measured, port, route, first + WARM_UP, pairs, place + 1)
            alike &= report(route, *answers)
    return alike


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    return 0 if asyncio.run(run(parser.parse_args().pairs)) else 1


if __name__ == "__main__":
    sys.exit(main())
