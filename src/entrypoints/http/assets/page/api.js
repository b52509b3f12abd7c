// Requests to the API: the token goes along, a newer one is kept, and a refusal becomes an error.
import { end, succeed, token } from "./token.js";

const UNREACHABLE = "The server cannot be reached. Please check your connection.";
const ENDED = {
  token_expired: "Your login has expired. Please log in again.",
  token_revoked:
    "You have been logged out here: somebody logged in to this account elsewhere, or ended its logins.",
};

// What the server refused; `status` is 0 when there was no answer at all. The message may be shown.
export class Refused extends Error {
  constructor(status, { msg, ...more } = {}, retryAfter = null) {
    super(msg ?? `The server answered ${status}.`);
    Object.assign(this, { status, more, pause: Number(retryAfter) * 1000 });
  }
}

// The answer, if it is a success. `json` or `form` becomes the body.
export async function send(method, path, { json, form, headers = {}, signal } = {}) {
  const sent = token();
  const answer = await fetch(`/api${path}`, {
    method,
    signal,
    cache: "no-store",
    headers: { ...(sent && { Authorization: `Bearer ${sent}` }), ...(json && JSON_BODY), ...headers },
    body: json ? JSON.stringify(json) : form && new URLSearchParams(form),
  }).catch((error) => {
    throw error.name === "AbortError" ? error : new Refused(0, { msg: UNREACHABLE });
  });
  succeed(sent, answer.headers.get("X-New-Token"));
  if (answer.ok) return answer;
  throw refusal(sent, answer.status, await answer.text(), answer.headers.get("Retry-After"));
}

export const get = async (path, options) => (await send("GET", path, options)).json();
export const post = async (path, options) => (await send("POST", path, options)).json();

// As `post`, for a file: only XMLHttpRequest tells how much of it has left. `progress` hears 0 to 1;
// `signal` ends it.
export function upload(path, fields, progress, signal) {
  const sent = token();
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value != null) form.append(name, value);
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onabort = () => fail(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    request.onerror = () => fail(new Refused(0, { msg: UNREACHABLE }));
    request.onload = () => {
      const { status, responseText } = request;
      succeed(sent, request.getResponseHeader("X-New-Token"));
      if (status < 300) done(JSON.parse(responseText));
      else fail(refusal(sent, status, responseText, request.getResponseHeader("Retry-After")));
    };
    request.open("POST", `/api${path}`);
    request.setRequestHeader("Authorization", `Bearer ${sent}`);
    request.send(form);
  });
}

const JSON_BODY = { "Content-Type": "application/json" };

function refusal(sent, status, text, retryAfter) {
  const refused = new Refused(status, parsed(text), retryAfter);
  if (sent && (status === 401 || refused.more.code === "malformed_token")) {
    end(sent, ENDED[refused.more.code] ?? refused.message);
  }
  return refused;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // a proxy's page, not ours
  }
}
