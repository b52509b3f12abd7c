"""What clients may send and how much of it (contract 1.3, 1.4)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.house import House, User
from tests.integration.http.answers import refusal
from tests.integration.http.raw import exchange
from tests.integration.http.staff import staff

MALFORMED = (400, "Malformed JSON", "bad_request")
NO_OBJECT = (400, "JSON object expected", "bad_request")
NOT_JSON = (415, "Content-Type must be application/json", "unsupported_media_type")
NOT_A_FORM = (415, "Content-Type must be a form type", "unsupported_media_type")
BAD_FORM = (400, "Malformed form data", "bad_request")
TOO_LARGE = (413, "Request body too large", "too_large")
NO_MESSAGE = (400, "Message is required", "missing_field")
KB, MB = 1024, 1024 * 1024


async def post(
    user: User, path: str, content: Any, kind: str | None = "application/json", **more: str
) -> httpx.Response:
    headers = {**user.headers, **({"Content-Type": kind} if kind else {}), **more}
    return await user.house.client.post(path, content=content, headers=headers)


@pytest.mark.parametrize("content", [b"", b"{}", b' {"title": null}', b'\t{"unknown": {"a": [1, 1e400]}}\n'])
@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", None])
async def test_json_is_taken_with_and_without_a_content_type(
    ann: User, content: bytes, kind: str | None
) -> None:
    answer = await post(ann, "/api/chat/new", content, kind)

    assert answer.status_code == (400 if b"1e400" in content else 201), answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"title": }',
        b'{"title": "x"} trailing',
        b'{"title": "x",}',
        b"{'title': 'x'}",
        b'{"title": NaN}',
        b'{"title": -Infinity}',
        b'{"title": "\xff\xfe"}',
        b'{"title": "\xed\xa0\x80"}',
        b'{"title": "\\ud800"}',
        b'{"title": "\\udc00 x"}',
        b'{"title": "line\nbreak"}',
        '{"title": "x"}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b" ",
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b"\x00",
    ],
    ids=lambda content: repr(content[:20]),
)
async def test_malformed_json(ann: User, content: bytes) -> None:
    assert refusal(await post(ann, "/api/chat/new", content)) == MALFORMED


@pytest.mark.parametrize("content", [b"[]", b"null", b"1", b'"title"', b"true", b'[{"title": "x"}]'])
async def test_a_json_body_is_an_object(ann: User, content: bytes) -> None:
    assert refusal(await post(ann, "/api/chat/new", content)) == NO_OBJECT


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "nonsense",
    ],
)
async def test_json_routes_take_nothing_else(ann: User, kind: str) -> None:
    assert refusal(await post(ann, "/api/chat/new", b'{"title": "x"}', kind)) == NOT_JSON
    assert (
        await post(ann, "/api/chat/new", b"", kind)
    ).status_code == 201  # an empty body is an empty object


@pytest.fixture(scope="module")
async def root(home: House) -> User:
    return await staff(home)


JSON_ROUTES = [
    ("POST", "/api/send_verification"),
    ("POST", "/api/register"),
    ("POST", "/api/login"),
    ("POST", "/api/update_password"),
    ("POST", "/api/reset_password"),
    ("DELETE", "/api/user/delete_account"),
    ("POST", "/api/user/profile"),
    ("POST", "/api/user/tutor_request"),
    ("POST", "/api/admin/users"),
    ("PUT", "/api/admin/users/999"),
    ("DELETE", "/api/admin/users/999"),
    ("POST", "/api/admin/tutor_requests/999/approve"),
    ("POST", "/api/admin/tutor_requests/999/reject"),
]


@pytest.mark.parametrize(("method", "path"), JSON_ROUTES)
async def test_every_json_route_reads_bodies_alike(root: User, method: str, path: str) -> None:
    """IN-1, IN-2: none has a reader of its own."""

    async def sent(content: bytes, kind: str | None = "application/json") -> httpx.Response:
        headers = {**root.headers, **({"Content-Type": kind} if kind else {})}
        return await root.house.client.request(method, path, content=content, headers=headers)

    for malformed in (b"{", b'{"a": NaN}', b'{"email": "\\ud800"}', b'{"email": "\xff"}', b"[" * 100_000):
        assert refusal(await sent(malformed)) == MALFORMED, malformed[:20]
    for no_object in (b"[]", b"null", b'"text"', b"1"):
        assert refusal(await sent(no_object)) == NO_OBJECT, no_object
    assert refusal(await sent(b"{}", "text/plain")) == NOT_JSON
    assert refusal(await sent(b"a=1", "application/x-www-form-urlencoded")) == NOT_JSON
    assert refusal(await sent(b"{" + b" " * 256 * KB + b"}")) == TOO_LARGE
    empty = [await sent(b""), await sent(b"", None), await sent(b"{}", None), await sent(b"{}")]
    assert len({(answer.status_code, answer.json()["msg"]) for answer in empty}) == 1
    assert empty[0].status_code in (200, 400, 404, 409)


@pytest.mark.parametrize("path", ["/api/logout_all", "/api/admin/users/999/logout"])
async def test_routes_without_a_body_ignore_what_is_in_it(root: User, home: House, path: str) -> None:
    user = root if "admin" in path else await home.user("bodiless@example.org")
    answer = await post(user, path, b"{broken")
    assert answer.status_code == (404 if "admin" in path else 200)


async def test_of_a_doubled_key_one_value_is_checked_and_used(home: House) -> None:
    content = b'{"email": "one@example.org", "email": "two@example.org", "purpose": "reset_password"}'
    answer = await home.client.post("/api/send_verification", content=content)
    assert answer.status_code == 200
    again = await home.client.post(
        "/api/send_verification", json={"email": "two@example.org", "purpose": "reset_password"}
    )
    assert again.status_code == 429  # the last one counted, for the check and for the use


@pytest.mark.parametrize("title", [1, 1.5, True, ["x"], {"a": 1}, "a\x00b"])
async def test_a_title_is_storable_text(ann: User, title: object) -> None:
    answer = await ann.post("/api/chat/new", json={"title": title})
    assert refusal(answer) == (400, "Invalid title", "invalid_field")


@pytest.mark.parametrize("field", ["email", "password"])
async def test_nul_is_refused(home: House, field: str) -> None:
    fields = {"email": "nobody@example.org", "password": "long enough", field: "a\x00b@example.org"}
    assert refusal(await home.client.post("/api/login", json=fields))[0] == 400


def multipart(*parts: tuple[str, bytes], boundary: str = "B") -> tuple[bytes, str]:
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def field(name: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}'


async def ask(user: User, content: Any, kind: str | None) -> httpx.Response:
    return await post(user, "/api/chat/stream", content, kind)


async def test_a_form_comes_in_any_of_three_types(ann: User) -> None:
    body, kind = multipart((field("message"), "Grüße 文".encode()), (field("unknown"), b"x"))
    encoded = b"message=Gr%C3%BC%C3%9Fe+%E6%96%87&unknown=x&timeout=30000"
    plain = '{"message": "Grüße 文", "unknown": [1, {"a": null}], "session_id": null}'.encode()
    for content, type in (
        (body, kind),
        (encoded, "application/x-www-form-urlencoded"),
        (plain, "application/json"),
    ):
        answer = await ask(ann, content, type)
        assert answer.status_code == 200, answer.text
        messages = await ann.messages(int(answer.headers["x-session-id"]))
        assert messages[0]["content"] == "Grüße 文"


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"", None, NO_MESSAGE),
        (b"", "application/x-www-form-urlencoded", NO_MESSAGE),
        (b"message=", "application/x-www-form-urlencoded", NO_MESSAGE),
        (b"message=+%20%09", "application/x-www-form-urlencoded", NO_MESSAGE),
        (b"{}", "application/json", NO_MESSAGE),
        (b'{"message": null}', "application/json", NO_MESSAGE),
        (b'{"message": 5}', "application/json", (400, "Invalid value for 'message'", "invalid_field")),
        (b'{"message": ["x"]}', "application/json", (400, "Invalid value for 'message'", "invalid_field")),
        (b"{", "application/json", MALFORMED),
        (b"[]", "application/json", NO_OBJECT),
        (b"message=x", "text/plain", NOT_A_FORM),
        (b"message=x", None, NOT_A_FORM),
        (b"message=%ff", "application/x-www-form-urlencoded", BAD_FORM),
        (b"message=\xff", "application/x-www-form-urlencoded", BAD_FORM),
        (b"message=%ed%a0%80", "application/x-www-form-urlencoded", BAD_FORM),
        (b"&".join([b"a=1"] * 1001), "application/x-www-form-urlencoded", BAD_FORM),
    ],
)
async def test_forms_that_are_refused(
    ann: User, content: bytes, kind: str | None, expected: tuple[int, str, str]
) -> None:
    assert refusal(await ask(ann, content, kind)) == expected


@pytest.mark.parametrize("nul", [b"message=a%00b", b'{"message": "a\\u0000b"}'])
async def test_nul_in_a_question_is_refused(ann: User, nul: bytes) -> None:
    kind = "application/json" if nul.startswith(b"{") else "application/x-www-form-urlencoded"
    assert refusal(await ask(ann, nul, kind))[::2] == (400, "invalid_field")


GOOD, KIND = multipart((field("message"), b"Hello"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (GOOD, "multipart/form-data"),
        (GOOD, "multipart/form-data; boundary="),
        (GOOD, "multipart/form-data; boundary=other"),
        (GOOD, "multipart/form-data; boundary=" + "x" * 5000),
        (GOOD, "multipart/form-data; boundary=ü"),
        (GOOD[:-4], KIND),
        (GOOD[:30], KIND),
        (b"--B\r\n\r\nno header\r\n--B--\r\n", KIND),
        (multipart(("Content-Disposition: form-data", b"x"))[0], KIND),
        (multipart(("Content-Disposition: attachment; name=message", b"x"))[0], KIND),
        (multipart((field("message") + "\r\nContent-Length: 99", b"x"))[0], KIND),
        (multipart((field("message") + "\r\nX: " + "y" * 100_000, b"x"))[0], KIND),
        (multipart((field("message") + "\r\nX: y" * 100, b"x"))[0], KIND),
        (multipart(*[(field(f"f{n}"), b"x") for n in range(100)])[0], KIND),
        (multipart((field("message"), b"\xff\xfe"))[0], KIND),
        (multipart((field("message") + "\r\nContent-Type: text/plain; charset=latin-1", b"\xe4"))[0], KIND),
        (
            multipart((field("message") + "\r\nContent-Type: text/plain; charset=utf-16", b"a\x00\xff\xd8"))[
                0
            ],
            KIND,
        ),
        (b"\r\n" * 1000, KIND),
        (b"--B" * 1000, KIND),
        (b"--B\r\n" * 1000, KIND),
        (b"x" * 100_000, KIND),
        (b"--B--", KIND + "; boundary=C"),
    ],
    ids=range(22),
)
async def test_malformed_multipart(ann: User, content: bytes, kind: str) -> None:
    answer = await post(ann, "/api/chat/stream", content, None, **{"Content-Type": kind.encode("utf-8")})  # type: ignore[arg-type]  # bytes on purpose

    assert refusal(answer) in (BAD_FORM, NO_MESSAGE)
    assert (await ann.house.client.get("/api/health")).status_code == 200


@pytest.mark.parametrize(
    "charset", ["utf-7", "rot13", "idna", "unicode_escape", "nonsense", "utf-16", "cp037", "punycode"]
)
async def test_text_is_utf8_whatever_charset_a_part_names(ann: User, charset: str) -> None:
    content, kind = multipart(
        (field("message") + f"\r\nContent-Type: text/plain; charset={charset}", b"a+AGE-b \\x41")
    )
    answer = await ask(ann, content, kind)

    messages = await ann.messages(int(answer.headers["x-session-id"]))
    assert messages[0]["content"] == "a+AGE-b \\x41"


async def test_the_first_of_a_repeated_field_counts(ann: User) -> None:
    foreign = b"999999999"
    for content, kind in (
        (
            b"message=first&message=second&session_id=" + foreign + b"&session_id=1",
            "application/x-www-form-urlencoded",
        ),
        multipart((field("message"), b"x"), (field("session_id"), foreign), (field("session_id"), b"1")),
    ):
        assert refusal(await ask(ann, content, kind)) == (404, "Session not found", "not_found")


@pytest.mark.parametrize("value", ["", "null", "undefined"])
async def test_an_unsent_session_is_a_new_one(ann: User, value: str) -> None:
    answer = await ann.post(
        "/api/chat/stream", data={"message": "x", "session_id": value, "use_documents": value}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    ["abc", "-1", "0", "1.0", "1e3", "9223372036854775808", "9" * 400, "١", "1 2", "0x1", "true", "1\x00"],
)
async def test_what_is_no_session_id(ann: User, value: str) -> None:
    answer = await ann.post("/api/chat/stream", data={"message": "x", "session_id": value})
    assert refusal(answer) == (400, "Invalid session ID", "invalid_field")


@pytest.mark.parametrize("value", [1.5, True, [1], {"id": 1}, -1, 0, 2**63, 10**400, 1e300])
async def test_what_is_no_session_id_in_json(ann: User, value: object) -> None:
    answer = await ann.post("/api/chat/stream", json={"message": "x", "session_id": value})
    assert refusal(answer)[:2] in ((400, "Invalid session ID"), MALFORMED[:2])


async def test_a_session_id_in_json_is_a_number_or_its_digits(ann: User) -> None:
    session = await ann.new_session()
    for value in (session, str(session), f"00{session}", float(session)):
        answer = await ann.post("/api/chat/stream", json={"message": "x", "session_id": value})
        assert int(answer.headers["x-session-id"]) == session


@pytest.mark.parametrize("value", ["true", "FALSE", "1", "0", "Yes", "no", "ON", "off", "auto", "AUTO"])
async def test_booleans_in_forms(ann: User, value: str) -> None:
    assert (
        await ann.post("/api/chat/stream", data={"message": "x", "use_documents": value})
    ).status_code == 200


@pytest.mark.parametrize("value", ["2", "ja", "truee", "-1", "t"])
async def test_what_is_no_boolean(ann: User, value: str) -> None:
    answer = await ann.post("/api/chat/stream", data={"message": "x", "use_documents": value})
    assert refusal(answer) == (400, "Invalid value for 'use_documents'", "invalid_field")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x", "gzip, gzip", "GZIP"])
async def test_encoded_bodies_are_refused_unread(ann: User, encoding: str) -> None:
    answer = await post(ann, "/api/chat/new", b"\x1f\x8b\x08 nonsense", **{"Content-Encoding": encoding})
    assert refusal(answer) == (415, "Content-Encoding is not supported", "unsupported_media_type")


async def test_the_identity_encoding_is_none(ann: User) -> None:
    assert (await post(ann, "/api/chat/new", b"{}", **{"Content-Encoding": "Identity"})).status_code == 201


LIMITS = [
    ("/api/login", 256 * KB),
    ("/api/chat/new", 256 * KB),
    ("/api/logout", 256 * KB),
    ("/api/chat/stream", MB),
    ("/api/chat/upload", 51 * MB),
    ("/api/upload", 21 * MB),
    ("/api/user/avatar", 6 * MB),
]


@pytest.mark.parametrize(("path", "limit"), LIMITS)
async def test_one_byte_too_many(ann: User, path: str, limit: int) -> None:
    answer = await post(ann, path, b"x" * (limit + 1))
    assert refusal(answer) == TOO_LARGE


@pytest.mark.parametrize(("path", "limit"), LIMITS[:4])
async def test_the_limit_itself_is_allowed(ann: User, path: str, limit: int) -> None:
    if path == "/api/logout":
        return
    answer = await post(ann, path, b"x" * limit)
    assert answer.status_code == 400


@pytest.mark.parametrize(("path", "limit"), [LIMITS[1], *LIMITS[3:]])
async def test_a_chunked_body_is_cut_at_the_limit(ann: User, path: str, limit: int) -> None:
    form = path != "/api/chat/new"

    async def endless() -> AsyncIterator[bytes]:
        if form:
            yield b'--x\r\nContent-Disposition: form-data; name="other"; filename="a.mp3"\r\n\r\n'
        for _ in range(limit // (64 * KB) + 2):
            yield b"x" * 64 * KB

    kind = "multipart/form-data; boundary=x" if form else "application/json"
    assert refusal(await post(ann, path, endless(), kind)) == TOO_LARGE


@pytest.mark.parametrize("announced", ["10000000000", "99999999999999999999"])
async def test_a_huge_announcement_is_refused_at_once(ann: User, announced: str) -> None:
    head = (
        f"POST /api/chat/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {announced}\r\n\r\n"
    )
    began = asyncio.get_running_loop().time()
    answer = await exchange(ann.house.url, head, within=2)

    assert answer.split()[1] in (b"413", b"400")
    assert asyncio.get_running_loop().time() - began < 3


async def test_who_waits_for_permission_is_refused_before_sending(ann: User) -> None:
    head = (
        f"POST /api/chat/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n"
        f"Expect: 100-continue\r\nContent-Length: {60 * MB}\r\n\r\n"
    )
    answer = await exchange(ann.house.url, head, within=2)

    assert answer.startswith(b"HTTP/1.1 413")


async def test_an_early_refusal_reaches_a_client_that_is_still_sending(home: House, tmp_path: Path) -> None:
    """Without a token, with 40 MB on their way: a closed line would hide the 401."""
    answer = await home.client.post("/api/chat/upload", files={"file": ("a.mp3", b"x" * 40 * MB)})

    assert refusal(answer) == (401, "Missing Authorization Header", "missing_token")


async def test_a_text_part_is_bounded(ann: User) -> None:
    content, kind = multipart(
        (field("session_id"), b"1" * (2 * MB)), (field("file", '; filename="a.txt"'), b"x")
    )
    assert refusal(await post(ann, "/api/chat/upload", content, kind)) == BAD_FORM


async def test_text_parts_are_bounded_together(ann: User) -> None:
    """They are held in memory, unlike files."""
    many = [(field(f"field{n}"), b"1" * (MB // 2)) for n in range(3)]
    content, kind = multipart(*many, (field("file", '; filename="a.txt"'), b"x"))
    assert refusal(await post(ann, "/api/chat/upload", content, kind)) == BAD_FORM


async def test_a_message_is_bounded(ann: User) -> None:
    fits = await ann.post("/api/chat/stream", data={"message": "x" * 8000})
    assert fits.status_code == 200
    answer = await ann.post("/api/chat/stream", data={"message": "x" * 8001})
    assert refusal(answer) == (400, "Message is too long (max 8000 characters)", "invalid_field")
    wide = await ann.post("/api/chat/stream", data={"message": "文" * 8000})
    assert wide.status_code == 200  # characters, not bytes


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 3),
        ("?limit=2", 2),
        ("?params[limit]=2", 2),
        ("?params%5Blimit%5D=1", 1),
        ("?limit=2&params[limit]=1", 2),
        ("?limit=&params[limit]=1", 1),
        ("?limit=0", 1),
        ("?limit=-5", 1),
        ("?limit=+2", 2),
        ("?limit=%2B2", 2),
        ("?limit=two", 3),
        ("?limit=1.5", 3),
        ("?limit=null", 3),
        ("?limit=" + "9" * 5000, 3),
        ("?limit=%00", 3),
        ("?limit=%ff", 3),
        ("?limit=2&limit=1", 2),
        ("?page=2&limit=2", 1),
        ("?page=0&limit=2", 2),
        ("?page=-1&limit=2", 2),
        ("?page=999999999999999999999&limit=2", 0),
        ("?page=9223372036854775807&limit=1000", 0),
        ("?page=x&timeout=30000&ref_text=", 3),
        ("?page[]=1&limit[$gt]=1", 3),
    ],
)
async def test_paging_is_never_an_error(cia: User, query: str, count: int) -> None:
    answer = await cia.get(f"/api/chat/history{query}")

    assert answer.status_code == 200
    assert len(answer.json()) == count
    assert answer.headers["x-total-count"] == "3"


@pytest.fixture(scope="module")
async def cia(home: House) -> User:
    """Has three sessions."""
    cia = await home.user("cia@example.org")
    for title in "one", "two", "three":
        await cia.new_session(title)
    return cia


async def test_accents_without_end_stop_nobody(home: House, ann: User) -> None:
    """A quarter of a megabyte of them takes half a minute to put in order: its length is refused before."""
    bomb = "a" + "\u0300" * 30_000 + "\u0316" * 30_000
    login = {"email": "ann@example.org", "password": bomb}
    async with asyncio.timeout(10):
        assert (await home.client.post("/api/login", json=login)).status_code == 401
        reset = {"email": "ann@example.org", "code": "123456", "new_password": bomb}
        assert (await home.client.post("/api/reset_password", json=reset)).status_code == 400
        for name in ("username", "bio"):
            answer = await ann.post("/api/user/profile", json={name: bomb})
            assert refusal(answer) == (400, f"Invalid value for '{name}'", "invalid_field")
        assert (await ann.post("/api/user/tutor_request", json={"reason": bomb})).status_code == 400
        address = {"email": f"{bomb}@example.org"}
        assert (await home.client.post("/api/send_verification", json=address)).status_code == 400
        assert (await ann.post("/api/chat/new", json={"title": bomb})).status_code == 201
        assert (await ann.get("/api/user_files", params={"page": "\u0300" * 1000})).status_code == 200
