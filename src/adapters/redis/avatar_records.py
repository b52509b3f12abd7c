"""What is kept about avatars, as text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from application.ports.avatar_leases import (
    CallKind,
    CallState,
    LastStart,
    ManagerCall,
)
from domain.avatar import AvatarName, Instance, Lease, LeaseNumber
from domain.user import UserId


def packed_lease(lease: Lease) -> str:
    instance = lease.instance
    mapping = {
        "avatar_id": lease.avatar,
        "port": instance.port,
        "instance_id": lease.instance_id,
        "timestamp": round(lease.started_at, 3),
        "host": instance.host,
        "manager": instance.manager,
        "pid": instance.pid,
        "start_time": instance.start_time,
        "gpu": instance.gpu,
        "connections": instance.connections,
        "running": instance.running,
        "confirmed": round(lease.confirmed_at, 3),
        "number": lease.number,
    }
    return json.dumps(mapping)


def lease_from(user: UserId, raw: bytes | str) -> Lease | None:
    """None for what somebody else has written."""
    try:
        mapping = json.loads(raw)
        avatar = AvatarName(mapping["avatar_id"])
        instance = Instance(
            manager=mapping["manager"],
            avatar=avatar,
            host=mapping["host"],
            port=mapping["port"],
            pid=mapping["pid"],
            start_time=mapping["start_time"],
            gpu=mapping["gpu"],
            connections=mapping["connections"],
            running=mapping["running"],
        )
        return Lease(
            user=user,
            avatar=avatar,
            number=LeaseNumber(int(mapping["number"])),
            instance=instance,
            started_at=float(mapping["timestamp"]),
            confirmed_at=float(mapping["confirmed"]),
        )
    except (ValueError, TypeError, KeyError):
        return None


def place_of(manager: str, avatar: AvatarName) -> str:
    return f"{avatar} {manager}"


def packed_start(start: LastStart) -> str:
    return json.dumps({"at": round(start.at, 3), "pid": start.pid, "start_time": start.start_time})


def start_from(raw: bytes | str) -> LastStart:
    return LastStart(**json.loads(raw))


def starts_from(found: Sequence[bytes]) -> Mapping[tuple[str, AvatarName], LastStart]:
    starts = {}
    for place, raw in zip(found[::2], found[1::2], strict=True):
        avatar, _, manager = place.decode().partition(" ")
        starts[manager, AvatarName(avatar)] = start_from(raw)
    return starts


def field_of(call: ManagerCall) -> str:
    return f"{call.number}:{call.kind}"


def packed_call(call: ManagerCall) -> str:
    what = {
        "user": call.user,
        "manager": call.manager,
        "avatar": call.avatar,
        "state": call.state,
        "since": round(call.since, 3),
    }
    return json.dumps(what)


def stop_from(given: Any) -> ManagerCall | None:
    return call_from(b"%s:stop" % given[0], given[1]) if given else None


def call_from(name: bytes, raw: bytes) -> ManagerCall | None:
    number, _, kind = name.decode(errors="replace").partition(":")
    try:
        what = json.loads(raw)
        return ManagerCall(
            number=LeaseNumber(int(number)),
            user=UserId(what["user"]),
            manager=what["manager"],
            avatar=AvatarName(what["avatar"]),
            kind=CallKind(kind),
            state=CallState(what["state"]),
            since=float(what["since"]),
        )
    except (ValueError, TypeError, KeyError):
        return None
