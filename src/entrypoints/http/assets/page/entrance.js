// Logging in, and making an account with a code from one's mail.
import { post } from "./api.js";
import { begin } from "./token.js";

const [entrance, logIn, register, codePart, codeHint, whyHere] = [
  "entrance", "log-in", "register", "code-part", "code-hint", "why-here",
].map((id) => document.getElementById(id));
const mailbox = document.querySelector("meta[name=mailbox]").content; // only while developing
const LOOK_MS = 400;
const LOOKS = 20;

export function openEntrance(why = "") {
  whyHere.textContent = why;
  show(logIn);
}

export function prepareEntrance() {
  document.getElementById("to-registration").onclick = () => show(register);
  document.getElementById("to-login").onclick = () => show(logIn);
  logIn.onsubmit = (event) => attempt(event, logIn, enter);
  register.onsubmit = (event) => attempt(event, register, codePart.hidden ? sendCode : makeAccount);
  register.elements.email.oninput = () => askForCode(false); // a code belongs to an address
}

function show(form) {
  const email = entrance.querySelector("form:not([hidden])").elements.email.value;
  for (const each of [logIn, register]) {
    each.hidden = each !== form;
    each.querySelector(".error").textContent = "";
    each.elements.password.value = "";
  }
  askForCode(false);
  form.elements.email.value ||= email;
  (form.elements.email.value ? form.elements.password : form.elements.email).focus();
}

async function attempt(event, form, what) {
  event.preventDefault();
  const [problem, button] = [form.querySelector(".error"), form.querySelector("button.main")];
  problem.textContent = "";
  button.disabled = true;
  await what(Object.fromEntries(new FormData(form))).catch(({ message }) => (problem.textContent = message));
  button.disabled = false;
}

async function enter({ email, password }) {
  const { token } = await post("/login", { json: { email, password } });
  whyHere.textContent = "";
  show(logIn);
  begin(token);
}

async function sendCode({ email }) {
  const before = await codesFor(email);
  const { msg } = await post("/send_verification", { json: { email, purpose: "register" } });
  askForCode(true);
  codeHint.textContent = `${msg} It counts for five minutes.`;
  register.elements.code.focus();
  if (mailbox) await showCode(email, before.length);
}

async function makeAccount({ email, password, code }) {
  await post("/register", { json: { email, password, code } });
  await enter({ email, password });
}

function askForCode(wanted) {
  codePart.hidden = !wanted;
  register.elements.code.required = wanted;
  register.elements.code.value = "";
  codeHint.textContent = "";
  register.querySelector("button.main").textContent = wanted ? "Create account" : "Send me a code";
}

// Whoever runs the server on the own machine has no mail server, but may read the codes.
async function showCode(email, before) {
  for (let look = 0; look < LOOKS && !codePart.hidden; look++) {
    const codes = await codesFor(email);
    if (codes.length > before) {
      codeHint.textContent = `From the development mailbox: the code is ${codes[0]}.`;
      return;
    }
    await new Promise((later) => setTimeout(later, LOOK_MS));
  }
}

async function codesFor(email) {
  if (!mailbox) return [];
  const answer = await fetch(mailbox).catch(() => null);
  const { mails } = answer?.ok ? await answer.json() : { mails: [] };
  const ours = mails.filter(({ to }) => to === email.trim().toLowerCase());
  return ours.map(({ text }) => /\b\d{6}\b/.exec(text)?.[0]).filter(Boolean); // the newest first
}
