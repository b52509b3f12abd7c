"""The page at `/`, used as a student would."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.student import CUT_SHORT, Student, a_student
from tests.integration.served import served
from tests.servers.llm_service import LlmServiceServer
from tests.servers.proxy import TcpProxy
from tests.servers.script import Script

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
WORDS = [f"word{n} " for n in range(60)]

BRING = """async () => {
    const headers = { Authorization: `Bearer ${localStorage.getItem("virtual-tutor.token")}` };
    const body = new FormData();
    body.append("file", new Blob(["A switch joins computers."]), "networks.txt");
    return (await fetch("/api/chat/upload", { method: "POST", headers, body })).json();
}"""

AtPage = Callable[..., AbstractAsyncContextManager[Student]]


@pytest.fixture(scope="module")
async def llm() -> AsyncIterator[LlmServiceServer]:
    async with LlmServiceServer() as server:
        yield server


@pytest.fixture(scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory, llm: LlmServiceServer) -> AsyncIterator[str]:
    async with served(tmp_path_factory.mktemp("page"), LLM_URL=llm.url) as one:
        yield one.house.url


@pytest.fixture
def at_page(browser: Browser, url: str, llm: LlmServiceServer) -> AtPage:
    llm.script = Script()
    return partial(a_student, browser, url)


async def test_from_registration_to_an_answer_without_a_complaint(at_page: AtPage) -> None:
    async with at_page() as ann:
        await ann.register("ann@example.org")
        answer = await (await ann.ask("How do plants eat?")).until()

        assert answer.startswith("Good question.")
        await expect(ann.question).to_be_focused()
        await expect(ann.page.get_by_role("button", name="How do plants eat?")).to_have_attribute(
            "aria-current", "true"
        )
        ann.assert_undisturbed()


async def test_a_wrong_password_is_told_as_the_api_tells_it(at_page: AtPage) -> None:
    async with at_page() as eve:
        await eve.log_in("nobody@example.org", "not the password")

        await expect(eve.log_in_form.get_by_role("alert")).to_have_text("Invalid credentials")
        await expect(eve.button("Log in")).to_be_enabled()
        assert not await eve.page.evaluate("localStorage.length")


async def test_what_registration_refuses_is_told(at_page: AtPage) -> None:
    async with at_page() as eve:
        await eve.register("taken@example.org")
        await eve.button("Log out").click()
        await expect(eve.page.get_by_role("alert").filter(has_text="You are logged out.")).to_be_visible()
        await eve.button("Create an account").click()
        await eve.register_form.get_by_label("E-mail").fill("taken@example.org")
        await eve.register_form.get_by_label("Password").fill("plenty of fish")
        await eve.button("Send me a code").click()

        await expect(eve.register_form.get_by_role("alert")).to_have_text("This email is already registered.")


async def test_the_answer_is_shown_while_it_is_written(at_page: AtPage, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=WORDS, gap=0.05)
    async with at_page() as bob:
        await (await bob.register("bob@example.org")).ask("Tell me everything.")
        lengths = []
        for last in (5, 25, 45):
            await expect(bob.answers).to_contain_text(f"word{last} ")
            lengths.append(len(await bob.answers.text_content() or ""))
        await expect(bob.page.locator("article.answer")).to_have_attribute("aria-busy", "true")

        assert await bob.until() == "".join(WORDS)
        assert lengths == sorted(set(lengths))
        assert lengths[-1] < len("".join(WORDS))
        await expect(bob.page.locator("article.answer")).to_have_attribute("aria-busy", "false")
        bob.assert_undisturbed()


async def test_stop_ends_it_and_keeps_what_was_said(at_page: AtPage, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=WORDS, gap=0.1)
    async with at_page() as cleo:
        await (await cleo.register("cleo@example.org")).ask("Tell me everything.")
        await expect(cleo.answers).to_contain_text("word5 ")
        await cleo.button("Stop").click()
        answer = await cleo.until(CUT_SHORT)

        assert "".join(WORDS).startswith(answer)
        assert "word59" not in answer
        await expect(cleo.question).to_be_focused()
        await expect(cleo.button("Ask")).to_be_visible()
        stored = await cleo.asked("GET", f"/api/message/list?session_id={await cleo.chat_id}")
        assert (stored[-1]["content"], stored[-1]["interrupted"]) == (answer, True)
        cleo.assert_undisturbed()


async def test_stop_before_the_first_word(at_page: AtPage, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=WORDS, first_after=20)
    async with at_page() as dan:
        await (await dan.register("dan@example.org")).ask("Think hard.")
        await expect(dan.page.get_by_role("button", name="Think hard.")).to_be_visible()
        await llm.until(lambda: any("Think hard." in str(asked) for asked in llm.asked("/chat/stream")))
        await dan.button("Stop").click()

        await expect(dan.button("Ask")).to_be_visible(timeout=5000)
        await expect(dan.page.locator("article.question")).to_have_count(1)


async def test_answering_again_replaces_the_answer(at_page: AtPage, llm: LlmServiceServer) -> None:
    async with at_page() as fay:
        await (await fay.register("fay@example.org")).ask("How?")
        await fay.until()
        llm.script = Script(pieces=["Another ", "way."])
        await fay.button("Answer again").click()
        await expect(fay.answers).to_have_text("Another way.")

        await fay.until()
        await fay.page.reload()
        await expect(fay.answers).to_have_text("Another way.")
        fay.assert_undisturbed()


async def test_a_document_becomes_ready_and_is_cited(at_page: AtPage) -> None:
    async with at_page() as gil:
        await gil.register("gil@example.org")
        await gil.page.get_by_label("Upload document").set_input_files(SAMPLES / "ocean-science.pdf")
        uploads = gil.page.get_by_role("list", name="Uploads")
        await expect(uploads).to_contain_text("Ready: ask about it.")
        answer = await (await gil.ask("How deep is the Challenger Deep?")).until()

        assert "10,935" in answer
        await gil.page.get_by_text(re.compile(r"^\d sources?$")).click()
        source = gil.page.locator(".sources li").first
        await expect(source.locator("cite")).to_have_text("ocean-science.pdf, page 5")
        await expect(source.locator("blockquote")).to_contain_text("Challenger Deep")
        await gil.page.get_by_text(re.compile(r"^\d sources?$")).click()
        await expect(source).to_be_hidden()
        await gil.page.get_by_role("button", name="[1]", exact=True).click()
        await expect(source).to_be_visible()

        await gil.page.reload()
        await expect(gil.page.get_by_text(re.compile(r"^\d sources?$"))).to_be_visible()
        gil.assert_undisturbed()


async def test_what_is_no_document_is_refused_with_words(at_page: AtPage) -> None:
    async with at_page() as hal:
        await hal.register("hal@example.org")
        broken = {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"nothing of the kind"}
        await hal.page.get_by_label("Upload document").set_input_files(broken)  # type: ignore[arg-type]  # a FilePayload

        uploads = hal.page.get_by_role("list", name="Uploads")
        await expect(uploads).to_contain_text("File content does not match its type")
        await hal.button("Forget the message about broken.pdf").click()
        await expect(uploads.get_by_role("listitem")).to_have_count(0)


async def test_how_far_the_reading_is_can_be_seen(at_page: AtPage) -> None:
    """Whatever breaks in between: each stream here ends after one event."""
    steps = [("waiting", None), ("indexing", 40), ("indexing", 80), ("indexed", None)]
    gates = [asyncio.Event() for _ in steps]
    asked = iter(zip(steps, gates, strict=True))

    async def one_event(route: Route) -> None:
        (status, percent), gate = next(asked)
        await gate.wait()
        event = {"status": status, "file_id": stored["file_id"], "progress": percent}
        body = f"data: {json.dumps(event)}\n\n"
        await route.fulfill(headers={"content-type": "text/event-stream"}, body=body)

    async with at_page() as uma:
        await uma.register("uma@example.org")
        stored = await uma.page.evaluate(BRING)
        pending = {**stored, "rag_status": "pending"}
        await uma.page.route("**/api/chat/upload", lambda route: route.fulfill(json=pending))
        await uma.page.route("**/api/files/events", one_event)
        await uma.page.get_by_label("Upload document").set_input_files(SAMPLES / "networks.txt")
        uploads = uma.page.get_by_role("list", name="Uploads")
        bar = uploads.get_by_role("progressbar")
        gates[0].set()
        await expect(uploads).to_contain_text("Waiting for its turn")
        gates[1].set()
        await expect(bar).to_have_js_property("value", 0.4)
        gates[2].set()
        await expect(bar).to_have_js_property("value", 0.8)
        gates[3].set()
        await expect(uploads).to_contain_text("Ready: ask about it.")
        await expect(bar).to_have_count(0)
        uma.assert_undisturbed()


async def test_a_document_is_deleted_where_it_was_brought(at_page: AtPage) -> None:
    async with at_page() as ned:
        await ned.register("ned@example.org")
        await ned.page.get_by_label("Upload document").set_input_files(SAMPLES / "networks.txt")
        uploads = ned.page.get_by_role("list", name="Uploads")
        await expect(uploads).to_contain_text("Ready: ask about it.")

        ned.page.once("dialog", lambda asked: asked.dismiss())
        await ned.button("Delete networks.txt").click()
        assert (await ned.asked("GET", "/api/user_files"))["total"] == 1
        ned.page.once("dialog", lambda asked: asked.accept())
        await ned.button("Delete networks.txt").click()

        await expect(uploads.get_by_role("listitem")).to_have_count(0)
        assert (await ned.asked("GET", "/api/user_files"))["total"] == 0
        ned.assert_undisturbed()


async def test_a_reload_keeps_the_login_the_chat_and_the_answer_that_is_being_written(
    at_page: AtPage, llm: LlmServiceServer
) -> None:
    llm.script = Script(pieces=WORDS, gap=0.06)
    async with at_page() as ida:
        await (await ida.register("ida@example.org")).ask("Everything, Ida.")
        await expect(ida.answers).to_contain_text("word8 ")
        await ida.page.reload()

        assert await ida.until() == "".join(WORDS)
        await expect(ida.page.get_by_role("heading", name="Everything, Ida.")).to_be_visible()
        await expect(ida.page.locator("article")).to_have_count(2)
        assert len([asked for asked in llm.asked("/chat/stream") if "Ida" in str(asked)]) == 1
        ida.assert_undisturbed()


async def test_another_chat_is_opened_while_one_is_answered(at_page: AtPage, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=WORDS, gap=0.06)
    async with at_page() as jan:
        await (await jan.register("jan@example.org")).ask("The long one.")
        await expect(jan.answers).to_contain_text("word3 ")
        await jan.button("New chat").click()
        await expect(jan.page.locator("article")).to_have_count(0)
        llm.script = Script(pieces=["Short."])
        assert await (await jan.ask("The short one.")).until() == "Short."
        await jan.page.get_by_role("button", name="The long one.").click()

        assert await jan.until() == "".join(WORDS)
        jan.assert_undisturbed()


async def test_a_chat_opened_again_while_another_is_loaded_is_read_once(
    at_page: AtPage, llm: LlmServiceServer
) -> None:
    async with at_page() as vic:
        await (await (await vic.register("vic@example.org")).ask("The first.")).until()
        first = await vic.chat_id
        await vic.button("New chat").click()
        llm.script = Script(pieces=WORDS, gap=0.06)
        await vic.ask("The second.")
        await expect(vic.answers).to_contain_text("word3 ")
        loaded = asyncio.Event()

        async def late(route: Route) -> None:
            await loaded.wait()
            await route.abort()

        await vic.page.route(f"**/api/message/list?session_id={first}", late)
        await vic.button("The first.").click()
        await vic.ask("For the first only?")
        await vic.button("The second.").click()
        await expect(vic.answers).to_contain_text("word10 ")
        loaded.set()

        assert await vic.until() == "".join(WORDS)
        await expect(vic.page.locator("article")).to_have_count(2)
        await expect(vic.question).to_have_value("For the first only?")
        stored = await vic.asked("GET", f"/api/message/list?session_id={await vic.chat_id}")
        assert [one["role"] for one in stored] == ["user", "assistant"]


async def test_a_document_stays_out_of_the_chat_that_was_opened_meanwhile(at_page: AtPage) -> None:
    async with at_page() as wim:
        await wim.register("wim@example.org")
        arrived = asyncio.Event()

        async def late(route: Route) -> None:
            await arrived.wait()
            await route.continue_()

        await wim.page.route("**/api/chat/upload", late)
        await wim.page.get_by_label("Upload document").set_input_files(SAMPLES / "networks.txt")
        await expect(wim.page.get_by_role("list", name="Uploads")).to_contain_text("networks.txt")
        await wim.button("New chat").click()
        arrived.set()

        await expect(wim.page.get_by_text("Ready: ask about it.")).to_be_visible()
        await expect(wim.page.locator("article")).to_have_count(0)
        await expect(wim.page.get_by_role("heading", name="New chat")).to_be_visible()


async def test_nothing_of_one_login_is_seen_in_the_next(at_page: AtPage) -> None:
    async with at_page() as xia:
        await (await xia.register("xia@example.org")).ask("What only Xia asks.")
        await xia.until()
        await xia.page.route("**/api/chat/upload", lambda route: asyncio.sleep(0))
        await xia.page.get_by_label("Upload document").set_input_files(SAMPLES / "networks.txt")
        async with xia.page.expect_event("requestfailed"):
            await xia.button("Log out").click()

        await expect(xia.log_in_form).to_be_visible()
        await expect(xia.page.locator("#chat-list li, #uploads li, article")).to_have_count(0)


async def test_logging_out_ends_a_token_that_was_renewed_meanwhile(at_page: AtPage) -> None:
    async with at_page() as yan:
        await yan.register("yan@example.org")

        async def renew(route: Route) -> None:
            await yan.page.evaluate(RENEWED)
            await route.continue_()

        await yan.page.route("**/api/logout", renew)
        await yan.button("Log out").click()

        await expect(yan.log_in_form).to_be_visible()
        assert not await yan.page.evaluate("localStorage.length")


async def test_a_broken_line_costs_no_word(browser: Browser, url: str, llm: LlmServiceServer) -> None:
    llm.script = Script(pieces=WORDS, gap=0.06)
    async with (
        TcpProxy(("127.0.0.1", int(url.rpartition(":")[2]))) as line,
        a_student(browser, f"http://127.0.0.1:{line.port}") as kim,
    ):
        await (await kim.register("kim@example.org")).ask("Everything, Kim.")
        await expect(kim.answers).to_contain_text("word10 ")
        line.cut()

        assert await kim.until() == "".join(WORDS)
    assert len([asked for asked in llm.asked("/chat/stream") if "Kim" in str(asked)]) == 1


async def test_a_login_elsewhere_ends_this_one_clearly_and_loses_no_question(at_page: AtPage) -> None:
    async with at_page() as first, at_page() as second:
        await first.register("lea@example.org")
        await second.log_in("lea@example.org")
        await expect(second.question).to_be_visible()
        await first.ask("Am I still here?")

        await expect(first.page.get_by_role("alert").filter(has_text="logged in")).to_contain_text(
            "somebody logged in to this account elsewhere"
        )
        await expect(first.log_in_form.get_by_label("Password")).to_be_focused()
        await first.log_in("lea@example.org")
        await expect(first.question).to_have_value("Am I still here?")


async def test_a_page_that_is_looked_at_again_finds_out_by_itself(at_page: AtPage) -> None:
    async with at_page() as first, at_page() as second:
        await first.register("max@example.org")
        await second.log_in("max@example.org")
        await expect(second.question).to_be_visible()
        await first.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

        await expect(first.log_in_form).to_be_visible()


async def test_tabs_share_a_login(at_page: AtPage, url: str) -> None:
    async with at_page() as nia:
        await nia.register("nia@example.org")
        other = await Student(await nia.page.context.new_page(), url).arrive()
        await expect(other.question).to_be_visible()
        await other.button("Log out").click()

        await expect(nia.log_in_form).to_be_visible()


async def test_a_newer_token_is_taken_and_an_older_one_does_not_return(at_page: AtPage) -> None:
    async with at_page() as oda:
        await oda.register("oda@example.org")
        sent: list[str] = []
        second_is_back = asyncio.Event()

        async def hand_over(route: Route) -> None:
            sent.append(route.request.headers["authorization"].removeprefix("Bearer "))
            which = len(sent)
            answer = await route.fetch()
            if which == 1:
                await second_is_back.wait()
            headers = {**answer.headers, "X-New-Token": f"{sent[0]}-{which}"}
            await route.fulfill(response=answer, headers=headers)
            second_is_back.set()

        await oda.page.route("**/api/chat/new", hand_over)
        await oda.page.evaluate(TWO_AT_ONCE)
        kept = await oda.page.evaluate("localStorage.getItem('virtual-tutor.token')")

    assert sent[0] == sent[1]
    assert kept == f"{sent[0]}-2"


async def test_when_the_model_fails_the_question_stays_and_can_be_answered(
    at_page: AtPage, llm: LlmServiceServer
) -> None:
    llm.script = Script(status=500)
    async with at_page() as pia:
        await (await pia.register("pia@example.org")).ask("Are you there?")
        await expect(pia.alert).to_have_text("The tutor is not available right now. Please try again.")
        await expect(pia.page.locator("article")).to_have_count(1)
        llm.script = Script(pieces=["Now I am."])
        await pia.button("Answer again").click()

        assert await pia.until() == "Now I am."
        await expect(pia.alert).to_be_empty()


async def test_what_the_model_says_is_text(at_page: AtPage, llm: LlmServiceServer) -> None:
    evil = "<img src=/x onerror=alert(1)> **bold <script>alert(2)</script>**\n\n```\n<b>code</b>\n```\n"
    llm.script = Script(pieces=[evil, "- [a](javascript:alert(3)) `<i>`\n", "- two\n\n3. three"])
    async with at_page() as quin:
        await (await quin.register("quin@example.org")).ask("<u>Say it</u>")
        await quin.until()

        html = await quin.answers.inner_html()
        assert html == (
            "<p>&lt;img src=/x onerror=alert(1)&gt; "
            "<strong>bold &lt;script&gt;alert(2)&lt;/script&gt;</strong></p>"
            "<pre><code>&lt;b&gt;code&lt;/b&gt;</code></pre>"
            "<ul><li>[a](javascript:alert(3)) <code>&lt;i&gt;</code></li><li>two</li></ul>"
            '<ol start="3"><li>three</li></ol>'
        )
        assert await quin.page.locator("article.question u").count() == 0
        quin.assert_undisturbed()


async def controls_without_a_name(student: Student) -> list[str]:
    """What a screen reader could not call by a name, of what can be used."""
    session = await student.page.context.new_cdp_session(student.page)
    tree: dict[str, Any] = await session.send("Accessibility.getFullAXTree")
    usable = {"button", "textbox", "radio", "link", "checkbox", "searchbox", "progressbar", "form", "img"}
    usable |= {"navigation", "region", "log", "DisclosureTriangle", "Video"}
    return [
        str(node)
        for node in tree["nodes"]
        if not node["ignored"] and node["role"]["value"] in usable and not node.get("name", {}).get("value")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desk", "phone"])
async def test_everything_usable_has_a_name_and_fits(
    at_page: AtPage, size: dict[str, Any], scheme: str
) -> None:
    async with at_page(color_scheme=scheme, **size) as rob:
        assert await controls_without_a_name(rob) == []
        await rob.register(f"rob-{scheme}-{len(size)}@example.org")
        await rob.page.get_by_label("Upload document").set_input_files(SAMPLES / "networks.txt")
        await expect(rob.page.get_by_text("Ready: ask about it.")).to_be_visible()
        await (await rob.ask("Who designed the Domain Name System?")).until()
        assert await controls_without_a_name(rob) == []
        assert await rob.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await expect(rob.button("Ask")).to_be_in_viewport(ratio=1)
        if size:
            await rob.button("Chats").click()
            await rob.button("New chat").click()
            await expect(rob.button("New chat")).to_be_hidden()
        rob.assert_undisturbed()


async def test_the_keyboard_is_enough(at_page: AtPage) -> None:
    async with at_page() as sue:
        await sue.register("sue@example.org")
        await sue.button("Log out").press("Enter")
        await expect(sue.log_in_form.get_by_label("E-mail")).to_have_value("sue@example.org")
        await expect(sue.log_in_form.get_by_label("Password")).to_be_focused()
        press, write = sue.page.keyboard.press, sue.page.keyboard.type
        await write("correct horse battery")
        await press("Enter")
        await expect(sue.question).to_be_focused()
        await write("How?")
        await press("Enter")
        await sue.until()

        for _ in range(40):
            await press("Shift+Tab")
            if await sue.page.evaluate("document.activeElement.id") == "new-chat":
                break
        await press("Enter")
        await expect(sue.question).to_be_focused()


TWO_AT_ONCE = """async () => {
    const { post } = await import("/assets/page/api.js");
    await Promise.all([post("/chat/new", { json: {} }), post("/chat/new", { json: {} })]);
}"""

RENEWED = """() => {
    const key = "virtual-tutor.token";
    localStorage.setItem(key, `${localStorage.getItem(key)}-2`);
}"""

CAPTIONED = """async ({ text, sound }) => {
    const { Captions } = await import("/assets/page/captions.js");
    const shown = [];
    const caption = document.getElementById("caption");
    const captions = new Captions(() => sound);
    new MutationObserver(() => shown.push(caption.textContent)).observe(caption, { childList: true });
    captions.begin();
    for (const chunk of text) captions.add(chunk);
    captions.finish();
    await new Promise((later) => setTimeout(later, 4600));
    captions.stop();
    return shown.filter(Boolean);
}"""


async def test_a_long_sentence_is_captioned_in_parts(at_page: AtPage) -> None:
    first = "The deepest known place is the Challenger Deep in the Mariana Trench,"
    then = "about 10,935 metres below the surface, and nobody has been there more often than twice or"
    async with at_page() as ulf:
        shown = await ulf.page.evaluate(CAPTIONED, {"text": [f"{first} {then} so."], "sound": True})

    assert shown[0] == first
    assert f"{first} {then} so.".startswith(" ".join(shown))


@pytest.mark.parametrize("sound", [True, False])
async def test_captions_are_the_sentences_without_markup(at_page: AtPage, sound: bool) -> None:
    text = ["It is **3.14", "** long. Why", "? `Ask`", " me [1].\n\n- One\n- Two"]
    async with at_page() as tom:
        shown = await tom.page.evaluate(CAPTIONED, {"text": text, "sound": sound})

    sentences = ["It is 3.14 long.", "Why?", "Ask me.", "One", "Two"]
    assert shown == sentences if sound else shown == sentences[: len(shown)] != []
