// Shows what was heard: each event as a line, and the text as a reader would see it.
export const { server, token, question, message } = Object.fromEntries(
  new URLSearchParams(location.hash.slice(1)), // what stands behind the # is sent to nobody
);

const [text, events] = ["text", "events"].map((id) => document.getElementById(id));

export function hear(event, id) {
  const line = document.createElement("li");
  line.id = id;
  line.textContent = JSON.stringify(event);
  events.append(line);
  if (event.status === "streaming") text.textContent += event.chunk;
  if (event.status === "complete") text.textContent = event.text; // what is stored has the last word
}

export function end() {
  document.body.className = "ended";
}
