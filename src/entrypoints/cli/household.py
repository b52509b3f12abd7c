"""The parent of everything that runs on this machine: starts the parts in order, keeps them alive, ends
them in order. All of it happens in the main thread, because a child dies with the thread that started
it."""

import http.client
import os
import secrets
import select
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from adapters.data_files import DataFileDamaged, DataFileMissing
from adapters.loopback import SECRET_HEADER
from adapters.processes import valkey
from adapters.processes.child import Child
from adapters.processes.ports import free_port, is_free, loopback_listener
from adapters.processes.supervision import Kept
from entrypoints.cli import programs
from entrypoints.cli.console import complain, say
from entrypoints.cli.models import weights_file
from entrypoints.kept_secrets import private_folder
from entrypoints.runtime import Runtime, metrics_folder, remove_runtime, write_runtime
from entrypoints.settings import Settings, child_environment

TICK, QUICK_TICK = 0.5, 0.03  # seconds between looks: at rest, and while something is awaited
SILENCE = 1.0  # what takes longer is announced
REDIS_PATIENCE, MIGRATION_PATIENCE, WEB_PATIENCE = 60.0, 900.0, 90.0
MODEL_PATIENCE, AVATARS_PATIENCE = 60.0, 10.0
WEB_GRACE, MODEL_GRACE, REDIS_GRACE = 2.0, 1.0, 6.0  # beyond the drain time; none; to write its data
AVATARS_GRACE = 3.0  # a little more than the Avatar Manager gives its instances


class StartFailed(Exception):
    """Something needed does not start; the message says what, with the end of its log."""


class StopRequested(Exception):
    """SIGTERM, Ctrl-C, or the terminal is gone."""


class WebServerEnded(Exception):
    """Without it there is nothing to keep."""


