"""Our own index: found is only what the reader may see."""

import asyncio
from collections.abc import Collection
from struct import pack
from typing import Protocol

import pytest

from application.ports.passages import Findable, Found, Passages, Vector
from domain.document import FileId
from domain.user import UserId
from domain.words import search_words
from tests.builders import a_passage, a_stored_session, a_user
from tests.contracts.stores import Shelves, Store
from tests.fakes.embedder import FakeEmbedder

MODEL = FakeEmbedder().model


class Search(Protocol):
    async def __call__(
        self,
        passages: Passages,
        reader: UserId,
        question: str,
        limit: int = 5,
        within: Collection[FileId] | None = None,
    ) -> list[Found]: ...


@pytest.fixture
def shelves(store: Store) -> Shelves:
    return Shelves(store)


@pytest.fixture
def passages(store: Store) -> Passages:
    return store.new_passages()


@pytest.fixture
async def ann(store: Store) -> UserId:
    return await _someone(store, "ann@example.org")


@pytest.fixture
async def ben(store: Store, ann: UserId) -> UserId:
    return await _someone(store, "ben@example.org")


async def _someone(store: Store, email: str) -> UserId:
    async with store.work() as w:
        user = a_user(email)
        w.users.add(user)
        await w.commit()
    return user.id


async def index(
    passages: Passages, file: FileId, owner: UserId | None, *texts: str, model: str = MODEL
) -> None:
    vectors = await FakeEmbedder().embed(texts)
    made = [a_passage(file, text, owner, n, n + 1) for n, text in enumerate(texts)]
    await passages.replace(file, list(zip(made, vectors, strict=True)), model)


async def near(
    passages: Passages,
    reader: UserId,
    question: str,
    limit: int = 5,
    within: Collection[FileId] | None = None,
) -> list[Found]:
    vector = await FakeEmbedder().embed_question(question)
    return await passages.nearest(reader, vector, MODEL, limit, within)


async def by_words(
    passages: Passages,
    reader: UserId,
    question: str,
    limit: int = 5,
    within: Collection[FileId] | None = None,
) -> list[Found]:
    return await passages.matching(reader, search_words(question), limit, within)


def texts(found: list[Found]) -> list[str]:
    return [one.passage.text for one in found]


CELL, PLANT, WHALE = "The cell has a wall.", "Plants make sugar from light.", "A whale is a mammal."


class TestBothSearches:
    @pytest.mark.parametrize("search", [near, by_words])
    async def test_give_passage_name_and_score_best_first(
        self, passages: Passages, shelves: Shelves, ann: UserId, search: Search
    ) -> None:
        file = await shelves.add(ann, "Notizen – 笔记.txt")
        await index(passages, file, ann, CELL, PLANT, WHALE)

        found = await search(passages, ann, "plants and sugar light")

        best = found[0]
        assert best.filename == "Notizen – 笔记.txt"
        assert best.passage == a_passage(file, PLANT, ann, 1, 2)
        assert best.score > 0
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)

    @pytest.mark.parametrize("search", [near, by_words])
    async def test_show_a_reader_his_own_and_public_passages_only(
        self, passages: Passages, shelves: Shelves, ann: UserId, ben: UserId, search: Search
    ) -> None:
        await index(passages, await shelves.add(ann), ann, "Sugar of Ann.")
        await index(passages, await shelves.add(ben), ben, "Sugar of Ben.")
        await index(passages, await shelves.add(None), None, "Sugar of all.")

        for reader, seen in (
            (ann, {"Sugar of Ann.", "Sugar of all."}),
            (ben, {"Sugar of Ben.", "Sugar of all."}),
            (UserId(999_999), {"Sugar of all."}),
        ):
            found = await search(passages, reader, "sugar")
            assert set(texts(found)) == seen

    @pytest.mark.parametrize("search", [near, by_words])
    async def test_never_find_a_deleted_file(
        self, passages: Passages, shelves: Shelves, store: Store, ann: UserId, search: Search
    ) -> None:
        file = await shelves.add(ann)
        await index(passages, file, ann, CELL)
        await store.bury(file)
        assert await search(passages, ann, "cell wall") == []

    @pytest.mark.parametrize("search", [near, by_words])
    async def test_give_at_most_the_limit(
        self, passages: Passages, shelves: Shelves, ann: UserId, search: Search
    ) -> None:
        await index(passages, await shelves.add(ann), ann, *(f"Cell number {n}." for n in range(8)))
        assert len(await search(passages, ann, "cell", 3)) == 3

    @pytest.mark.parametrize("search", [near, by_words])
    async def test_look_into_some_files_alone(
        self, passages: Passages, shelves: Shelves, ann: UserId, ben: UserId, search: Search
    ) -> None:
        one, other, bens = [await shelves.add(owner) for owner in (ann, ann, ben)]
        await index(passages, one, ann, "Sugar one.")
        await index(passages, other, ann, "Sugar other.")
        await index(passages, bens, ben, "Sugar of Ben.")

        assert texts(await search(passages, ann, "sugar", within=[other])) == ["Sugar other."]
        assert len(await search(passages, ann, "sugar", within=[one, other])) == 2
        assert await search(passages, ann, "sugar", within=[]) == []
        # to name somebody else's file opens nothing
        assert await search(passages, ann, "sugar", within=[bens]) == []

    @pytest.mark.parametrize("search", [near, by_words])
    async def test_are_not_crowded_out_by_what_the_reader_may_not_see(
        self, passages: Passages, shelves: Shelves, ann: UserId, ben: UserId, search: Search
    ) -> None:
        await index(passages, await shelves.add(ben), ben, *["sugar"] * 60)
        await index(passages, await shelves.add(ann), ann, "a little sugar in much water and salt")
        assert len(await search(passages, ann, "sugar", 3)) == 1

    @pytest.mark.parametrize("search", [near, by_words])
    async def test_of_an_empty_index_give_nothing(
        self, passages: Passages, ann: UserId, search: Search
    ) -> None:
        assert await search(passages, ann, "cell") == []


