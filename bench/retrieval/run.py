"""How well are passages found, how well is silence kept, and what does a student get to read?

    .venv/bin/python -m bench.retrieval.run [--backends sqlite,postgresql,rag] [--embedders embedded-minilm]
                                            [--sample N] [--rag http://localhost:8200] [--answers] [--misses]

Builds the documents of this folder, indexes them with the product's own parts and asks every question of
`questions.json`, or about N of them. The backend `rag` is a RAG service of ours (`rag_service.py`); `--rag`
measures another one as well. `--answers` then has the embedded model answer them, over HTTP (minutes).
`--misses` tells what went wrong.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.databases import database_at
from bench.retrieval.answers import Answer, answers
from bench.retrieval.indexes import shelf
from bench.retrieval.measure import HEADS, Figures, Outcome, Searched, search, share
from bench.retrieval.questions import QuestionSet, language_of, question_set
from bench.retrieval.rag_service import rag_service
from bench.retrieval.sources import Source, sources

LANGUAGES = ("English", "Chinese", "across")
KINDS = ("fact", "paraphrase", "table", "list")


@contextmanager
def settings_of(backend: str, embedder: str) -> Iterator[dict[str, str]]:
    if backend == "rag":
        with rag_service(embedder) as url:
            yield {"RAG_URL": url, "EMBEDDING_MODEL": embedder}
        return
    with database_at(backend) as environ:
        yield {**environ, "EMBEDDING_MODEL": embedder}


async def measure(
    name: str, documents: Sequence[Source], asked: QuestionSet, misses: bool, **environ: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="vt-bench-") as folder:
        async with shelf(Path(folder), documents, **environ) as one:
            names = [source.name for source in documents]
            found = [Outcome(each, await search(one, each.text, names)) for each in asked.answerable]
            silences = {text: await search(one, text, names) for text in asked.unanswerable}
    pages = sum(len(source.pages) for source in documents)
    print(f"\n### {name}\n\nIndexing: {1000 * one.seconds / pages:.0f} ms a page ({pages} pages)\n")
    print(f"| | {' | '.join(HEADS)} |\n|---|{'--:|' * len(HEADS)}")
    for language in LANGUAGES:
        quiet = [one for text, one in silences.items() if language_of(text) == language]
        row(language, [one for one in found if one.question.language == language], quiet)
    for kind in KINDS:
        row(kind, [one for one in found if one.question.kind == kind], ())
    row("all", found, list(silences.values()))
    if misses:
        tell_misses(found, silences)


def row(name: str, outcomes: Sequence[Outcome], silences: Sequence[Searched]) -> None:
    if outcomes:
        print(f"| {name} | {' | '.join(Figures(outcomes, silences).cells())} |", flush=True)


def tell_misses(found: Sequence[Outcome], silences: dict[str, Searched]) -> None:
    for one in found:
        if one.rank != 1 or not one.passed:
            places = [f"{hit.filename}:{hit.page}" for hit in one.searched.hits]
            gate = "passed" if one.passed else "shut out" if one.shut_out else "misled"
            print(f"    rank {one.rank}, {gate}: {one.question.text} ({one.question.document}) {places}")
    for text, silence in silences.items():
        if silence.passing:
            print(f"    not silent: {text} -> {' '.join(silence.passing[0].text.split())[:150]}")


def tell_answers(given: Sequence[Answer], misses: bool) -> None:
    print("\n### Answers of the embedded model\n")
    print("| | right | place told | silent | wrong | silent where it must be | s, median / worst |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for language in LANGUAGES:
        of_it = [one for one in given if one.about and one.about.language == language]
        quiet = [one for one in given if one.about is None and language_of(one.asked) == language]
        right = [one for one in of_it if one.is_right]
        silent = [one for one in of_it if one.is_silence]
        seconds = [one.seconds for one in (*of_it, *quiet)]
        print(
            f"| {language} | {len(right)} / {len(of_it)} | {share([one.names_place for one in right])} %"
            f" | {len(silent)} | {len(of_it) - len(right) - len(silent)}"
            f" | {sum(one.is_right for one in quiet)} / {len(quiet)}"
            f" | {statistics.median(seconds):.1f} / {max(seconds):.1f} |"
        )
    for one in given if misses else ():
        if not one.is_right:
            print(f"    {one.asked} -> {one.text}")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backends", default="sqlite,postgresql")
    parser.add_argument("--embedders", default="embedded-minilm")
    parser.add_argument("--sample", type=int, default=0, help="about so many questions, evenly chosen")
    parser.add_argument("--rag", default="", help="URL of a RAG service")
    parser.add_argument("--answers", action="store_true")
    parser.add_argument("--misses", action="store_true")
    given = parser.parse_args()
    documents = sources()
    asked = question_set(documents).sample(given.sample)
    for embedder in filter(None, given.embedders.split(",")):
        for backend in filter(None, given.backends.split(",")):
            with settings_of(backend, embedder) as environ:
                await measure(f"{backend}, {embedder}", documents, asked, given.misses, **environ)
    if given.rag:
        await measure("RAG service", documents, asked, given.misses, RAG_URL=given.rag)
    if given.answers:
        with tempfile.TemporaryDirectory(prefix="vt-bench-") as folder:
            tell_answers(await answers(Path(folder), documents, asked), given.misses)


if __name__ == "__main__":
    asyncio.run(main())
