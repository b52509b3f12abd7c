// The list of chats, and which of them is open.
import { get } from "./api.js";

const [nav, list, toggle] = ["chats", "chat-list", "show-chats"].map((id) => document.getElementById(id));
const problem = nav.querySelector(".error");
const SHOWN = 100;
let asked = 0; // how often; a late answer is none

// `open(chat)` is called with what was chosen: `{id, title}`, or null for a new one.
export function prepareChats(open) {
  const choose = (chat) => {
    spread(false);
    open(chat);
  };
  toggle.onclick = () => spread(toggle.getAttribute("aria-expanded") !== "true");
  nav.onkeydown = ({ key }) => {
    if (key !== "Escape") return;
    spread(false);
    toggle.focus();
  };
  document.getElementById("new-chat").onclick = () => choose(null);
  list.onclick = ({ target }) => {
    const button = target.closest("button");
    if (button) choose({ id: Number(button.dataset.id), title: button.textContent });
  };
}

// Shows the newest chats, and returns them. `current()` is the number of the open one, or null.
export async function listChats(current) {
  const time = ++asked;
  let chats = [];
  let why = "";
  try {
    chats = await get(`/chat/history?limit=${SHOWN}`);
  } catch (refused) {
    why = refused.message;
  }
  if (time !== asked) return chats;
  if (!why) list.replaceChildren(...chats.map(({ id, title }) => entry(id, title)));
  problem.textContent = why;
  markCurrent(current());
  return chats;
}

export function forgetChats() {
  asked++;
  list.replaceChildren();
  problem.textContent = "";
}

// The address names the open chat, so that a reload finds it again.
export const namedByAddress = () => Number(/^#chat-(\d+)$/.exec(location.hash)?.[1]) || null;

// `current` is the number of the open chat, or null.
export function markCurrent(current) {
  history.replaceState(null, "", current ? `#chat-${current}` : location.pathname);
  for (const button of list.querySelectorAll("button")) {
    if (Number(button.dataset.id) === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function entry(id, title) {
  const [item, button] = ["li", "button"].map((kind) => document.createElement(kind));
  button.type = "button";
  button.dataset.id = id;
  button.textContent = title;
  item.append(button);
  return item;
}

// On a phone the list lies over the chat.
function spread(wide) {
  toggle.setAttribute("aria-expanded", wide);
  nav.classList.toggle("spread", wide);
}
