// How it stands with one's files, as the server tells it (docs/api-additions.md): one stream for all of them,
// open only while somebody wants to know.
import { send } from "./api.js";
import { frames } from "./stream.js";

const PAUSE_MS = { first: 500, most: 5000 };
const OVER = ["indexed", "failed", "deleted"];

const followed = new Map(); // file id: who hears of it
let known = new Map(); // file id: its newest event, since the stream was opened
let open = null; // ends the stream

// The last event of a file, once its indexing is over; `hear` is told those before. Rejects when `signal`
// ends it, or the server refuses.
export function outcome(id, hear, signal) {
  return new Promise((done, fail) => {
    const leave = () => {
      followed.delete(id);
      signal.removeEventListener("abort", giveUp);
      if (!followed.size) close();
    };
    const giveUp = () => (leave(), fail(signal.reason));
    const follower = {
      hear: (event) => (OVER.includes(event.status) ? (leave(), done(event)) : hear(event)),
      fail: (error) => (leave(), fail(error)),
    };
    signal.addEventListener("abort", giveUp);
    followed.set(id, follower);
    if (!open) watch();
    else if (known.has(id)) follower.hear(known.get(id));
  });
}

function close() {
  open?.abort();
  open = null;
}

async function watch() {
  open = new AbortController();
  const { signal } = open;
  for (let pause = PAUSE_MS.first; !signal.aborted; pause = Math.min(pause * 2, PAUSE_MS.most)) {
    known = new Map();
    try {
      const { body } = await send("GET", "/files/events", { signal });
      for await (const frame of frames(body)) {
        const [, data] = /^data: (.+)$/.exec(frame) ?? []; // else it is a heartbeat
        if (!data || signal.aborted) continue;
        pause = PAUSE_MS.first;
        const event = JSON.parse(data);
        known.set(event.file_id, event);
        followed.get(event.file_id)?.hear(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status !== 0 && error.status !== 429 && !(error.status >= 500)) {
        for (const follower of [...followed.values()]) follower.fail(error);
        return;
      }
    }
    await new Promise((rested) => setTimeout(rested, pause));
  }
}
