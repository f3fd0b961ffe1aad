// Requests to the server that this page came from, and the event stream of a run.

const TOKEN = "fastclipgen token";
const PAUSE = 1000; // ms before a lost stream is asked for again

export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export const setToken = (token) => sessionStorage.setItem(TOKEN, token);

async function ask(path, options = {}) {
  const headers = { "X-Client": "studio", ...options.headers };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "no answer from the server; is it running?");
  }
  if (answer.ok || answer.status === 304) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, told.error ?? `the server answered ${answer.status}`);
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function send(method, path, body) {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  const answer = await ask(path, { method, ...json });
  return answer.status === 204 ? null : answer.json();
}

// A file as {blob, tag, headers}; null if the one with the tag `known` is still the newest.
export async function file(path, known = null) {
  const answer = await ask(path, known ? { headers: { "If-None-Match": known } } : {});
  if (answer.status === 304) return null;
  return { blob: await answer.blob(), tag: answer.headers.get("ETag"), headers: answer.headers };
}

// Calls heard(kind, data) for whatever happens to a run until it is over or `signal` is aborted, over lost connections
// and new servers. lost(true) when the connection breaks, lost(false) when there is one.
export async function follow(id, heard, signal, lost) {
  let last = null;
  while (!signal.aborted) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const answer = await ask(`/api/runs/${id}/events`, { headers, signal });
      if (answer.status === 204) return;
      lost(false);
      for await (const event of eventsOf(answer.body)) {
        last = event.id;
        heard(event.event, JSON.parse(event.data));
        if (last === "over") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && ![0, 429, 503].includes(error.status)) throw error;
      lost(true);
    }
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

// The events of a stream of bytes, each with id, event and data.
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = {};
      for (const line of block.split("\n")) {
        const colon = line.indexOf(": ");
        if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
      }
      if (fields.data !== undefined) yield fields;
    }
  }
}
