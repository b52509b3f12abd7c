"""Somebody at the page, and what goes wrong under his hands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.browser.tabs import PATIENCE_MS
from tests.integration.house import PASSWORD

COMPLETE = "The answer is complete."
CUT_SHORT = "The answer was cut short."


@dataclass(frozen=True, slots=True)
class Student:
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)  # of the browser: errors, and what the policy forbade
    strangers: list[str] = field(default_factory=list)  # what other hosts were asked for

    def __post_init__(self) -> None:
        self.page.on(
            "console", lambda said: self._hear(said)
        )  # playwright cannot wrap a slotted one's method
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._watch(request))
        self.page.set_default_timeout(PATIENCE_MS)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.strangers.append(request.url)

    async def arrive(self) -> "Student":
        await self.page.goto(self.url)
        return self

    @property
    def log_in_form(self) -> Locator:
        return self.page.get_by_role("form", name="Log in")

    @property
    def register_form(self) -> Locator:
        return self.page.get_by_role("form", name="Create an account")

    @property
    def question(self) -> Locator:
        return self.page.get_by_label("Your question")

    @property
    def answers(self) -> Locator:
        return self.page.locator("article.answer .text")

    @property
    def state(self) -> Locator:
        return self.page.locator("#chat-state")

    @property
    def alert(self) -> Locator:
        """What it shows in red in the chat."""
        return self.page.locator("#chat > .error")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def register(self, email: str, password: str = PASSWORD) -> "Student":
        """With the code that the page shows; whoever has an account is logged in."""
        await self.button("Create an account").click()
        form = self.register_form
        await form.get_by_label("E-mail").fill(email)
        await form.get_by_label("Password").fill(password)
        await self.button("Send me a code").click()
        told = await form.get_by_text("the code is").text_content() or ""
        await form.get_by_label("Code", exact=True).fill(told.rstrip(".")[-6:])
        await self.button("Create account").click()
        await expect(self.question).to_be_visible()
        return self

    async def log_in(self, email: str, password: str = PASSWORD) -> "Student":
        await self.log_in_form.get_by_label("E-mail").fill(email)
        await self.log_in_form.get_by_label("Password").fill(password)
        await self.button("Log in").click()
        return self

    async def ask(self, question: str) -> "Student":
        await self.question.fill(question)
        await self.question.press("Enter")
        return self

    async def until(self, state: str = COMPLETE) -> str:
        """The last answer, once the page says so."""
        await expect(self.state).to_have_text(state)
        return await self.answers.last.text_content() or ""

    async def asked(self, method: str, path: str) -> Any:
        """What the server tells the owner of this page's login."""
        return await self.page.evaluate(
            """async ([method, path]) => {
                const headers = { Authorization: `Bearer ${localStorage.getItem("virtual-tutor.token")}` };
                return (await fetch(path, { method, headers })).json();
            }""",
            [method, path],
        )

    @property
    async def chat_id(self) -> int:
        return int(urlsplit(await self.page.evaluate("location.href")).fragment.removeprefix("chat-"))

    def assert_undisturbed(self) -> None:
        assert self.complaints == []
        assert self.strangers == []


@asynccontextmanager
async def a_student(
    browser: Browser, url: str, init_script: str = "", **context: Any
) -> AsyncIterator[Student]:
    """In a browser profile of his own, at the page."""
    own = await browser.new_context(**context)
    try:
        await own.add_init_script(init_script)
        yield await Student(await own.new_page(), url).arrive()
    finally:
        await own.close()
