"""A RAG service that really finds things: `python -m tests.servers.rag_service --port 8200`."""

import io
import math
import re
from collections import Counter
from dataclasses import dataclass

import docx
import pypdfium2
from typing_extensions import override

from tests.servers.http import Exchange, Received, run
from tests.servers.http import HttpServer as Server

PUBLIC = ""
WORDS_PER_CHUNK, OVERLAP = 100, 25
Page = tuple[int | None, str]


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    source: str
    page: int | None


class RagServiceServer(Server):
    """One base per user and one public one. Nothing stops a second copy of a file: callers delete first."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.bases: dict[str, list[Chunk]] = {}

    @override
    async def respond(self, request: Received, exchange: Exchange) -> None:
        match request.method, request.path:
            case "POST", ("/user/upload" | "/admin/upload"):
                await self._upload(request, exchange)
            case "POST", ("/user/delete" | "/admin/delete"):
                await self._delete(request, exchange)
            case "POST", "/retriever":
                await self._retrieve(request, exchange)
            case "GET", "/api/users":
                await exchange.json(200, {"users": [user for user in self.bases if user]})
            case "GET", "/api/user_files":
                await self._files(request.query.get("user_id", ""), exchange)
            case "GET", "/api/public_files":
                await self._files(PUBLIC, exchange)
            case _:
                await exchange.page(404, "Not Found")

    async def _upload(self, request: Received, exchange: Exchange) -> None:
        fields, files = request.form()
        public = request.path.startswith("/admin")
        user = PUBLIC if public else fields.get("user_id", "")
        if "file" not in files or not (public or user.isdecimal()):
            return await exchange.json(400, {"error": True, "message": "bad request"})
        name = files["file"].name.rpartition("/")[2]
        try:
            pages = read(name, files["file"].content)
        except Exception as error:  # noqa: BLE001 (a library's any complaint is this service's 500)
            return await exchange.json(500, {"error": True, "message": "ingest failed", "detail": str(error)})
        chunks = [Chunk(text, name, page) for page, whole in pages for text in cut(whole)]
        self.bases.setdefault(user, []).extend(chunks)
        answer = {
            "admin": public,
            "user_id": user,
            "page_collection": f"kb_user_{user}_page",
            "chunk_collection": f"kb_user_{user}_chunk",
            "ingest_file": name,
            "page_count": len(pages),
            "page_embs_num": len(pages),
            "chunk_embs_num": len(chunks),
        }
        await exchange.json(200, answer)

    async def _delete(self, request: Received, exchange: Exchange) -> None:
        fields, _ = request.form()
        user = PUBLIC if request.path.startswith("/admin") else fields.get("user_id", "?")
        if "source_name" not in fields or (user and not user.isdecimal()):
            return await exchange.json(400, {"error": True, "message": "bad request"})
        base = self.bases.get(user, [])
        gone = [chunk for chunk in base if chunk.source == fields["source_name"]]
        kept = [chunk for chunk in base if chunk.source != fields["source_name"]]
        if kept:
            self.bases[user] = kept
        else:
            self.bases.pop(user, None)
        pages = len({chunk.page for chunk in gone})
        await exchange.json(200, {"deleted_page_embs": pages, "deleted_chunks": len(gone)})

    async def _retrieve(self, request: Received, exchange: Exchange) -> None:
        body = request.json()
        own, public = self.bases.get(body["user_id"], []), self.bases.get(PUBLIC, [])
        if not own and not public:
            return await exchange.json(500, {"error": True, "message": "collection not found"})
        hits = ranked(body["question"], own, "personal")[: body["personal_k"]]
        hits += ranked(body["question"], public, "public")[: body["public_k"]]
        hits.sort(key=lambda hit: -float(str(hit["final_score"])))
        await exchange.json(200, {"hits": hits[: body["final_k"]]})

    async def _files(self, user: str, exchange: Exchange) -> None:
        await exchange.json(200, {"files": list({chunk.source for chunk in self.bases.get(user, [])})})


def read(name: str, content: bytes) -> list[Page]:
    """The text of a pdf (by pages), docx or txt."""
    match name.rpartition(".")[2].lower():
        case "pdf":
            with pypdfium2.PdfDocument(content) as document:
                return [(n + 1, _page_text(document, n)) for n in range(len(document))]
        case "docx":
            return [(None, "\n".join(part.text for part in docx.Document(io.BytesIO(content)).paragraphs))]
        case "txt":
            return [(None, content.decode())]
        case other:
            raise ValueError(f"cannot read {other}")


def _page_text(document: pypdfium2.PdfDocument, n: int) -> str:
    page = document[n]
    text = page.get_textpage()
    try:
        return str(text.get_text_bounded())
    finally:
        text.close()
        page.close()


def cut(text: str) -> list[str]:
    """Stretches of words that overlap, with the line breaks between them."""
    words = [word.span() for word in re.finditer(r"\S+", text)]
    starts = range(0, max(1, len(words) - OVERLAP), WORDS_PER_CHUNK - OVERLAP)
    chunks = [words[at : at + WORDS_PER_CHUNK] for at in starts]
    return [text[chunk[0][0] : chunk[-1][1]] for chunk in chunks if chunk]


def tokens(text: str) -> list[str]:
    return re.findall(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+", text.casefold())


def ranked(question: str, base: list[Chunk], label: str) -> list[dict[str, object]]:
    """BM25 over the base, best first; all of it, however little it fits, as a vector store would."""
    counts = [Counter(tokens(chunk.text)) for chunk in base]
    average = sum(sum(count.values()) for count in counts) / (len(base) or 1) or 1
    hits: list[dict[str, object]] = []
    for chunk, count in zip(base, counts, strict=True):
        score = 0.0
        for word in set(tokens(question)):
            having = sum(word in other for other in counts)
            rarity = math.log(1 + (len(base) - having + 0.5) / (having + 0.5))
            length = 0.25 + 0.75 * sum(count.values()) / average
            score += rarity * count[word] * 2.2 / (count[word] + 1.2 * length)
        hit: dict[str, object] = {"text": chunk.text, "source": chunk.source, "page_num": chunk.page}
        hit |= {"first_score": score, "second_score": score, "final_score": round(score / (score + 1), 6)}
        hits.append(hit | {"knowledge_base": label})
    return sorted(hits, key=lambda hit: -float(str(hit["final_score"])))


if __name__ == "__main__":
    run(lambda port: RagServiceServer(port=port))
