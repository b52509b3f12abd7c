// The login of this browser: a token that its tabs share and that survives a reload.
const KEY = "virtual-tutor.token";

export const login = new EventTarget(); // tells "begun" and "ended"; the latter's detail says why

export const token = () => localStorage.getItem(KEY);

export function begin(fresh) {
  localStorage.setItem(KEY, fresh);
  login.dispatchEvent(new Event("begun"));
}

// `fresh` came with an answer to `old`. A late answer to an older token must not bring an older one back.
export function succeed(old, fresh) {
  if (fresh && token() === old) localStorage.setItem(KEY, fresh);
}

// `of` was refused, or its owner leaves. Whoever has logged in since stays.
export function end(of, why = "") {
  if (!of || token() !== of) return;
  localStorage.removeItem(KEY);
  login.dispatchEvent(new CustomEvent("ended", { detail: why }));
}

// As `end`, also when a newer token has taken the place of `of` meanwhile.
export function endAccount(of, why) {
  const now = token();
  end(of && now && now !== of && account(now) === account(of) ? now : of, why);
}

const account = (of) => of && JSON.parse(atob(of.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).sub;

addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (key === KEY && account(oldValue) !== account(newValue)) location.reload(); // another tab, another login
});