class TestMeaning:
    async def test_score_is_the_cosine(self, passages: Passages, shelves: Shelves, ann: UserId) -> None:
        await index(passages, await shelves.add(ann), ann, CELL, "zebra")
        same, other = await near(passages, ann, CELL)
        assert [same.score, other.score] == pytest.approx([1, 0], abs=1e-5)

    async def test_vectors_of_another_model_are_not_compared(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        await index(passages, await shelves.add(ann), ann, CELL, model="another")
        assert await near(passages, ann, CELL) == []
        assert texts(await by_words(passages, ann, CELL)) == [CELL]

    async def test_nor_are_those_of_another_length(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        file = await shelves.add(ann)
        await passages.replace(file, [(a_passage(file, CELL, ann, 0, 1), Vector(pack("<2f", 1, 0)))], MODEL)
        await index(passages, await shelves.add(ann), ann, PLANT)
        assert texts(await near(passages, ann, "cell plant")) == [PLANT]

    async def test_a_long_document_is_searched_to_its_end(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        lines = [f"Line {n} is about nothing." for n in range(1200)]
        await index(passages, await shelves.add(ann), ann, *lines, WHALE)
        assert texts(await near(passages, ann, "whale mammal", 1)) == [WHALE]
        assert texts(await by_words(passages, ann, "whale mammal", 1)) == [WHALE]


class TestWords:
    @pytest.mark.parametrize(
        ("text", "question"),
        [
            ("The mitochondrion is the powerhouse.", "MITOCHONDRION?"),
            ("Cells divide.", "dividing cells"),
            ("Ｆｕｌｌ width letters", "full"),
            ("光合作用发生在叶绿体中。", "光合作用在哪里发生？"),
            ("水是生命之源", "水"),
            ("細胞の壁はかたい", "細胞の壁"),
            ("Résumé of the naïve method", "naïve method"),
            ("The TCP/IP stack, version 4.2, at a.b@c.org", "ip"),
            ("The TCP/IP stack, version 4.2, at a.b@c.org", "What changed in 4.2?"),
            ("在Python中用列表推导式", "python 列表"),
            ("TCP协议第3章：三次握手", "第3章"),
            ("한국어 문서", "문서"),
            ("การเรียนรู้ ภาษา", "ภาษา"),
        ],
    )
    async def test_find_their_forms_in_any_script(
        self, passages: Passages, shelves: Shelves, ann: UserId, text: str, question: str
    ) -> None:
        await index(passages, await shelves.add(ann), ann, text, "zzz 鯨")
        assert texts(await by_words(passages, ann, question)) == [text]

    async def test_any_of_them_is_enough_and_more_are_better(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        await index(passages, await shelves.add(ann), ann, "cell", "cell wall", "plant")
        assert texts(await by_words(passages, ann, "cell wall animal")) == ["cell wall", "cell"]

    async def test_are_words_and_no_search_language(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        await index(passages, await shelves.add(ann), ann, CELL)
        for odd in (
            '"',
            "cell*",
            'a" OR "wall',
            "NOT",
            "-wall",
            "text:cell",
            "NEAR(cell wall)",
            "(",
            "\\",
            "'",
        ):
            await passages.matching(ann, [odd], 5)
        assert await passages.matching(ann, [], 5) == []


class TestReplacing:
    async def test_leaves_nothing_of_the_former_ones(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        file = await shelves.add(ann)
        await index(passages, file, ann, CELL, PLANT)
        await index(passages, file, ann, WHALE)
        assert texts(await near(passages, ann, "cell wall plants whale")) == [WHALE]
        assert await by_words(passages, ann, "cell plants") == []
        await index(passages, file, ann)
        assert await near(passages, ann, "whale") == []

    async def test_twice_at_once_leaves_one_copy(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        file = await shelves.add(ann)
        await index(passages, file, ann, CELL)
        await asyncio.gather(*(index(passages, file, ann, WHALE, PLANT) for _ in range(4)))
        assert sorted(texts(await near(passages, ann, "whale"))) == [WHALE, PLANT]
        assert texts(await by_words(passages, ann, "whale")) == [WHALE]

    async def test_a_deleted_files_text_is_not_brought_back(
        self, passages: Passages, shelves: Shelves, store: Store, ann: UserId
    ) -> None:
        file = await shelves.add(ann)
        await store.bury(file)
        await index(passages, file, ann, CELL)
        assert await near(passages, ann, "cell") == []
        assert await by_words(passages, ann, "cell") == []

    async def test_erasing_says_how_many_there_were(
        self, passages: Passages, shelves: Shelves, ann: UserId
    ) -> None:
        file, other = await shelves.add(ann), await shelves.add(ann)
        await index(passages, file, ann, CELL, PLANT)
        await index(passages, other, ann, WHALE)
        assert await passages.erase(file) == 2
        assert await passages.erase(file) == 0
        assert texts(await near(passages, ann, "cell plants whale")) == [WHALE]
        assert await by_words(passages, ann, "cell plants") == []


class TestFiles:
    async def test_are_those_the_reader_may_search(
        self, passages: Passages, shelves: Shelves, store: Store, ann: UserId, ben: UserId
    ) -> None:
        async with store.work() as w:
            session = await a_stored_session(w, ann)
            await w.commit()
        mine = await shelves.add(ann, "mine.pdf", session.id)
        bens, everybodys = await shelves.add(ben, "bens.pdf"), await shelves.add(None, "all.pdf")
        buried, empty = await shelves.add(ann, "buried.pdf"), await shelves.add(ann, "empty.pdf")
        for file, owner in ((mine, ann), (bens, ben), (everybodys, None), (buried, ann)):
            await index(passages, file, owner, CELL)
        await store.bury(buried)

        assert await passages.files(ann) == [
            Findable(everybodys, "all.pdf"),
            Findable(mine, "mine.pdf", session.id),
        ]
        assert await passages.files(UserId(999_999)) == [Findable(everybodys, "all.pdf")]
        assert empty not in [file.id for file in await passages.files(ann)]

    async def test_of_another_model_are_outdated(
        self, passages: Passages, shelves: Shelves, store: Store, ann: UserId
    ) -> None:
        before, after, current, buried = [await shelves.add(ann) for _ in range(4)]
        await index(passages, before, ann, CELL, PLANT, model="a-model")
        await index(passages, after, None, CELL, PLANT, model="z-model")
        await index(passages, current, ann, CELL)
        await index(passages, buried, ann, CELL, model="a-model")
        await store.bury(buried)

        assert set(await passages.outdated(MODEL, 10)) == {before, after}
        assert len(await passages.outdated(MODEL, 1)) == 1
        await index(passages, before, ann, CELL)
        await index(passages, after, None, CELL)
        assert await passages.outdated(MODEL, 10) == []
