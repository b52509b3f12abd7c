// One chat: asking, reading the answer as it is written, stopping it, and coming back to it.
import { get, post, send } from "./api.js";
import { ShownMessage, clearMessages } from "./messages.js";
import { readReply } from "./stream.js";

const [heading, question, form, sendButton, stopButton, again, state, section] = [
  "chat-title", "question", "ask", "send", "stop", "again", "chat-state", "chat",
].map((id) => document.getElementById(id));
const problem = section.querySelector(":scope > .error");
const TITLE_LENGTH = 50;
const THINKING = "The tutor is thinking …";
const ANSWERING = "The tutor is answering …";

export class Chat {
  #shown = []; // ShownMessage, oldest first
  #reading = null; // AbortController of what is being read: a reply, or what was said before
  #listed = null; // promise of what was said before
  #opened = {}; // another one whenever a chat is opened or left, also for the same chat

  // `changed()` is called when the list of chats may have. `speech` hears what an avatar may be saying: begin,
  // add, finish, stop, and avatar(state) for what the server tells of it.
  constructor({ changed, speech }) {
    Object.assign(this, { id: null, changed, speech });
    form.onsubmit = (event) => {
      event.preventDefault();
      this.ask(question.value.trim());
    };
    question.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    };
    stopButton.onclick = () => this.stop();
    again.onclick = () => this.answerAgain();
  }

  // `chat` is `{id, title}`, or null for one that begins with the next question. What is being written goes on.
  async open(chat) {
    this.close();
    this.id = chat?.id ?? null;
    this.title = chat?.title ?? "New chat";
    this.#reading = new AbortController();
    this.#settle();
    (this.id === null ? question : heading).focus();
    this.#listed = this.id === null ? Promise.resolve([]) : this.#list();
    const opened = this.#opened;
    const listed = await this.#listed;
    if (this.#opened === opened) await this.#comeBack(listed);
  }

  // Stops reading; the reply itself goes on at the server.
  close() {
    this.#reading?.abort();
    this.#reading = null;
    this.#opened = {};
    this.#shown = [];
    this.id = null;
    clearMessages();
    this.speech.stop();
    state.textContent = problem.textContent = "";
  }

  // What is equal as long as nothing else is opened.
  get opened() {
    return this.#opened;
  }

  forgetDraft() {
    question.value = "";
  }

  async ask(text) {
    const opened = this.#opened;
    await this.#listed;
    if (!text || this.#writing || this.#opened !== opened) return;
    // However often it is sent, it is asked once. (Without TLS, other hosts than this one have no randomUUID.)
    const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.#waiting(true);
    question.value = "";
    const asked = this.#add({ role: "user", content: text });
    try {
      const session = await this.#session(text);
      if (!this.#shown.includes(asked)) return; // another chat was opened meanwhile
      await this.#read({
        ask: (signal) =>
          send("POST", "/chat/stream", {
            signal,
            form: { message: text, session_id: session },
            headers: { "Idempotency-Key": key },
          }),
      });
    } catch (refused) {
      const taken = refused.name === "AbortError" || refused.more?.session_id;
      if (!taken) question.value ||= text;
      if (!this.#shown.includes(asked)) return; // another chat is open, or the login has ended
      if (!taken) this.#drop(asked);
      this.#fail(refused);
    }
  }

  async answerAgain() {
    if (this.#writing) return;
    this.#waiting(true);
    const [session, opened] = [this.id, this.#opened];
    const earlier = this.#shown.at(-1)?.isAnswer ? this.#shown.at(-1) : null;
    if (earlier) this.#drop(earlier);
    try {
      await this.#read({
        ask: (signal) => send("POST", `/chat/${session}/regenerate`, { signal, form: {} }),
        instead: true,
      });
    } catch (refused) {
      if (this.#opened !== opened || refused.name === "AbortError") return;
      const reopening = this.open({ id: session, title: this.title }); // the earlier answer still stands
      const reopened = this.#opened;
      await reopening;
      if (this.#opened === reopened) this.#fail(refused);
    }
  }

  async stop() {
    if (this.id === null) return; // nothing was asked yet
    this.speech.stop();
    state.textContent = "Stopping …";
    question.focus();
    await post(`/chat/${this.id}/stop`).catch((refused) => (problem.textContent = refused.message));
  }

  // A document has come: `{session_id, filename}`. `wasFor` is what was opened when it was chosen.
  uploaded({ session_id: session, filename }, wasFor) {
    const elsewhere = this.#opened !== wasFor || (this.id !== null && this.id !== session);
    if (elsewhere) return this.changed(); // it may have begun a chat of its own
    if (this.id === null) this.title = `File: ${filename}`;
    this.id = session;
    this.#add({ role: "user", content: `Uploaded document: ${filename}`, file_type: "document" });
    if (!this.#writing) this.#settle();
    this.changed();
  }

  // A chat begins with its first question; a number beforehand makes it possible to stop before the first word.
  async #session(text) {
    if (this.id !== null) return this.id;
    const opened = this.#opened;
    const name = [...text].slice(0, TITLE_LENGTH).join("");
    const { session_id: id } = await post("/chat/new", { json: { title: name } });
    if (this.#opened === opened) {
      this.id = id;
      this.title = name;
      this.changed();
    }
    return id;
  }

  // Reads a reply into a new message. `instead`: it replaces the earlier answer.
  async #read({ ask, message, instead = false }) {
    this.#reading?.abort();
    const { signal } = (this.#reading = new AbortController());
    const session = this.id;
    const shown = this.#add({ role: "assistant", content: "" });
    this.#waiting(true);
    shown.busy = true;
    this.speech.begin();
    const hear = (event, number) => {
      if (signal.aborted) return;
      if (state.textContent !== ANSWERING) {
        keep(session, { message: Number(number), instead });
        state.textContent = ANSWERING;
      }
      if (event.status === "sources") shown.cite(event.sources);
      if (event.status === "avatar") this.speech.avatar(event.state);
      if (event.status === "error") problem.textContent = event.error;
      if (event.status === "streaming") {
        shown.text += event.chunk;
        this.speech.add(event.chunk);
      }
      if (event.status === "complete") {
        shown.text = event.text; // what is stored has the last word
        if (event.interrupted) shown.markInterrupted();
        state.textContent = event.interrupted ? "The answer was cut short." : "The answer is complete.";
      }
    };
    const waiting = ({ message: why }) => (state.textContent = `${why} Trying again …`);
    try {
      await readReply({ ask: ask && (() => ask(signal)), message, signal, waiting }, hear);
      keep(session, null);
      this.speech.finish();
      if (!shown.text) this.#drop(shown);
    } catch (error) {
      signal.throwIfAborted();
      keep(session, null);
      this.#drop(shown);
      this.speech.stop();
      throw error;
    } finally {
      shown.busy = false;
      if (!signal.aborted) this.#settle();
    }
    this.changed();
  }

  // Shows what was said before, and returns it.
  async #list() {
    const { signal } = this.#reading;
    try {
      const listed = await get(`/message/list?session_id=${this.id}`, { signal });
      this.#shown = listed.map((message) => new ShownMessage(message));
      this.#settle();
      return listed;
    } catch (refused) {
      if (!signal.aborted) problem.textContent = refused.message;
      return [];
    }
  }

  // After a reload, or when a chat is opened again: what was being read is read on, from its start.
  async #comeBack(listed) {
    const kept = keptOf(this.id);
    if (!kept) return;
    if (listed.some(({ id }) => id === kept.message)) return keep(this.id, null); // it has ended meanwhile
    if (kept.instead && this.#shown.at(-1)?.isAnswer) this.#drop(this.#shown.at(-1));
    try {
      await this.#read(kept);
    } catch (refused) {
      if (refused.name !== "AbortError") this.#fail(refused);
    }
  }

  #add(message) {
    const shown = new ShownMessage(message);
    this.#shown.push(shown);
    return shown;
  }

  #drop(shown) {
    shown.remove();
    this.#shown = this.#shown.filter((each) => each !== shown);
  }

  #fail(refused) {
    problem.textContent = refused.message;
    state.textContent = "";
    this.#settle();
  }

  #settle() {
    this.#waiting(false);
  }

  get title() {
    return heading.textContent;
  }

  set title(title) {
    heading.textContent = title;
  }

  get #writing() {
    return !stopButton.hidden;
  }

  // While a reply is written there is Stop; otherwise there is Ask, and Answer again where it makes sense.
  #waiting(writing) {
    if (writing) {
      problem.textContent = "";
      state.textContent = THINKING;
    }
    stopButton.hidden = !writing;
    sendButton.hidden = writing;
    again.hidden = writing || (this.#shown.at(-1)?.isUpload ?? true);
  }
}

// Which reply this tab is reading in a chat, so that a reload can go on.
const place = (session) => `virtual-tutor.reply.${session}`;
const keep = (session, what) => sessionStorage.setItem(place(session), JSON.stringify(what));
const keptOf = (session) => JSON.parse(sessionStorage.getItem(place(session)));
