"""The files of the page at `/`: served as they should be, and asking nobody else."""

import re
from pathlib import Path
from secrets import token_hex

import pytest

from entrypoints.http.controllers.pages import PAGE, TYPES
from tests.conftest import Valkey
from tests.integration.house import House, a_house
from tests.servers.llm_service import LlmServiceServer

FILES = sorted(path.name for path in PAGE.iterdir() if path.name != "index.html")
OTHER_HOST = re.compile(r"""(?:https?:)?//(?!www\.w3\.org/2000/svg)[\w.-]+\.\w+""")


async def test_the_page_is_html_with_a_strict_policy(home: House) -> None:
    page = await home.client.get("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)
    assert not re.search(r"\{[a-z]+\}", page.text)
    assert 'content="/dev/mailbox.json"' in page.text


async def test_it_names_every_file_it_needs(home: House) -> None:
    """Each is served, and each that is served is needed."""
    needed, found = {"index.html"}, {"/"}
    while found:
        text = (await home.client.get(found.pop())).text
        names = set(re.findall(r"/assets/page/([\w.-]+)", text)) | set(
            re.findall(r'from "\./([\w.-]+)"', text)
        )
        found |= {f"/assets/page/{name}" for name in names - needed}
        needed |= names
    assert needed == {*FILES, "index.html"}


@pytest.mark.parametrize("name", FILES)
async def test_its_parts_have_their_types_and_are_asked_for_again(home: House, name: str) -> None:
    url = f"/assets/page/{name}"
    got = await home.client.get(url)

    assert got.status_code == 200
    kind, _, charset = got.headers["content-type"].partition("; ")
    assert (kind, charset) == (TYPES[Path(name).suffix], "charset=utf-8" if "text" in kind else "")
    assert got.headers["cache-control"] == "no-cache"
    assert got.headers["content-security-policy"]
    head = await home.client.head(url)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", got.headers["etag"])


@pytest.mark.parametrize("url", ["/", "/assets/page/main.js"])
@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', "*"])
async def test_what_is_known_already_is_not_sent_again(home: House, url: str, known: str) -> None:
    tag = (await home.client.get(url)).headers["etag"]
    again = await home.client.get(url, headers={"If-None-Match": known.format(tag)})
    other = await home.client.get(url, headers={"If-None-Match": '"other"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (other.status_code, other.headers["etag"]) == (200, tag)


@pytest.mark.parametrize("name", ["index.html", "nope.js", "..", "%2e%2e%2fpage%2fmain.js", "main", ".js"])
async def test_nothing_else_is_served(home: House, name: str) -> None:
    assert (await home.client.get(f"/assets/page/{name}")).status_code == 404


@pytest.mark.parametrize("name", [*FILES, "index.html"])
def test_no_file_asks_another_host_or_takes_words_for_code(name: str) -> None:
    text = (PAGE / name).read_text("utf-8")

    assert not OTHER_HOST.findall(text)
    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text
    )
    assert not re.findall(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=\"|javascript:", text)


async def test_a_name_of_a_model_is_no_markup(tmp_path: Path, valkey: Valkey, home: House) -> None:
    evil = "<b>m</b>"
    at = {"LLM_URL": f"openai+{home.url}/v1", "REDIS_URL": f"{valkey.url}?db=3"}
    async with a_house(tmp_path, LLM_MODEL=evil, **at) as house:
        page = await house.client.get("/")
    assert "&lt;b&gt;m&lt;/b&gt;" in page.text
    assert evil not in page.text


async def test_without_the_mailbox_the_page_does_not_look_for_it(
    tmp_path: Path, valkey: Valkey, llm: LlmServiceServer
) -> None:
    secrets = {"SECRET_KEY": token_hex(32), "JWT_SECRET_KEY": token_hex(32)}
    at = {"LLM_URL": llm.url, "REDIS_URL": f"{valkey.url}?db=3", "ENVIRONMENT": "production"}
    async with a_house(tmp_path, CORS_ORIGINS="https://a.example", **at, **secrets) as house:
        page = await house.client.get("/")
    assert 'name="mailbox" content=""' in page.text
