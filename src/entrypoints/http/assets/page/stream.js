// A reply as it is written (docs/streaming.md): every event once and in order, whatever breaks in between.
import { send } from "./api.js";

const PAUSE_MS = { first: 250, most: 5000 };

// Asks with `ask`, or follows `message`, and calls `hear(event)` until the last one. `waiting(error)` is told
// when the line has broken, before it is tried again. Rejects when it is refused, or `signal` ends it.
// `ask` may be called again while nobody knows whether it has arrived: it must carry an Idempotency-Key.
export async function readReply({ ask, message, signal, waiting }, hear) {
  let last = "";
  let pause = PAUSE_MS.first;
  const follow = () =>
    send("GET", `/chat/stream/${message}`, { signal, headers: last ? { "Last-Event-ID": last } : {} });
  for (;;) {
    try {
      const answer = await (message ? follow() : ask());
      if (answer.status === 204) return; // the last event was heard already
      message ??= answer.headers.get("X-Message-Id");
      for await (const [id, event] of events(answer.body)) {
        [last, pause] = [id, PAUSE_MS.first];
        hear(event, message);
        if (event.status === "complete") return;
      }
    } catch (error) {
      if (!mayPass(error, message)) throw error;
      waiting(error);
      pause = error.pause || pause;
    }
    await new Promise((rested) => setTimeout(rested, pause * (0.5 + Math.random())));
    signal.throwIfAborted();
    pause = Math.min(pause * 2, PAUSE_MS.most);
  }
}

// Whether trying again makes sense. What answers a question that was never taken is for the student to read.
function mayPass({ status }, message) {
  return status === 0 || (message && (status === 429 || status >= 500));
}

async function* events(body) {
  for await (const frame of frames(body)) {
    const [, id, data] = /^id: (.+)\ndata: (.+)$/.exec(frame) ?? []; // else it is a heartbeat
    if (id) yield [id, JSON.parse(data)];
  }
}

// The frames of a stream of events, whole; it ends where the line breaks, too.
export async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) return;
    const whole = (text + value).split("\n\n");
    text = whole.pop(); // the network may tear a frame
    yield* whole;
  }
}
