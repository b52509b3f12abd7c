// The avatar: choosing one, its picture and voice over WebRTC, and letting it go.
import { Refused, get, post, send } from "./api.js";
import { Captions } from "./captions.js";
import { Hearing } from "./hearing.js";

const [section, chooser, looks, startButton, stage, face, mute, stopButton, state, messages] = [
  "avatar", "choose-avatar", "looks", "start-avatar", "stage", "face", "mute", "stop-avatar", "avatar-state",
  "messages",
].map((id) => document.getElementById(id));
const problem = section.querySelector(":scope > .error");
const LIST_MS = 10_000; // after which a list that could not be had is asked for again
const GATHERING_MS = 2000; // for addresses; those of this machine are there at once
const OFFERS = 5; // while the instance is still starting
const CALLS = 4; // for one that was lost
const GRACE_MS = 3000; // a line may come back by itself
const LINE_MS = 15_000; // after which one that does not come never will
const GONE = "The avatar has gone. Start it again when you need it.";
const UNCLEAR = "The avatar could not be shown. Please try again.";
const IN_USE_MS = 300_000; // an avatar that nobody has used for so long is not called back

export class Avatar {
  #line = null; // RTCPeerConnection
  #hearing = null;
  #calling = null; // AbortController of the newest attempt to get one
  #chosen = "";
  #used = 0; // when it was started, or something was asked
  #returning = null; // which attempt to call it back is under way
  #later = 0; // when the list is asked for again

