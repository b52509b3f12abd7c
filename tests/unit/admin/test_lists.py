import pytest

from application.admin.list_knowledge import ForeignDocument, ListKnowledge
from application.admin.list_models import ListedModel, ListModels
from application.ports.knowledge import KnowledgeTimeout
from application.ports.language_model import Model, ModelUnreachable
from domain.document import IndexState, StoredFile
from domain.errors import StorageUnavailable
from tests.builders import a_file
from tests.fakes.active_model import FakeActiveModel
from tests.fakes.administration import FakeAdministration
from tests.fakes.foreign_documents import FakeForeignDocuments
from tests.fakes.language_model import FakeLanguageModel
from tests.fakes.persistence import FakeDatabase, FakeWorkFactory

CONFIGURED = ("big:12b", "small:8b-q4")


class TestModels:
    async def test_are_what_the_server_lists(self) -> None:
        model = FakeLanguageModel()
        model.listed = [Model("a:1", owner="us"), Model("b", active=True)]
        assert await ListModels(model=model, active=FakeActiveModel(), configured=CONFIGURED)() == [
            ListedModel(model.listed[0], selected=False, answers=False),
            ListedModel(model.listed[1], selected=True, answers=True),
        ]

    @pytest.mark.parametrize("up", [True, False])
    async def test_are_the_configured_ones_without_a_list(self, up: bool) -> None:
        model = FakeLanguageModel()
        model.unwell = None if up else ModelUnreachable()
        assert await ListModels(model=model, active=FakeActiveModel(), configured=CONFIGURED)() == [
            ListedModel(Model("big:12b"), selected=True, answers=up),
            ListedModel(Model("small:8b-q4"), selected=False, answers=False),
        ]

    async def test_the_one_that_was_loaded_is_asked_where_the_server_lists_none(self) -> None:
        model, active = FakeLanguageModel(), FakeActiveModel("small:8b-q4")
        listed = ListModels(model=model, active=active, configured=CONFIGURED)
        assert [(one.model.name, one.selected) for one in await listed()] == [
            ("big:12b", False),
            ("small:8b-q4", True),
        ]
        await active.note("new:1b")
        assert [(one.model.name, one.selected) for one in await listed()][:2] == [
            ("new:1b", True),
            ("big:12b", False),
        ]

    async def test_are_none_where_none_is_installed(self) -> None:
        model = FakeLanguageModel()
        model.unwell = ModelUnreachable()
        assert await ListModels(model=model, active=FakeActiveModel(), configured=())() == []

    @pytest.mark.parametrize(
        ("name", "version"), [("llama3.1:8b-q4", "8b-q4"), ("gpt", ""), ("a:b:c", "b:c")]
    )
    def test_have_the_version_behind_the_colon(self, name: str, version: str) -> None:
        assert Model(name).version == version


class TestKnowledge:
    def setup_method(self) -> None:
        self.database = FakeDatabase()
        self.foreign = FakeForeignDocuments()
        self.list_knowledge = ListKnowledge(
            administration=FakeAdministration(self.database), foreign=self.foreign
        )

    async def keep(self, name: str, *, deleted: bool = False, public: bool = True) -> StoredFile:
        file = a_file(
            name=name, index_name=name, public=public, rag_status=IndexState.INDEXED, deleted=deleted
        )
        async with FakeWorkFactory(self.database)() as w:
            w.files.add(file)
            await w.commit()
        if public:
            self.serves(name)
        return file

    def serves(self, *names: str) -> None:
        """The service has these in its public base."""
        self.foreign.bases.setdefault(None, {}).update(dict.fromkeys(names, 1))

    async def names(self, limit: int = 10, offset: int = 0) -> tuple[list[str], int]:
        listed = await self.list_knowledge(limit, offset)
        return [one.name for one in listed.items], listed.total

    async def test_are_our_public_documents_then_the_strangers(self) -> None:
        await self.keep("old.pdf")
        await self.keep("new.pdf")
        await self.keep("private.pdf", public=False)
        self.serves("z.pdf", "a.pdf")
        assert await self.names() == (["new.pdf", "old.pdf", "a.pdf", "z.pdf"], 4)
        pages = [await self.names(3, offset) for offset in (0, 3, 6)]
        assert pages == [(["new.pdf", "old.pdf", "a.pdf"], 4), (["z.pdf"], 4), ([], 4)]
        assert (await self.list_knowledge(1, 3)).items == [ForeignDocument("z.pdf")]

    async def test_of_a_deleted_one_no_leftover_is_shown(self) -> None:
        await self.keep("gone.pdf", deleted=True)
        assert await self.names() == ([], 0)

    async def test_hide_nothing_of_ours_when_the_service_is_away(self) -> None:
        await self.keep("a.pdf")
        self.foreign.refuse_with = KnowledgeTimeout()
        assert await self.names() == (["a.pdf"], 1)

    async def test_need_the_database(self) -> None:
        self.database.down = True
        with pytest.raises(StorageUnavailable):
            await self.names()
