// Uploading a document, and waiting until answers can rest on it.
import { get, upload } from "./api.js";

const [input, list] = ["file", "uploads"].map((id) => document.getElementById(id));
const LOOK_MS = 1000;
const OUTCOMES = {
  indexed: "Ready: ask about it.",
  failed: "It was stored, but could not be read, so answers cannot rest on it.",
};

let leaving = new AbortController(); // of whoever is logged in

// `chat.id` and `chat.opened` say where it belongs, `chat.uploaded` is told when it is there.
export function prepareUploads(chat) {
  input.onchange = () => {
    const [file] = input.files;
    if (file) bring(file, chat);
    input.value = ""; // so that the same file can be chosen again
  };
}

// Those that are under way end.
export function forgetUploads() {
  leaving.abort();
  leaving = new AbortController();
  list.replaceChildren();
}

export function forgetFinishedUploads() {
  for (const item of list.querySelectorAll(".finished")) item.remove();
}

async function bring(file, chat) {
  const { item, bar, say } = entry(file.name);
  const { id: session, opened } = chat;
  const { signal } = leaving;
  const progress = (part) => {
    bar.value = part;
    if (part === 1) say("Reading the document …");
  };
  try {
    say("Uploading …");
    const done = await upload("/chat/upload", { file, session_id: session }, progress, signal);
    chat.uploaded(done, opened);
    say("Reading the document …");
    bar.removeAttribute("value"); // nobody knows how long
    say(OUTCOMES[await outcome(done, item, signal)] ?? "");
  } catch (refused) {
    item.classList.add("failed");
    say(refused.message);
  }
  bar.remove();
  item.classList.add("finished");
}

async function outcome({ file_id: id, rag_status: status }, item, signal) {
  while (status === "pending" && item.isConnected) {
    await new Promise((later) => setTimeout(later, LOOK_MS));
    const { files } = await get("/user_files?limit=100", { signal });
    status = files.find(({ file_id: each }) => each === id)?.rag_status; // none: it was deleted
  }
  return status;
}

function entry(name) {
  const [item, label, bar, words, close] = ["li", "span", "progress", "span", "button"].map((kind) =>
    document.createElement(kind),
  );
  label.textContent = name;
  bar.setAttribute("aria-label", `Upload of ${name}`);
  bar.max = 1;
  bar.value = 0;
  words.setAttribute("role", "status");
  close.type = "button";
  close.className = "quiet";
  close.textContent = "×";
  close.setAttribute("aria-label", `Forget the message about ${name}`);
  close.onclick = () => {
    item.remove();
    input.focus();
  };
  item.append(label, bar, words, close);
  list.append(item);
  return { item, bar, say: (text) => (words.textContent = text) };
}
