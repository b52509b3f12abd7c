// Asks, or follows `message`, and calls `hear(event, id)` for every event once and in order, whatever breaks in
// between. Resolves after the last event; rejects when it is refused.
export async function byFetch({ server, token, question, message }, hear) {
  const authorization = { Authorization: `Bearer ${token}` };
  const key = crypto.randomUUID(); // however often this is sent, the question is asked once
  const ask = () =>
    fetch(`${server}/api/chat/stream`, {
      method: "POST",
      headers: { ...authorization, "Idempotency-Key": key },
      body: new URLSearchParams({ message: question }),
    });
  const follow = () =>
    fetch(`${server}/api/chat/stream/${message}`, {
      headers: { ...authorization, ...(last && { "Last-Event-ID": last }) },
    });
  let last = "";
  let pause = 250;

  for (let ended = false; !ended; ) {
    const answer = await (message ? follow() : ask()).catch(() => null); // null: nobody is there
    if (answer?.status === 204) return; // the last event was heard already
    if (answer?.ok) {
      message ??= answer.headers.get("X-Message-Id");
      const take = (event, id) => {
        [last, ended, pause] = [id, event.status === "complete", 250];
        hear(event, id);
      };
      await read(answer.body, take).catch(() => null); // a line may break
    } else if (answer && answer.status < 500 && answer.status !== 429) {
      throw new Error((await answer.json()).msg);
    }
    if (!ended) await new Promise((rested) => setTimeout(rested, pause * (0.5 + Math.random())));
    pause = Math.min(pause * 2, 5000);
  }
}

async function read(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (text + value).split("\n\n");
    text = frames.pop(); // the network may tear a frame
    for (const frame of frames) {
      const [, id, data] = /^id: (.+)\ndata: (.+)$/.exec(frame) ?? []; // else it is a heartbeat
      if (id) take(JSON.parse(data), id);
    }
  }
}
