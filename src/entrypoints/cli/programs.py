"""What the parent process runs: the command line, environment and log of each child."""

import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from adapters.processes.child import Program
from entrypoints.settings import Settings, child_environment

PYTHON = (sys.executable, "-P", "-m")  # never a module of the folder we happen to be in


def migration(settings: Settings, keeps: tuple[int, ...]) -> Program:
    return Program(
        name="The migration",
        argv=(*PYTHON, "entrypoints.cli", "migrate", "upgrade"),
        environment=child_environment(secrets=True),
        log=log_of(settings, "migrate"),
        keeps=keeps,
    )


def web(settings: Settings, keeps: tuple[int, ...], *, log: bool) -> Program:
    return Program(
        name="The web server",
        argv=(*PYTHON, "entrypoints.server"),
        environment=child_environment(secrets=True, extra={"PYTHONUNBUFFERED": "1"}),
        log=log_of(settings, "server") if log else None,
        keeps=keeps,
        gated=True,
    )


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where the embedded model server listens for as long as we live, and the key it asks for."""

    port: int
    key: str

    @property
    def url(self) -> str:
        return f"openai+http://127.0.0.1:{self.port}/v1"


def model(settings: Settings, weights: Path, place: ModelPlace, keeps: tuple[int, ...]) -> Program:
    options = {"--model": weights, "--port": place.port, "--threads": settings.llm_threads}
    return Program(
        name="The model server",
        argv=(
            *PYTHON,
            "entrypoints.children.model_server",
            *(str(part) for option in options.items() for part in option),
        ),
        environment=child_environment(secrets=False, extra={"VIRTUAL_TUTOR_MODEL_KEY": place.key}),
        log=log_of(settings, "model"),
        keeps=keeps,
    )


@dataclass(frozen=True, slots=True)
class AvatarPlace:
    """Where our own Avatar Manager is found for as long as we live, and the secret for it and its instances.
    We hold its socket, so that nobody takes the port while it is restarted."""

    listener: socket.socket
    secret: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"


def avatars(settings: Settings, place: AvatarPlace, keeps: tuple[int, ...]) -> Program:
    listener = place.listener.fileno()
    options = {"--fd": listener, "--limit": settings.embedded_avatar_limit}
    return Program(
        name="The Avatar Manager",
        argv=(
            *PYTHON,
            "entrypoints.children.avatar_manager",
            *(str(part) for option in options.items() for part in option),
        ),
        environment=child_environment(
            secrets=False, extra={"AVATAR_SECRET": place.secret, "AVATAR_ICE_SERVERS": _ice_servers(settings)}
        ),
        log=log_of(settings, "avatars"),
        keeps=(*keeps, listener),
    )


def _ice_servers(settings: Settings) -> str:
    """As browsers take them. Not those that want credentials made for one user and a few hours: an instance
    lives longer, and needs no relay when the browser has one."""
    told = [
        {"urls": server.urls, "username": server.username, "credential": server.credential}
        for server in settings.ice_servers
        if not server.is_open
    ]
    return json.dumps(told) if told else ""


def log_of(settings: Settings, name: str) -> Path:
    return settings.data_dir / "logs" / f"{name}.log"
