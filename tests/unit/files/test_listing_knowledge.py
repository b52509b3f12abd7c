import pytest

from application.files.list_knowledge_users import ListKnowledgeUsers
from application.files.list_public_files import ListPublicFiles
from application.ports.knowledge import KnowledgeFailed, KnowledgeTimeout, KnowledgeUnreachable
from domain.document import IndexState
from domain.errors import DomainError
from tests.builders import a_file
from tests.fakes.administration import FakeAdministration
from tests.unit.files.desk import ANN, BEN, TIM, Desk


async def keep(desk: Desk, *names: str, owner: int = TIM, **more: object) -> None:
    async with desk.work() as w:
        for name in names:
            w.files.add(a_file(owner, name, index_name=f"{owner}-{name}", **more))  # type: ignore[arg-type]  # whatever the test says
        await w.commit()


def public_files(desk: Desk) -> ListPublicFiles:
    return ListPublicFiles(administration=FakeAdministration(desk.database), foreign=desk.foreign)


def users(desk: Desk) -> ListKnowledgeUsers:
    return ListKnowledgeUsers(administration=FakeAdministration(desk.database), foreign=desk.foreign)


async def test_public_names_are_ours_and_the_strangers_in_order(desk: Desk) -> None:
    await keep(desk, "b.txt", "a.txt", public=True)
    await keep(desk, "gone.txt", public=True, deleted=True)
    await keep(desk, "mine.txt", owner=ANN)
    desk.foreign.bases = {None: dict.fromkeys(["z.pdf", "aa.pdf", "3-a.txt", "3-gone.txt"], 1)}
    assert await public_files(desk)() == ["a.txt", "aa.pdf", "b.txt", "z.pdf"]


async def test_users_are_those_with_searchable_documents(desk: Desk) -> None:
    await keep(desk, "a.txt", "b.txt", owner=BEN, rag_status=IndexState.INDEXED)
    await keep(desk, "a.txt", owner=ANN, rag_status=IndexState.PENDING)
    await keep(desk, "a.txt", owner=TIM, rag_status=IndexState.INDEXED, public=True)
    await keep(desk, "c.txt", owner=ANN, rag_status=IndexState.INDEXED, deleted=True)
    assert await users(desk)() == ["2"]
    desk.foreign.bases = {BEN: {"a": 1}, TIM: {"a": 1}}
    assert await users(desk)() == ["2", "3"]


@pytest.mark.parametrize(
    "refusal",
    [KnowledgeUnreachable(), KnowledgeTimeout(), KnowledgeFailed("RAG service error: bad response")],
)
async def test_without_the_service_nothing_is_listed(desk: Desk, refusal: DomainError) -> None:
    desk.foreign.refuse_with = refusal
    with pytest.raises(type(refusal), match=r"^Failed to fetch public files$"):
        await public_files(desk)()
    with pytest.raises(type(refusal), match=r"^Failed to fetch users$"):
        await users(desk)()
