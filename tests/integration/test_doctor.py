"""`virtual-tutor doctor` looking at real servers, and at none."""

import asyncio
from pathlib import Path

from adapters.s3.bucket import Bucket
from adapters.sql import migrate
from entrypoints.cli.checkup import Finding, Verdict, examine
from entrypoints.settings import load_settings
from tests.buckets import client_at
from tests.conftest import Valkey
from tests.free_port import free_port
from tests.integration.served import served
from tests.servers.clamd import ClamdServer
from tests.servers.http import Fault, HttpServer
from tests.servers.openai_chat import OpenAiChatServer
from tests.servers.rag_service import RagServiceServer
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, S3Server
from tests.servers.smtp import SmtpServer


async def findings(folder: Path, **environ: str) -> dict[str, Finding]:
    environ = {"DATA_DIR": str(folder / "data"), "PORT": str(free_port()), **environ}
    return {finding.part: finding for finding in await examine(load_settings(environ))}


def not_well(found: dict[str, Finding]) -> dict[str, Verdict]:
    return {part: each.verdict for part, each in found.items() if each.verdict is not Verdict.WELL}


async def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    before = load_settings({"DATA_DIR": str(tmp_path / "data")})

    found = await findings(tmp_path)

    assert not_well(found) == {}
    assert [file.name for file in before.data_dir.iterdir()] == ["secrets"]


async def test_a_running_server_is_looked_into(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        found = await findings(tmp_path)

        assert not_well(found) == {}
        assert found["redis"].what == "embedded, Valkey answers"
        assert found["model"].what.endswith("is complete and answers")
        assert str(one.pid) in found["port"].what
        assert found["avatars"].what.endswith("our Avatar Manager answers")


async def test_networked_parts_are_asked(tmp_path: Path, valkey: Valkey, postgresql_database: str) -> None:
    async with OpenAiChatServer(api_key="k") as model, RagServiceServer() as documents, SmtpServer() as sink:
        environ = {
            "DATABASE_URL": postgresql_database,
            "REDIS_URL": valkey.url,
            "LLM_URL": f"openai+{model.url}/v1",
            "LLM_MODEL": "small-tutor",
            "LLM_API_KEY": "k",
            "RAG_URL": documents.url,
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(sink.port),
            "MAIL_USE_TLS": "false",
            "MAIL_DEFAULT_SENDER": "tutor@example.org",
        }
        fresh = await findings(tmp_path, **environ)
        assert not_well(fresh) == {"database": Verdict.BROKEN}
        assert fresh["database"].remedy.startswith("Run `virtual-tutor migrate`")

        wrong_key = await findings(tmp_path, **{**environ, "LLM_API_KEY": "other"})
        assert wrong_key["model"].remedy == "Check LLM_API_KEY."


async def test_an_avatar_manager_elsewhere_is_asked(tmp_path: Path) -> None:
    async with HttpServer() as manager, HttpServer() as live:
        manager.faults["/health"] = live.faults["/avatar/get_avatars"] = Fault(status=200, body=b"{}")
        environ = {"AVATAR_MANAGER_URL": manager.url, "LIVE_SERVER_URL": live.url}
        found = (await findings(tmp_path, **environ))["avatars"]
        assert (found.verdict, found.what) == (Verdict.WELL, f"{manager.url} and the live server answer")

        environ["LIVE_SERVER_URL"] = f"http://127.0.0.1:{free_port()}"
        assert (await findings(tmp_path, **environ))["avatars"].verdict is Verdict.DOUBTFUL

        manager.faults["/health"] = Fault(status=500)
        found = (await findings(tmp_path, **environ))["avatars"]
        assert (found.verdict, found.remedy) == (Verdict.BROKEN, "Look at the Avatar Manager.")


async def test_what_is_not_there_is_named_with_its_remedy(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    found = await findings(
        tmp_path,
        DATABASE_URL=f"postgresql://ann:pass@{nowhere}/tutor",
        REDIS_URL=f"redis://:pass@{nowhere}",
        LLM_URL=f"http://{nowhere}",
        RAG_URL=f"http://{nowhere}",
        AVATAR_MANAGER_URL=f"http://{nowhere}",
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=nowhere.partition(":")[2],
        MAIL_DEFAULT_SENDER="tutor@example.org",
    )

    broken = {"database", "redis", "model", "documents", "avatars", "mail"}
    assert not_well(found) == dict.fromkeys(broken, Verdict.BROKEN)
    assert all(found[part].remedy for part in broken)
    assert not any("pass" in each.what for each in found.values())


async def test_a_bucket_and_a_scanner_are_asked(tmp_path: Path, s3: S3Server) -> None:
    async with client_at(s3.url) as client, ClamdServer() as clamd:
        await Bucket(client, "of-the-doctor").ask("create_bucket")
        environ = {
            "BLOB_URL": "s3://of-the-doctor/tutor",
            "S3_ENDPOINT_URL": s3.url,
            "S3_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "SCANNER_URL": f"clamd://127.0.0.1:{clamd.port}",
        }
        found = await findings(tmp_path, **environ)
        assert not_well(found) == {}
        assert found["uploads"].what == "s3://of-the-doctor/tutor takes files"
        assert found["scanner"].what == f"clamd://127.0.0.1:{clamd.port} answers"

        environ["BLOB_URL"] = "s3://no-such-bucket"
        environ["SCANNER_URL"] = f"clamd://127.0.0.1:{free_port()}"
        found = await findings(tmp_path, **environ)

    assert not_well(found) == {"uploads": Verdict.BROKEN, "scanner": Verdict.BROKEN}
    assert "NoSuchBucket" in found["uploads"].what
    assert all(found[part].remedy for part in ("uploads", "scanner"))


async def test_a_migrated_database_is_well(tmp_path: Path, postgresql_database: str) -> None:
    settings = load_settings({"DATA_DIR": str(tmp_path), "DATABASE_URL": postgresql_database})
    await asyncio.to_thread(migrate.upgrade, settings.sqlalchemy_url)

    assert not_well(await findings(tmp_path, DATABASE_URL=postgresql_database)) == {}
