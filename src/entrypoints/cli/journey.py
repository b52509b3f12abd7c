"""A newcomer's whole journey over HTTP, with what must be true at each step."""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from entrypoints.cli.console import BOLD, DIM, GREEN, say, styled

CODE = re.compile(r"(?<![0-9])[0-9]{6}(?![0-9])")
GENERAL = "What is the capital of France?"  # the bundled model knows
SAYS_NO = re.compile(r"\b(no|not|nothing|none|cannot)\b|n't", re.IGNORECASE)
ABOUT_DOCUMENTS = re.compile(r"\b(documents?|files?|passages?|sources?)\b", re.IGNORECASE)
MAIL_PATIENCE, INDEX_PATIENCE, READ_PATIENCE = 20.0, 120.0, 180.0  # seconds


class JourneyFailed(Exception):
    """Something was not as it should be; the message says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    expect: tuple[str, ...] = ()  # any of these must stand in the answer
    page: int | None = None
    use_documents: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """A document and what it can and cannot answer."""

    document: Path
    by_itself: Question  # neither keyword nor file name: the passages decide
    by_keyword: Question
    by_request: Question  # asked with use_documents=true
    unanswerable: str
    general: str


@dataclass(slots=True)
class Answer:
    text: str = ""
    sources: list[dict[str, Any]] = field(default_factory=list)
    message_id: int = 0
    first_chunk: float = 0.0
    whole: float = 0.0


def read_expectations(document: Path, questions: Path) -> Expectations:
    """From a file shaped like docs/samples/questions.json."""
    known = json.loads(questions.read_text("utf-8"))
    about = known["documents"][document.name]
    quiet = [each for each in about["answerable"] if not each["trigger"]]
    telling = [each for each in about["answerable"] if each["trigger"]]
    return Expectations(
        document=document,
        by_itself=_question(quiet[0]),
        by_keyword=_question(telling[0]),
        by_request=_question(quiet[1], use_documents="true"),
        unanswerable=about["unanswerable"][0]["question"],
        general=GENERAL,
    )


def _question(known: dict[str, Any], use_documents: str = "auto") -> Question:
    return Question(known["question"], tuple(known["expect"]), known["page"], use_documents)


def mailbox_code(base_url: str) -> Callable[[str], str]:
    """Reads the code from the development mailbox, waiting for the mail."""

    def fetch(email: str) -> str:
        deadline = time.monotonic() + MAIL_PATIENCE
        while time.monotonic() < deadline:
            answer = httpx.get(f"{base_url}/dev/mailbox.json", trust_env=False)
            _check(answer.status_code == 200, "the mailbox", "200", answer.status_code)
            for mail in answer.json()["mails"]:
                if mail["to"] == email and (code := CODE.search(mail["text"])):
                    return code[0]
            time.sleep(0.2)
        raise JourneyFailed(f"no mail with a code for {email} after {MAIL_PATIENCE:.0f} s")

    return fetch


@dataclass(slots=True)
class Journey:
    """One traveller. `pronoun` asks the question without a keyword by way of a pronoun, for indexes that
    only the wording can call upon."""

    base_url: str
    expectations: Expectations
    fetch_code: Callable[[str], str]
    pronoun: bool = False
    email: str = field(default_factory=lambda: f"demo-{secrets.token_hex(6)}@example.com")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def travel(self) -> None:
        """Raises JourneyFailed at the first thing that is not right."""
        address = f"{self.base_url.rstrip('/')}/api"
        timeout = httpx.Timeout(READ_PATIENCE, connect=10)
        try:
            with httpx.Client(base_url=address, timeout=timeout, trust_env=False) as http:
                self._travel(http)
        except httpx.HTTPError as error:
            raise JourneyFailed(f"{self.base_url} did not answer: {error!r}") from error

    def _travel(self, http: httpx.Client) -> None:
        self._ready(http)
        self._register(http)
        token = self._log_in(http)
        http.headers["Authorization"] = f"Bearer {token}"
        session = self._upload(http)
        asked = [self._ask(http, session, question) for question in self._questions()]
        asked.append(self._ask_in_vain(http, session))
        asked.append(self._ask_generally(http, session))
        self._kept(http, session, asked)
        self._log_out(http)

    def _questions(self) -> list[Question]:
        first = self.expectations.by_itself
        if self.pronoun:
            text = f"What does it say: {first.text[0].lower()}{first.text[1:]}"
            first = Question(text, first.expect, first.page)
        return [first, self.expectations.by_keyword, self.expectations.by_request]

    def _ready(self, http: httpx.Client) -> None:
        say(f"Server {styled(self.base_url, BOLD)}")
        answered = _json(http.get("/health/ready"), "the server's health", 200)
        _check(answered.get("status") == "ready", "the server's health", "ready", answered)

    def _register(self, http: httpx.Client) -> None:
        body = {"email": self.email, "purpose": "register"}
        _json(http.post("/send_verification", json=body), "asking for a code", 200)
        code = self.fetch_code(self.email)
        body = {"email": self.email, "password": self.password, "code": code}
        answered = _json(http.post("/register", json=body), "registering", 201)
        _check(answered.get("msg") == "Registration successful", "registering", "its message", answered)
        _done(f"registered {self.email} with the mailed code {code}")

    def _log_in(self, http: httpx.Client) -> str:
        body = {"email": self.email, "password": self.password}
        token = _json(http.post("/login", json=body), "logging in", 200).get("token")
        _check(isinstance(token, str) and token.count(".") == 2, "logging in", "a token", token)
        _done("logged in")
        return str(token)

    def _upload(self, http: httpx.Client) -> int:
        document = self.expectations.document
        began = time.monotonic()
        answer = http.post("/chat/upload", files={"file": (document.name, document.read_bytes())})
        answered = _json(answer, "uploading", 200)
        _check(answered.get("filename") == document.name, "uploading", document.name, answered)
        _check(answered.get("file_type") == "document", "uploading", "a document", answered)
        while _json(http.get("/user_files"), "the file list", 200)["files"][0]["rag_status"] != "indexed":
            _check(time.monotonic() - began < INDEX_PATIENCE, "indexing", "an end", "still not indexed")
            time.sleep(0.3)
        _done(f"uploaded {document.name} and had it indexed after {time.monotonic() - began:.1f} s")
        return int(answered["session_id"])

    def _ask(self, http: httpx.Client, session: int, question: Question) -> tuple[str, Answer]:
        answer = self._stream(http, session, question.text, question.use_documents)
        found = any(expected.casefold() in answer.text.casefold() for expected in question.expect)
        _check(found, "the answer", " or ".join(question.expect), answer.text)
        name = self.expectations.document.name
        pages = [source.get("page") for source in answer.sources if source.get("filename") == name]
        _check(bool(pages), "the sources", name, answer.sources)
        _check(question.page in (None, *pages), "the sources", f"page {question.page}", f"pages {pages}")
        where = f", page {question.page}" if question.page else ""
        _done(f"right, from {name}{where}; {_pace(answer)}")
        return question.text, answer

    def _ask_in_vain(self, http: httpx.Client, session: int) -> tuple[str, Answer]:
        question = self.expectations.unanswerable
        answer = self._stream(http, session, question, "auto")
        honest = SAYS_NO.search(answer.text) and ABOUT_DOCUMENTS.search(answer.text)
        _check(bool(honest), "the answer", "that the document does not say", answer.text)
        _check(not answer.sources, "the sources", "none", answer.sources)
        _done(f"right, the document does not say; {_pace(answer)}")
        return question, answer

    def _ask_generally(self, http: httpx.Client, session: int) -> tuple[str, Answer]:
        question = self.expectations.general
        answer = self._stream(http, session, question, "auto")
        _check(not answer.sources, "the sources", "none for a general question", answer.sources)
        _done(f"answered without the document; {_pace(answer)}")
        return question, answer

    def _stream(self, http: httpx.Client, session: int, question: str, use_documents: str) -> Answer:
        say("", styled(f"» {question}", BOLD))
        form = {"message": question, "session_id": str(session), "use_documents": use_documents}
        answer, began, ended = Answer(), time.monotonic(), ""
        with http.stream("POST", "/chat/stream", data=form) as response:
            if response.status_code != 200:
                response.read()
                raise JourneyFailed(f"the stream: expected 200, got {response.status_code} {_body(response)}")
            kind = response.headers["content-type"]
            expected = "text/event-stream; charset=utf-8"
            _check(kind == expected, "the stream's type", expected, kind)
            answer.message_id = int(response.headers["x-message-id"])
            for event in _events(response, answer.message_id):
                ended = self._take(event, answer, began, ended)
        _check(ended == "complete", "the stream's end", "finished, complete", ended or "nothing")
        _check(bool(answer.text), "the answer", "some text", "none")
        answer.whole = time.monotonic() - began
        print()
        return answer

    def _take(self, event: dict[str, Any], answer: Answer, began: float, ended: str) -> str:
        """One event into the answer; the last state seen."""
        status = event.get("status")
        _check(ended != "complete", "the stream", "nothing after complete", event)
        if status == "sources":
            _check(not answer.text and not answer.sources, "sources", "once, before the text", event)
            answer.sources = event["sources"]
        elif status == "streaming":
            answer.first_chunk = answer.first_chunk or time.monotonic() - began
            answer.text += event["chunk"]
            print(event["chunk"], end="", flush=True)
        elif status == "finished":
            return "finished"
        elif status == "complete":
            _check(ended == "finished", "complete", "finished before it", event)
            _check(not event.get("interrupted"), "complete", "an uninterrupted answer", event)
            _check(event["text"] == answer.text, "complete", "the text as streamed", event["text"])
            _check(event["message_id"] == answer.message_id, "complete", answer.message_id, event)
            return "complete"
        else:
            raise JourneyFailed(f"the stream: unexpected event {event}")
        return ended

    def _kept(self, http: httpx.Client, session: int, asked: list[tuple[str, Answer]]) -> None:
        say("")
        history = _json(http.get("/chat/history"), "the history", 200)
        mine = [each for each in history if each["id"] == session]
        count = 1 + 2 * len(asked)  # the upload, then pairs
        _check(bool(mine) and mine[0]["message_count"] == count, "the history", f"{count} messages", history)
        messages = _json(http.get("/message/list", params={"session_id": session}), "the messages", 200)
        told = [(each["role"], each["content"]) for each in messages[1:]]
        pairs = [(("user", text), ("assistant", answer.text)) for text, answer in asked]
        expected = [message for pair in pairs for message in pair]
        _check(told == expected, "the messages", expected, told)
        name = self.expectations.document.name
        files = _json(http.get("/user_files"), "the files", 200)
        _check([each["filename"] for each in files["files"]] == [name], "the files", name, files)
        _done(f"kept: 1 session, {len(messages)} messages, letter for letter, and 1 file")

    def _log_out(self, http: httpx.Client) -> None:
        _json(http.post("/logout"), "logging out", 200)
        answer = http.get("/chat/history")
        refusal = _json(answer, "a call with the dead token", 401)
        expected = "Token is invalid or expired."
        _check(refusal.get("msg") == expected, "a call with the dead token", expected, refusal)
        _done("logged out; the dead token opens nothing")


def _events(response: httpx.Response, message_id: int) -> Iterator[dict[str, Any]]:
    """The events of the stream, whose frames and numbers must be exactly as promised."""
    rest, number = b"", 0
    for piece in response.iter_bytes():
        rest += piece
        *frames, rest = rest.split(b"\n\n")
        for frame in frames:
            if frame.startswith(b":"):
                continue  # a heartbeat
            number += 1
            head, _, data = frame.partition(b"\n")
            expected = f"id: {message_id}-{number}"
            _check(head == expected.encode(), "an event's id", expected, head)
            _check(data.startswith(b"data: "), "an event's data", "data: …", data)
            event: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
            yield event
    _check(not rest, "the stream's end", "a whole event", rest)


def _json(response: httpx.Response, what: str, status: int) -> Any:
    _check(response.status_code == status, what, status, f"{response.status_code} {_body(response)}")
    return response.json()


def _body(response: httpx.Response) -> str:
    return response.text[:500]


def _check(holds: bool, what: str, expected: object, got: object) -> None:
    if not holds:
        raise JourneyFailed(f"{what}: expected {expected}, got {got}")


def _pace(answer: Answer) -> str:
    return styled(f"first words after {answer.first_chunk:.1f} s, all after {answer.whole:.1f} s", DIM)


def _done(what: str) -> None:
    say(f"{styled('✓', GREEN)} {what}")
