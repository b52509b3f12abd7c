"""What the documentation says of the events of streams (contract 10.2, docs/api-additions.md)."""

from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIType, Schema

from entrypoints.http.documentation import ID, TEXT

_NUMBER = Schema(type=OpenAPIType.INTEGER, minimum=1)
_SOURCE = {
    "n": _NUMBER,
    "filename": TEXT,
    "page": Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL]),
    "score": Schema(type=[OpenAPIType.NUMBER, OpenAPIType.NULL]),
    "snippet": Schema(type=OpenAPIType.STRING, max_length=200),
    "file_id": Schema(type=OpenAPIType.INTEGER, description="Only there when the document is one of ours."),
}


def _object(fields: dict[str, Schema], *optional: str) -> Schema:
    required = [name for name in fields if name not in optional]
    return Schema(type=OpenAPIType.OBJECT, properties=dict(fields), required=required)


def _event(status: str, description: str, fields: dict[str, Schema], *optional: str) -> Schema:
    event = _object({"status": Schema(const=status), **fields}, *optional)
    event.description = description
    return event


_EVENTS = [
    _event(
        "sources",
        "Which passages the answer rests on; at most once, before the first chunk.",
        {"sources": Schema(type=OpenAPIType.ARRAY, items=_object(_SOURCE, "file_id"))},
    ),
    _event(
        "streaming", "The next piece of the answer.", {"chunk": Schema(type=OpenAPIType.STRING, min_length=1)}
    ),
    _event(
        "avatar",
        "The avatar that speaks the answer cannot be reached, or is back; at most once each.",
        {"state": Schema(type=OpenAPIType.STRING, enum=["lost", "recovered"])},
    ),
    _event("finished", "The answer is whole (or was stopped) and stored.", {}),
    _event("error", "It cannot go on.", {"error": TEXT, "code": TEXT}),
    _event(
        "complete",
        "Always last: what is stored.",
        {
            "session_id": ID,
            "message_id": ID,
            "text": TEXT,
            "interrupted": Schema(const=True, description="Only there when the answer was cut short."),
        },
        "interrupted",
    ),
]

STREAM_EVENT = _object(
    {
        "id": Schema(
            type=OpenAPIType.STRING, pattern="^[0-9]+-[0-9]+$", description="{message_id}-{n}, n = 1, 2, 3 …"
        ),
        "data": Schema(
            type=OpenAPIType.STRING,
            content_media_type="application/json",
            content_schema=Schema(one_of=_EVENTS),
        ),
    }
)
STREAM_EXAMPLE = Example(
    summary="An answer",
    value=(
        'id: 7-1\ndata: {"status":"streaming","chunk":"Plants make "}\n\n'
        'id: 7-2\ndata: {"status":"streaming","chunk":"sugar."}\n\n'
        'id: 7-3\ndata: {"status":"finished"}\n\n'
        'id: 7-4\ndata: {"status":"complete","session_id":3,"message_id":7,"text":"Plants make sugar."}\n\n'
    ),
)

STREAM = ResponseSpec(
    str,
    media_type="text/event-stream",
    examples=[STREAM_EXAMPLE],
    description="`data:` lines with JSON objects, `status` first: sources, streaming, avatar, finished, "
    "error, and always last complete.",
)

_FILE = {"file_id": ID, "filename": TEXT}
_ERROR = Schema(type=[OpenAPIType.STRING, OpenAPIType.NULL], description="Of the last try.")
_PER_CENT = Schema(type=[OpenAPIType.INTEGER, OpenAPIType.NULL], minimum=0, maximum=99)
_FILE_EVENTS = [
    *(
        _event(status, description, {**_FILE, "progress": _PER_CENT, "error": _ERROR})
        for status, description in (
            ("stored", "It is no document: there is nothing to index."),
            ("waiting", "For its turn, or for another try."),
            ("indexing", "It is being read."),
            ("indexed", "Answers can rest on it."),
            ("failed", "Answers cannot rest on it."),
        )
    ),
    _event("deleted", "It is gone.", {"file_id": ID}),
]
FILE_EVENT = _object(
    {
        "data": Schema(
            type=OpenAPIType.STRING,
            content_media_type="application/json",
            content_schema=Schema(one_of=_FILE_EVENTS),
        )
    }
)
FILE_EVENTS = ResponseSpec(
    str,
    media_type="text/event-stream",
    examples=[
        Example(
            summary="A document becomes findable",
            value=(
                'data: {"status":"waiting","file_id":7,"filename":"notes.pdf","progress":null,"error":null}'
                "\n\n"
                'data: {"status":"indexing","file_id":7,"filename":"notes.pdf","progress":40,"error":null}'
                "\n\n"
                'data: {"status":"indexed","file_id":7,"filename":"notes.pdf","progress":null,"error":null}'
                "\n\n"
            ),
        )
    ],
    description="`data:` lines with JSON objects, `status` first: how it stands with each file, then every "
    "change. It ends with the server or the login.",
)
