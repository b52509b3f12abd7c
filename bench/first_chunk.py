"""How long until the first words of a grounded answer, and does anybody else feel the model working?

Against a running development server (`task run`):

    .venv/bin/python bench/first_chunk.py [--url http://127.0.0.1:8000] [--rounds 3]

Asks the answerable questions of docs/samples/questions.json about ocean-science.pdf. Beside it a second
client calls /api/health every 50 ms while the model is idle and while it works; both distributions are
printed, and their ratio.
"""

import argparse
import json
import re
import statistics
import threading
import time
from pathlib import Path

import httpx

SAMPLES = Path(__file__).parents[1] / "docs" / "samples"
PASSWORD = "bench bench bench"


def logged_in(client: httpx.Client) -> dict[str, str]:
    email = f"bench{time.time_ns()}@example.org"
    client.post("/api/send_verification", json={"email": email}).raise_for_status()
    for _ in range(100):
        mails = client.get("/dev/mailbox.json").raise_for_status().json()["mails"]
        texts = [mail["text"] for mail in mails if mail["to"] == email]
        if texts:
            break
        time.sleep(0.05)
    code = re.search(r"\b\d{6}\b", texts[0])[0]  # type: ignore[index]  # the mail has a code
    account = {"email": email, "password": PASSWORD}
    client.post("/api/register", json={**account, "code": code}).raise_for_status()
    token = client.post("/api/login", json=account).raise_for_status().json()["token"]
    return {"Authorization": f"Bearer {token}"}


def upload(client: httpx.Client, headers: dict[str, str], name: str) -> int:
    files = {"file": (name, (SAMPLES / name).read_bytes())}
    answer = client.post("/api/chat/upload", headers=headers, files=files).raise_for_status().json()
    for _ in range(600):
        listed = client.get("/api/user_files", headers=headers).json()["files"]
        if all(file["rag_status"] == "indexed" for file in listed):
            return int(answer["session_id"])
        time.sleep(0.1)
    raise SystemExit("the document was not indexed")


def ask(client: httpx.Client, headers: dict[str, str], session: int, question: str) -> tuple[float, float]:
    """Seconds to the first chunk, and to the end."""
    began, first = time.perf_counter(), None
    form = {"message": question, "session_id": str(session)}
    with client.stream("POST", "/api/chat/stream", headers=headers, data=form) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if first is None and '"status":"streaming"' in line:
                first = time.perf_counter() - began
    return first or float("nan"), time.perf_counter() - began


class Bystander:
    """Calls /api/health again and again and remembers how long each call took."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False)
        self._stop = threading.Event()
        self.times: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            began = time.perf_counter()
            self._client.get("/api/health").raise_for_status()
            self.times.append((time.perf_counter() - began) * 1000)

    def end(self) -> list[float]:
        self._stop.set()
        self._thread.join()
        return self.times


def row(name: str, values: list[float], unit: str) -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return (
        f"{name:<34} n={len(values):<4} p50 {statistics.median(values):8.2f} {unit}   "
        f"p99 {p99:8.2f} {unit}   max {ordered[-1]:8.2f} {unit}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    known = json.loads((SAMPLES / "questions.json").read_text())["documents"]["ocean-science.pdf"]
    questions = [one["question"] for one in known["answerable"]]
    with httpx.Client(base_url=arguments.url, timeout=120, trust_env=False) as client:
        headers = logged_in(client)
        session = upload(client, headers, "ocean-science.pdf")
        ask(client, headers, session, questions[0])  # warms the model's prompt cache
        idle = Bystander(arguments.url)
        time.sleep(5)
        quiet = idle.end()
        busy = Bystander(arguments.url)
        answers = [ask(client, headers, session, q) for _ in range(arguments.rounds) for q in questions]
        loaded = busy.end()
    print(row("first chunk of a grounded answer", [first for first, _ in answers], "s"))
    print(row("whole answer", [total for _, total in answers], "s"))
    print(row("/api/health, model idle", quiet, "ms"))
    print(row("/api/health, model working", loaded, "ms"))
    print(f"health, working : idle (median)    {statistics.median(loaded) / statistics.median(quiet):.2f}")


if __name__ == "__main__":
    main()
