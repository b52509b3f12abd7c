// What is shown when, and who hears of what.
import { get, post } from "./api.js";
import { Avatar } from "./avatar.js";
import { Chat } from "./chat.js";
import { forgetChats, listChats, markCurrent, namedByAddress, prepareChats } from "./chats.js";
import { openEntrance, prepareEntrance } from "./entrance.js";
import { endAccount, login, token } from "./token.js";
import { forgetFinishedUploads, forgetUploads, prepareUploads } from "./uploads.js";

const [entrance, room, account, who] = ["entrance", "room", "account", "who"].map((id) =>
  document.getElementById(id),
);
const LOOK_MS = 30_000; // so often a page that nobody touches asks whether its login still counts

const avatar = new Avatar();
const chat = new Chat({
  changed: () => listChats(() => chat.id),
  speech: {
    begin: () => avatar.begin(),
    add: (chunk) => avatar.add(chunk),
    finish: () => avatar.finish(),
    stop: () => avatar.silence(),
    avatar: (state) => state === "lost" && avatar.lost(),
  },
});

async function enter() {
  show(room);
  greet();
  avatar.list();
  const named = namedByAddress();
  open(named && { id: named, title: "Chat" });
  const found = (await listChats(() => chat.id)).find(({ id }) => id === named);
  if (found && chat.id === named) chat.title = found.title;
}

function open(chosen) {
  forgetFinishedUploads();
  markCurrent(chosen?.id ?? null);
  return chat.open(chosen);
}

async function greet() {
  who.textContent = (await get("/user/profile").catch(() => ({}))).email ?? "";
}

function leave(why) {
  chat.close();
  avatar.close();
  forgetUploads();
  forgetChats();
  markCurrent(null);
  who.textContent = "";
  show(entrance);
  openEntrance(why);
}

function show(view) {
  entrance.hidden = view !== entrance;
  room.hidden = account.hidden = view !== room;
}

async function logOut() {
  const leaving = token();
  await post("/logout").catch(() => {}); // whatever the server says, this browser forgets
  chat.forgetDraft();
  endAccount(leaving, "You are logged out.");
}

// That it has ended is told by `login`.
function look() {
  if (token() && document.visibilityState === "visible") get("/token_status").catch(() => {});
}

prepareEntrance();
prepareUploads(chat);
prepareChats(open);
document.getElementById("log-out").onclick = logOut;
login.addEventListener("begun", enter);
login.addEventListener("ended", ({ detail }) => leave(detail));
document.addEventListener("visibilitychange", look);
setInterval(look, LOOK_MS);
if (token()) enter();
else leave("");
