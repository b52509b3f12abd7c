// What the avatar says, sentence by sentence, while it says it.
import { rendered } from "./markdown.js";

const caption = document.getElementById("caption");
const LETTERS_PER_S = 15; // a calm pace; a sentence stays until it must have been said
const NEARLY = 0.7; // of that; a pause after so much is its end
const STEP_MS = 100;
const PATIENCE_MS = 4000; // without a sound for so long, the words are shown all the same
const AFTERWARDS_MS = 2000; // for so long the last sentence stays after the voice
const MOST_LETTERS = 90;
const BREATHS = [", ", "; ", ": ", "，", "、", "；"];
const SYLLABLES = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/g; // signs that take as long as three letters
const CITATION = /\s*\[\d+\]/g;

export class Captions {
  #text = ""; // all of the reply as far as it is written
  #shown = 0; // how many of its sentences were shown
  #whole = false;
  #said = 0; // milliseconds for which the shown sentence has been spoken
  #silent = 0; // milliseconds without a sound, while there is something to say
  #sounded = false;
  #clock = null;

  // `sounding()`: whether the avatar can be heard right now.
  constructor(sounding) {
    this.sounding = sounding;
  }

  begin() {
    this.stop();
    this.#clock = setInterval(() => this.#step(), STEP_MS);
  }

  add(chunk) {
    this.#text += chunk;
  }

  // Nothing more will come; what was written is still being said.
  finish() {
    this.#whole = true;
  }

  stop() {
    clearInterval(this.#clock);
    [this.#text, this.#shown, this.#whole, this.#said, this.#silent] = ["", 0, false, 0, 0];
    caption.textContent = "";
  }

  #step() {
    const next = this.#sentences()[this.#shown];
    const sounding = this.sounding();
    const resumed = sounding && !this.#sounded;
    this.#sounded = sounding;
    if (sounding || (next === undefined && !this.#whole)) this.#silent = 0;
    else this.#silent += STEP_MS;
    const mute = this.#silent > PATIENCE_MS;
    if (sounding || mute) this.#said += STEP_MS;
    const takes = seconds(caption.textContent) * 1000; // nothing, before the first
    const over = this.#said >= takes || (resumed && this.#said >= takes * NEARLY);
    if (next !== undefined) {
      if (over && (sounding || mute)) this.#show(next);
    } else if (this.#whole && this.#silent > AFTERWARDS_MS && (over || !mute)) {
      this.stop();
    }
  }

  #show(sentence) {
    caption.textContent = sentence;
    this.#shown++;
    this.#said = 0;
  }

  // Those that are whole. The last one may still grow, until the reply is whole.
  #sentences() {
    const words = document.createElement("div");
    words.append(rendered(this.#text));
    const blocks = [...words.querySelectorAll("p, li, h4, blockquote")].map((block) => block.textContent);
    const sentences = blocks.flatMap((block) => split(block.replace(CITATION, "")));
    return (this.#whole ? sentences : sentences.slice(0, -1)).flatMap((sentence) => [...parts(sentence)]);
  }
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "sentence" });

function split(text) {
  return [...segmenter.segment(text)].map(({ segment }) => segment.trim()).filter(Boolean);
}

// Of a long sentence as much at a time as two or three lines hold, cut where one breathes if possible.
function* parts(sentence) {
  while (sentence.length > MOST_LETTERS) {
    const start = sentence.slice(0, MOST_LETTERS);
    const breath = Math.max(...BREATHS.map((mark) => start.lastIndexOf(mark))) + 1;
    const end = breath > MOST_LETTERS / 3 ? breath : start.lastIndexOf(" ") + 1 || MOST_LETTERS;
    yield sentence.slice(0, end).trim();
    sentence = sentence.slice(end).trim();
  }
  yield sentence;
}

// How many seconds it takes to say.
function seconds(text) {
  return (text.length + 2 * (text.match(SYLLABLES)?.length ?? 0)) / LETTERS_PER_S;
}
