// Uploading documents, waiting until answers can rest on them, and deleting them.
import { post, send, upload } from "./api.js";
import { outcome } from "./files.js";

const [input, list] = ["file", "uploads"].map((id) => document.getElementById(id));
const WORDS = {
  waiting: ({ error }) => (error ? `${error}. It will be tried again.` : "Waiting for its turn …"),
  indexing: () => "Reading the document …",
  indexed: () => "Ready: ask about it.",
  failed: ({ error }) => `It was stored, but answers cannot rest on it. ${error ?? ""}`,
  deleted: () => "It was deleted.",
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
  const entry = new Entry(file.name);
  const { id: session, opened } = chat;
  const { signal } = leaving;
  try {
    entry.say("Uploading …");
    const done = await upload("/chat/upload", { file, session_id: session }, (part) => entry.sent(part), signal);
    chat.uploaded(done, opened);
    entry.keep(done.file_id);
    const told = (event) => entry.told(event);
    told(done.rag_status === "indexed" ? { status: "indexed" } : { status: "indexing" });
    if (done.rag_status !== "indexed") told(await outcome(done.file_id, told, signal));
  } catch (refused) {
    entry.failed(refused.message);
  }
  entry.finish();
}

// An upload in the list: how far it is, and what can be done about it.
class Entry {
  #item = document.createElement("li");
  #bar = document.createElement("progress");
  #words = document.createElement("span");
  #stop;
  #name;

  constructor(name) {
    const label = document.createElement("span");
    this.#name = name;
    label.textContent = name;
    this.#bar.setAttribute("aria-label", `Upload of ${name}`);
    this.#bar.max = 1;
    this.#bar.value = 0;
    this.#words.setAttribute("role", "status");
    this.#item.append(label, this.#bar, this.#words);
    this.#button("×", `Forget the message about ${name}`, () => this.#forget());
    list.append(this.#item);
  }

  say(text) {
    if (this.#words.textContent !== text) this.#words.textContent = text;
  }

  sent(part) {
    this.#bar.value = part;
    if (part === 1) this.say("Reading the document …");
  }

  // It is stored under this number.
  keep(id) {
    this.#stop = this.#button("Stop", `Stop reading ${this.#name}`, () => post(`/files/${id}/cancel`));
    this.#button("Delete", `Delete ${this.#name}`, async () => {
      if (!confirm(`Delete ${this.#name}? Answers cannot rest on it any more.`)) return;
      await send("DELETE", `/files/${id}`);
      this.#forget();
    });
  }

  told(event) {
    this.say(WORDS[event.status](event));
    if (event.progress) this.#bar.value = event.progress / 100;
    else this.#bar.removeAttribute("value"); // nobody knows how long
    if (event.status === "failed") this.#item.classList.add("failed");
  }

  failed(why) {
    this.#item.classList.add("failed");
    this.say(why);
  }

  finish() {
    this.#bar.remove();
    this.#stop?.remove();
    this.#item.classList.add("finished");
  }

  #forget() {
    this.#item.remove();
    input.focus();
  }

  // Before the last one, which stays at the end.
  #button(text, label, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = text;
    button.setAttribute("aria-label", label);
    button.onclick = async () => {
      try {
        await act();
      } catch (refused) {
        this.say(refused.message);
      }
    };
    this.#item.insertBefore(button, this.#item.querySelector("button:last-of-type"));
    return button;
  }
}
