// The server's API, version 1. Every failure is an ApiError with a code that the words have a sentence for.

const BASE = "/api/v1";
const TRIES = 4;

export class ApiError extends Error {
  /**
   * @param {number} status 0: no answer at all
   * @param {string} code see docs/api.md; `offline` and `cancelled` are the page's own
   * @param {string} message what the server said, in English
   */
  constructor(status, code, message, wait = 0) {
    super(message);
    Object.assign(this, { status, code, wait });
  }
}

/** Return an address of the API. */
export function address(path, query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const words = new URLSearchParams(filled.map(([key, value]) => [key, String(value)]));
  return `${BASE}${path}${filled.length ? `?${words}` : ""}`;
}

/**
 * Ask and return the JSON that comes, or null where nothing does.
 * A server that is busy is asked again after the time that it names.
 */
export async function ask(method, path, { query, body, signal, raw = false } = {}) {
  for (let tries = 1; ; tries += 1) {
    try {
      const answer = await once(method, address(path, query), body, signal);
      if (raw) return await answer.blob();
      return answer.status === 204 ? null : await answer.json();
    } catch (error) {
      if (!(isBusy(error) && tries < TRIES)) throw error;
      await pause(error.wait);
    }
  }
}

export const get = (path, query, signal) => ask("GET", path, { query, signal });

/** What the server allows and offers; asked once. */
let asked = null;
export function config() {
  asked ??= get("/config").catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

async function once(method, url, body, signal) {
  const sent = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  let answer;
  try {
    answer = await fetch(url, { method, signal, ...sent });
  } catch (error) {
    throw error.name === "AbortError" ? new ApiError(0, "cancelled", "") : offline();
  }
  tell(true);
  if (answer.ok) return answer;
  throw problem(answer.status, await answer.text(), answer.headers.get("Retry-After"));
}

/**
 * Send a file as it is.
 * @param {string} path
 * @param {Blob} file
 * @param {{query: object, onprogress: (share: number) => void, signal: AbortSignal}} options
 */
export async function send(path, file, { query, onprogress = () => {}, signal } = {}) {
  const { limits } = await config();
  const most = path === "/photos" ? limits.upload_bytes : limits.model_bytes;
  if (file.size > most) { // the server would break the connection off, which tells nobody why
    throw new ApiError(413, "too_large", `the file has ${mega(file.size)} MB, ${mega(most)} MB are allowed: send a smaller one`);
  }
  for (let tries = 1; ; tries += 1) {
    try {
      return await sentOnce(address(path, query), file, onprogress, signal);
    } catch (error) {
      if (!(isBusy(error) && tries < TRIES)) throw error;
      await pause(error.wait);
    }
  }
}

const mega = (bytes) => (bytes / 1e6).toPrecision(3);

function sentOnce(url, file, onprogress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells no progress of what it sends
    request.open("POST", url);
    request.upload.onprogress = (event) => { if (event.lengthComputable) onprogress(event.loaded / event.total); };
    request.onload = () => {
      tell(true);
      if (request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(problem(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(offline());
    request.onabort = () => reject(new ApiError(0, "cancelled", ""));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

function problem(status, text, wait) {
  if (status === 401) signIn();
  try {
    const { code, message } = JSON.parse(text).error;
    return new ApiError(status, code, message, Number(wait) || 0);
  } catch {
    return new ApiError(status, "failed", text.slice(0, 200), Number(wait) || 0);
  }
}

function signIn() {
  sessionStorage.setItem("cafepick.place", location.hash); // the way back after signing in
  location.assign(`/login?next=/&lang=${document.documentElement.lang}`);
}

function offline() {
  tell(false);
  return new ApiError(0, "offline", "the server does not answer");
}

const listeners = [];

/** Be told whether the server answers. */
export const onReach = (listener) => listeners.push(listener);

export function tell(reached) {
  for (const listener of listeners) listener(reached);
}

const isBusy = (error) => error instanceof ApiError && (error.status === 503 || error.status === 429);

export const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * Math.min(seconds || 1, 20)); });
