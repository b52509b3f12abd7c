// As byFetch. An EventSource comes back by itself when a line breaks, with `Last-Event-ID`; when it is answered
// with an error it gives up for good, and one with a new ticket takes its place.
export async function byEventSource({ server, token, question, message }, hear) {
  const headers = { Authorization: `Bearer ${token}`, "Idempotency-Key": crypto.randomUUID() };
  const rest = () => new Promise((rested) => setTimeout(rested, 500 + Math.random() * 500));
  const post = async (path, options) => {
    for (;;) {
      const request = { method: "POST", headers, ...options };
      const answer = await fetch(`${server}/api/chat/stream${path}`, request).catch(() => null);
      if (answer?.ok) return answer;
      if (answer && answer.status < 500 && answer.status !== 429) throw new Error((await answer.json()).msg);
      await rest();
    }
  };

  if (!message) {
    const asking = new AbortController();
    const body = new URLSearchParams({ message: question });
    const answer = await post("", { body, signal: asking.signal });
    message = answer.headers.get("X-Message-Id");
    asking.abort(); // the reply goes on without us
  }
  for (let last = "", ended = false; !ended; ) {
    const { ticket } = await (await post(`/${message}/ticket`)).json();
    const query = new URLSearchParams({ ticket, last_event_id: last });
    const source = new EventSource(`${server}/api/chat/stream/${message}?${query}`);
    await new Promise((closed) => {
      source.onmessage = ({ data, lastEventId }) => {
        const event = JSON.parse(data);
        [last, ended] = [lastEventId, event.status === "complete"];
        hear(event, lastEventId);
        if (ended) closed(source.close());
      };
      source.onerror = () => source.readyState === EventSource.CLOSED && closed();
    });
    if (!ended) await rest();
  }
}
