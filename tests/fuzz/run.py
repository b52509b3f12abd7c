"""`task fuzz`: libFuzzer, through atheris, looks for bytes that break what tests/fuzz/streams.py promises."""

import asyncio
import sys
from importlib import import_module
from pathlib import Path

SEEDS = [
    b'\0\0data: {"chunk": "a\xe2\x80\xa8b", "status": "streaming"}\r\n\r\ndata:{"status":"finished"}\n\n',
    b"\1\0005;x=y\r\nhello\r\n0\r\nx-a: b\r\n\r\n",
    b"\2\0HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    b"\2\0HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"\2\0HTTP/1.0 200\r\n\r\nuntil the end",
    b'\3\0data: {"chunk": "a", "status": "streaming"}\n\ndata: {"status": "finished", "ttft": NaN}\n\n',
    b'\3\0data: {"choices":[{"delta":{"content":"\\ud83c"},"finish_reason":null}]}\n\ndata: [DONE]\n\n',
]


def main(corpus: Path, seconds: str = "600") -> None:
    atheris = import_module("atheris")  # only here: it is no dependency of the project
    with atheris.instrument_imports(include=["adapters.http", "tests.fuzz"]):
        anything = import_module("tests.fuzz.streams").anything
    loop = asyncio.new_event_loop()

    def one(data: bytes) -> None:
        """The kind, how many cuts, the cuts with two bytes each, and the wire."""
        if len(data) < 2:
            return
        at = min(2 + 2 * (data[1] % 16), len(data))
        cuts = [int.from_bytes(data[n : n + 2], "big") for n in range(2, at, 2)]
        loop.run_until_complete(anything(data[0], data[at:], cuts))

    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        Path(corpus, f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=16384",
        "-timeout=30",
        f"-artifact_prefix={corpus.parent}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
