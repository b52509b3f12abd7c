// The list of chats, and which of them is open.
import { get } from "./api.js";

const [nav, list, toggle] = ["chats", "chat-list", "show-chats"].map((id) => document.getElementById(id));
const SHOWN = 100;

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

// Shows the newest chats, and returns them.
export async function listChats(current) {
  const problem = nav.querySelector(".error");
  let chats = [];
  try {
    chats = await get(`/chat/history?limit=${SHOWN}`);
    list.replaceChildren(...chats.map(({ id, title }) => entry(id, title)));
    problem.textContent = "";
  } catch (refused) {
    problem.textContent = refused.message;
  }
  markCurrent(current);
  return chats;
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
