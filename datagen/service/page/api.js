// The service as this page sees it: replies, problems, keys, streams of events.

let key = "";

export function useKey(text) {
  key = text;
}

export function hasKey() {
  return key !== "";
}

// What the service refuses: its words, and the field at fault. Status 0 is no answer at all.
export class Problem extends Error {
  constructor(status, detail, field = "") {
    super(detail);
    this.status = status;
    this.field = field ?? "";
  }
}

export async function ask(method, path, { body, accept, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (accept) headers.Accept = accept;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const reply = await answered(fetch(path, { method, headers, signal, body: body && JSON.stringify(body) }));
  if (reply.ok) return reply;
  const said = await reply.json().catch(() => ({}));
  throw new Problem(reply.status, said.detail ?? `The service answers ${reply.status}.`, said.field);
}

export async function json(method, path, body) {
  return (await ask(method, path, { body })).json();
}

// EventSource can send no key, hence this reader of server-sent events: the data of each, parsed.
export async function* events(path) {
  const reply = await ask("GET", path, { accept: "text/event-stream" });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await answered(reader.read());
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) yield JSON.parse(line.slice("data:".length));
    }
  }
}

async function answered(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The service does not answer.");
  }
}
