// The conversation as it is shown.
import { rendered } from "./markdown.js";
import { linkMarks } from "./marks.js";
import { showSource, sourcesList } from "./sources.js";

const messages = document.getElementById("messages");
const NEAR_PX = 120;

export class ShownMessage {
  // As /api/message/list tells it.
  constructor({ role, content, sources, interrupted, file_type: file }) {
    this.article = document.createElement("article");
    this.body = document.createElement("div");
    this.raw = content ?? "";
    this.isAnswer = role === "assistant";
    this.isUpload = Boolean(file);
    const author = document.createElement("h3");
    author.textContent = this.isAnswer ? "Tutor" : "You";
    this.article.className = this.isAnswer ? "message answer" : "message question";
    this.body.className = "text";
    this.article.append(author, this.body);
    this.#draw();
    if (sources?.length) this.cite(sources);
    if (interrupted) this.markInterrupted();
    whileAtEnd(() => messages.append(this.article));
  }

  // Drawn at most once a frame, however many chunks come.
  set text(text) {
    this.raw = text;
    this.due ??= requestAnimationFrame(() => {
      this.due = undefined;
      whileAtEnd(() => this.#draw());
    });
  }

  get text() {
    return this.raw;
  }

  // A screen reader reads an answer when it is whole, not piece by piece.
  set busy(busy) {
    this.article.setAttribute("aria-busy", busy);
    this.article.classList.toggle("busy", busy);
  }

  cite(sources) {
    const box = sourcesList(sources);
    const numbers = new Set(sources.map(({ n }) => n));
    this.link = () => linkMarks(this.body, (n) => numbers.has(n), (n) => showSource(box, n));
    this.link();
    whileAtEnd(() => this.article.append(box));
  }

  markInterrupted() {
    const note = document.createElement("p");
    note.className = "hint";
    note.textContent = "This answer was cut short.";
    this.article.append(note);
  }

  remove() {
    cancelAnimationFrame(this.due);
    this.article.remove();
  }

  #draw() {
    if (this.isAnswer) this.body.replaceChildren(rendered(this.raw));
    else this.body.textContent = this.raw;
    this.link?.();
  }
}

export function clearMessages() {
  messages.replaceChildren();
}

// Whoever reads at the end goes on reading there; whoever has scrolled back is left alone.
function whileAtEnd(change) {
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < NEAR_PX;
  change();
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}