class Household:
    def __init__(self, settings: Settings, lock: int, *, verbose: bool) -> None:
        self.settings = settings
        self.keeps = (lock,)  # every child holds the lock: the data folder is free when all have ended
        self.verbose = verbose
        self.redis: Kept | None = None
        self.redis_folder: Path | None = None
        self.model: Kept | None = None
        self.model_place: programs.ModelPlace | None = None
        self.avatars: Kept | None = None
        self.avatar_place: programs.AvatarPlace | None = None
        self.web: Child | None = None
        self.stops = 0
        self.wake_up, self.waker = os.pipe()

    def run(self, announce: Callable[[Runtime], None]) -> int:
        """Everything from the first child to the last; the exit status."""
        self._listen_to_signals()
        try:
            announce(self._start())
            while True:
                self._turn(TICK)
        except StopRequested:
            return 0
        except WebServerEnded:
            complain("The web server ended unexpectedly. The end of its log:", self._last_words())
            return 1
        finally:
            self._stop()

    def _start(self) -> Runtime:
        self._check_port()
        reader, writer = os.pipe()  # held by us and the web server: the Redis ends after both
        self._start_redis(outlives=reader)
        self._renew_metrics_folder()
        self.web = Child.start(
            programs.web(self.settings, (*self.keeps, writer), log=not self.verbose)
        )  # imports the application meanwhile
        migration = Child.start(programs.migration(self.settings, self.keeps))
        self._start_model()
        self._serve_metrics(self.web)
        self._await("Preparing the database", lambda: migration.exit_code is not None, MIGRATION_PATIENCE)
        if migration.exit_code != 0:
            raise StartFailed(f"The database cannot be prepared:\n{migration.last_words()}")
        if self.redis:
            self._await("Starting the embedded Redis", self.redis.is_ready, REDIS_PATIENCE)
        self._place_avatars()
        runtime = self._runtime()
        write_runtime(self.settings.data_dir, runtime)
        self.web.open_gate()
        self._await("Starting the web server", self._web_is_ready, WEB_PATIENCE)
        self._start_avatars()  # while the model loads; nobody can ask for one earlier
        if self.model and not self._comes("Loading the model", self.model.is_ready, MODEL_PATIENCE):
            complain(f"warning: the model server does not answer yet, see {self.model.program.log}")
        if self.avatars and not self._comes("Starting the avatars", self.avatars.is_ready, AVATARS_PATIENCE):
            complain(f"warning: the Avatar Manager does not answer yet, see {self.avatars.program.log}")
        return runtime

    def _check_port(self) -> None:
        host, port = self.settings.host, self.settings.port
        if not is_free(host, port):
            raise StartFailed(f"Port {port} on {host} cannot be used: stop what listens there, or set PORT.")

    def _start_redis(self, outlives: int) -> None:
        if not self.settings.redis_is_embedded:
            return
        self.redis_folder = folder = valkey.socket_folder(self.settings.runtime_dir)
        program = valkey.valkey_program(
            folder,
            self.settings.data_dir / "valkey",
            log=programs.log_of(self.settings, "valkey"),
            environment=child_environment(secrets=False),
            keeps=self.keeps,
            outlives=outlives,
        )
        self.redis = Kept(program, lambda: valkey.answers_ping(folder), complain)
        self.redis.tend()

    def _start_model(self) -> None:
        if not self.settings.runs_model:
            return
        try:
            weights = weights_file(self.settings)
        except (DataFileMissing, DataFileDamaged) as error:
            complain(f"warning: {error}; without a model, answers are quoted from the documents alone")
            return
        self.model_place = place = programs.ModelPlace(free_port(), secrets.token_urlsafe(32))
        program = programs.model(self.settings, weights, place, self.keeps)
        self.model = Kept(program, lambda: answers(f"http://127.0.0.1:{place.port}/health"), complain)
        self.model.tend()

    def _place_avatars(self) -> None:
        if self.settings.avatars_are_embedded:
            self.avatar_place = programs.AvatarPlace(loopback_listener(), secrets.token_urlsafe(32))

    def _start_avatars(self) -> None:
        if place := self.avatar_place:
            program = programs.avatars(self.settings, place, self.keeps)
            secret = {SECRET_HEADER: place.secret}
            self.avatars = Kept(program, lambda: answers(f"{place.url}/health", secret), complain)
            self.avatars.tend()

    def _renew_metrics_folder(self) -> None:
        """Counts begin anew with each start."""
        folder = metrics_folder(self.settings.data_dir)
        shutil.rmtree(folder, ignore_errors=True)
        if self.settings.metrics_port:
            private_folder(folder)

    def _serve_metrics(self, web: Child) -> None:
        if not self.settings.metrics_port:
            return
        from adapters.prometheus.workers import Workers, serve_metrics  # the children start meanwhile

        port, folder = self.settings.metrics_port, metrics_folder(self.settings.data_dir)
        try:
            serve_metrics(port, Workers(folder, web.has_started))
        except OSError:
            complain(f"warning: METRICS_PORT {port} is taken: this server runs without metrics")
            shutil.rmtree(folder, ignore_errors=True)

    def _runtime(self) -> Runtime:
        return Runtime(
            pid=os.getpid(),
            address=self.settings.address,
            redis_url=valkey.redis_url(self.redis_folder) if self.redis_folder else None,
            llm_url=self.model_place.url if self.model_place else None,
            llm_api_key=self.model_place.key if self.model_place else None,
            avatars_url=self.avatar_place.url if self.avatar_place else None,
            avatars_secret=self.avatar_place.secret if self.avatar_place else None,
        )

    def _web_is_ready(self) -> bool:
        return answers(f"{self.settings.address}/api/health/ready")

    def _await(self, what: str, arrived: Callable[[], bool], patience: float) -> None:
        if not self._comes(what, arrived, patience):
            raise StartFailed(f"{what} takes more than {patience:.0f} s. {self._last_words()}")

    def _comes(self, what: str, arrived: Callable[[], bool], patience: float) -> bool:
        """Whether it arrives in time; says what is awaited once that takes noticeably long."""
        began, told = time.monotonic(), False
        while not arrived():
            waited = time.monotonic() - began
            if waited > patience:
                return False
            if waited > SILENCE and not told:
                told = True
                say(f"{what} …")
            self._turn(QUICK_TICK)
        return True

    def _turn(self, seconds: float) -> None:
        """One round of the supervision, at once when a signal comes."""
        if select.select([self.wake_up], [], [], seconds)[0]:
            os.read(self.wake_up, 256)
        if self.stops:
            raise StopRequested
        if self.web and self.web.exit_code is not None:
            raise WebServerEnded
        for part in (self.redis, self.model, self.avatars):
            if part:
                part.tend()

    def _stop(self) -> None:
        """The web server first, with its time to drain; the Redis last, for the others need it to the end."""
        if self.web:
            self._stop_web(self.web)
        if self.model:
            self.model.stop(MODEL_GRACE)
        if self.avatars:
            self.avatars.stop(AVATARS_GRACE)
        remove_runtime(self.settings.data_dir)
        if self.redis:
            self.redis.stop(REDIS_GRACE)
        if self.redis_folder:
            shutil.rmtree(self.redis_folder, ignore_errors=True)

    def _stop_web(self, web: Child) -> None:
        if self.stops and web.exit_code is None:
            say("Stopping …")
        asked = self.stops
        web.ask_to_stop()
        deadline = time.monotonic() + self.settings.drain_seconds + WEB_GRACE
        while not web.is_over and time.monotonic() < deadline and self.stops <= asked:
            time.sleep(QUICK_TICK)
        web.kill()  # the second Ctrl-C does not wait

    def _last_words(self) -> str:
        return self.web.last_words() if self.web else ""

    def _listen_to_signals(self) -> None:
        os.set_blocking(self.waker, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._asked_to_stop())

    def _asked_to_stop(self) -> None:
        self.stops += 1


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET there is answered with 200 within a second."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1.0)
    try:
        connection.request("GET", parts.path, headers=headers or {})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