  constructor() {
    this.captions = new Captions(() => this.#hearing?.sounding() ?? false);
    chooser.onsubmit = (event) => {
      event.preventDefault();
      this.start();
    };
    stopButton.onclick = () => this.stop();
    mute.onclick = () => (face.muted = !face.muted);
    face.onvolumechange = () => {
      mute.setAttribute("aria-pressed", face.muted);
      this.#leaveReading();
    };
  }

  // What a chat tells of its replies.
  begin() {
    this.#used = Date.now();
    if (this.#line) this.captions.begin();
    else this.captions.stop();
  }

  add(chunk) {
    this.captions.add(chunk);
  }

  finish() {
    this.captions.finish();
  }

  silence() {
    this.captions.stop();
  }

  // The server cannot reach it any more.
  async lost() {
    if (this.#line && !stage.hidden) await this.#comeBack();
  }

  // Shows who can be chosen.
  async list() {
    problem.textContent = "";
    try {
      const avatars = Object.entries(await get("/avatar/list"));
      const entries = avatars.map(([name, about], n) => look(name, about, n === 0));
      looks.replaceChildren(looks.firstElementChild, ...entries.map(({ label }) => label));
      startButton.disabled = !avatars.length;
      for (const { name, picture } of entries) await preview(name, picture);
    } catch (refused) {
      problem.textContent = refused.message;
      clearTimeout(this.#later);
      if (refused.status >= 500) this.#later = setTimeout(() => this.list(), LIST_MS);
    }
  }

  async start() {
    this.#chosen = new FormData(chooser).get("avatar");
    startButton.disabled = true;
    problem.textContent = "";
    state.textContent = "The avatar is starting …";
    try {
      await this.#connect();
      this.#used = Date.now();
      this.#perform(true);
      state.textContent = "The avatar is here.";
      stopButton.focus();
    } catch (error) {
      await this.#giveUp(error);
    }
    startButton.disabled = false;
  }

  async stop() {
    this.close();
    startButton.focus();
    await post("/avatar/disconnect").catch((refused) => (problem.textContent = refused.message));
  }

  // Only on this side: the server has let it go, or will be told.
  close() {
    this.#returning = null;
    this.#calling?.abort();
    clearTimeout(this.#later);
    this.captions.stop();
    this.#hangUp();
    this.#perform(false);
    state.textContent = "";
  }

  #perform(on) {
    chooser.hidden = on;
    stage.hidden = !on;
    this.#leaveReading();
  }

  // What the avatar says aloud, a screen reader need not read aloud as well. (The caption it never reads.)
  #leaveReading() {
    messages.setAttribute("aria-live", stage.hidden || face.muted ? "polite" : "off");
  }

  #hangUp() {
    const line = this.#line;
    this.#line = null; // first, so that its end is none to be mended
    line?.close();
    this.#hearing?.close();
    this.#hearing = null;
    face.srcObject = null;
  }

  // Until picture and sound can come. Whatever fails after nobody wants it any more is an AbortError.
  async #connect() {
    const { signal } = (this.#calling = new AbortController());
    try {
      await this.#call(signal);
    } finally {
      signal.throwIfAborted();
    }
  }

  async #call(signal) {
    await post("/avatar/start", { form: { avatar_name: this.#chosen }, signal });
    const config = await get("/webrtc/config", { signal });
    signal.throwIfAborted();
    const line = (this.#line = new RTCPeerConnection(config));
    const stream = new MediaStream();
    line.addTransceiver("video", { direction: "recvonly" });
    line.addTransceiver("audio", { direction: "recvonly" });
    line.ontrack = ({ track }) => {
      stream.addTrack(track);
      if (track.kind === "audio") this.#hearing = new Hearing(stream);
    };
    await line.setLocalDescription(await line.createOffer());
    await gathered(line);
    const { sdp, type } = await offer({ sdp: line.localDescription.sdp, type: "offer" }, signal);
    await line.setRemoteDescription({ sdp, type });
    face.srcObject = stream;
    // Some browsers want a click on the video itself. Without a picture it would wait for ever.
    face.play().catch(({ name }) => name === "NotAllowedError" && (face.controls = true));
    await connected(line, signal);
    line.onconnectionstatechange = () => this.#watch(line);
  }

  async #watch(line) {
    if (line.connectionState === "disconnected") await rest(GRACE_MS);
    const gone = ["disconnected", "failed", "closed"].includes(line.connectionState);
    if (gone && line === this.#line) await this.#comeBack();
  }

  async #comeBack() {
    if (this.#returning) return;
    const returning = (this.#returning = {});
    this.#hangUp();
    state.textContent = "The avatar was lost. It is called back …";
    for (let n = 1; this.#returning === returning; n++) {
      try {
        if (Date.now() - this.#used > IN_USE_MS) throw new Refused(0, { msg: GONE });
        await this.#connect();
        state.textContent = "The avatar is back.";
        this.#returning = null;
      } catch (error) {
        if (this.#returning !== returning) return;
        this.#hangUp();
        if (n < CALLS && error.status >= 500) await rest(error.pause || 2000);
        else await this.#giveUp(error);
      }
    }
  }

  async #giveUp(error) {
    if (error.name === "AbortError") return; // nobody wants it any more
    this.close();
    problem.textContent = told(error);
    await post("/avatar/disconnect").catch(() => {}); // somebody else may want it
  }
}

const rest = (ms) => new Promise((rested) => setTimeout(rested, ms));

// The server's words are for the student; a browser's about WebRTC are not.
const told = (error) => (error instanceof Refused ? error.message : UNCLEAR);

// An instance that has just been launched says for a while that it is starting.
async function offer(json, signal) {
  for (let n = 1; ; n++) {
    try {
      signal.throwIfAborted();
      return await post("/webrtc/offer", { json, signal });
    } catch (refused) {
      if (refused.status !== 503 || refused.more.code === "capacity" || n === OFFERS) throw refused;
      await rest(refused.pause || 1000);
    }
  }
}

// The instance takes addresses in the offer alone, none that come later.
function gathered(line) {
  return new Promise((done) => {
    const look = () => line.iceGatheringState === "complete" && done();
    line.onicegatheringstatechange = look;
    setTimeout(done, GATHERING_MS);
    look();
  });
}

function connected(line, signal) {
  return new Promise((done, fail) => {
    const look = () => {
      if (line.connectionState === "connected") done();
      if (["failed", "closed"].includes(line.connectionState)) fail(new Error(line.connectionState));
    };
    line.onconnectionstatechange = look;
    signal.addEventListener("abort", () => fail(signal.reason));
    setTimeout(() => fail(new Error("timeout")), LINE_MS);
    look();
  });
}

function look(name, { description }, first) {
  const [label, input, picture, called, words] = ["label", "input", "img", "strong", "span"].map((kind) =>
    document.createElement(kind),
  );
  input.type = "radio";
  input.name = "avatar";
  input.value = name;
  input.checked = first;
  picture.alt = "";
  picture.width = picture.height = 64;
  called.textContent = name;
  words.textContent = description;
  label.className = "look";
  label.append(input, picture, called, words);
  return { name, label, picture };
}

// Without a picture there is still a name.
async function preview(name, picture) {
  const answer = await send("POST", "/avatar/preview", { form: { avatar_name: name } }).catch(() => null);
  if (!answer) return;
  picture.src = URL.createObjectURL(await answer.blob());
  picture.onload = () => URL.revokeObjectURL(picture.src);
}
