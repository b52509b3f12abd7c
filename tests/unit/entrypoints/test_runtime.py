import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoints.runtime import (
    NotRunning,
    Runtime,
    read_runtime,
    remove_runtime,
    resolve,
    runtime_file,
    write_runtime,
)
from entrypoints.settings import load_settings

RUNNING = Runtime(
    pid=os.getpid(),
    address="http://127.0.0.1:8000",
    redis_url="unix:///run/x.sock",
    llm_url="openai+http://127.0.0.1:40000/v1",
    llm_api_key="key of this launch",
    avatars_url="http://127.0.0.1:40001",
    avatars_secret="secret of this launch",
)


def test_embedded_parts_are_found_through_the_running_server(tmp_path: Path) -> None:
    write_runtime(tmp_path, RUNNING)

    found = resolve(load_settings({"DATA_DIR": str(tmp_path)}))

    assert (found.redis_url, found.llm_url) == (RUNNING.redis_url, RUNNING.llm_url)
    assert (found.llm_api_key, found.llm_model) == (RUNNING.llm_api_key, "embedded")
    assert (found.redis_is_embedded, found.llm_is_embedded, found.grounding) == (True, True, "strict")
    assert found.embedded_avatars == (RUNNING.avatars_url, RUNNING.avatars_secret)


def test_the_embedded_model_is_found_where_it_stands_in_for_another(tmp_path: Path) -> None:
    environ = {"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://h", "LLM_URL": "http://h:1"}
    settings = load_settings(
        {**environ, "LLM_FALLBACK_URLS": "http://h:2, embedded", "LLM_API_KEY": "theirs"}
    )
    assert resolve(settings) is settings  # no server runs it

    write_runtime(tmp_path, RUNNING)
    found = resolve(settings)

    assert found.embedded_llm == (RUNNING.llm_url, RUNNING.llm_api_key)
    assert (found.llm_url, found.llm_api_key) == ("http://h:1", "theirs")


def test_our_own_avatars_are_found_where_everything_else_is_elsewhere(tmp_path: Path) -> None:
    environ = {"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://h", "LLM_URL": "http://h:1"}
    settings = load_settings(environ)
    elsewhere = load_settings({**environ, "AVATAR_MANAGER_URL": "http://h:8607"})
    assert resolve(settings) is settings  # no server runs them

    write_runtime(tmp_path, RUNNING)

    assert resolve(settings).embedded_avatars == (RUNNING.avatars_url, RUNNING.avatars_secret)
    assert resolve(elsewhere).embedded_avatars is None


def test_without_a_model_file_the_model_stays_absent(tmp_path: Path) -> None:
    write_runtime(tmp_path, Runtime(pid=os.getpid(), address="x", redis_url="unix:///x"))

    assert resolve(load_settings({"DATA_DIR": str(tmp_path)})).llm_url == "embedded"


def test_networked_parts_need_no_running_server(tmp_path: Path) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://h", "LLM_URL": "http://h:1"})

    assert resolve(settings) is settings


def test_without_a_server_embedded_parts_are_not_there(tmp_path: Path) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path)})

    with pytest.raises(NotRunning, match="start `virtual-tutor serve` first"):
        resolve(settings)


def test_what_a_killed_server_left_behind_does_not_count(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_runtime(tmp_path, Runtime(pid=gone.pid, address="x"))

    assert read_runtime(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1, "surprise": 2}'])
def test_a_damaged_file_does_not_count(tmp_path: Path, content: str) -> None:
    runtime_file(tmp_path).parent.mkdir()
    runtime_file(tmp_path).write_text(content)

    assert read_runtime(tmp_path) is None


def test_only_its_owner_can_read_the_keys(tmp_path: Path) -> None:
    write_runtime(tmp_path, RUNNING)

    assert stat.S_IMODE(runtime_file(tmp_path).stat().st_mode) == 0o600
    assert read_runtime(tmp_path) == RUNNING
    remove_runtime(tmp_path)
    remove_runtime(tmp_path)
    assert read_runtime(tmp_path) is None
