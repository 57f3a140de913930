// Renders: started, followed, cancelled.

import { ask, events, json } from "./api.js";
import { at, button, element } from "./elements.js";
import { listStores } from "./stores.js";

const RETRY_MS = 1000;
const STREAMS = 2; // of events: a browser has six connections to a host, and the picture needs one
const OVER = new Set(["finished", "failed", "cancelled"]);
const jobs = new Map(); // as they were last heard of, by id, the newest last
const followed = new Set();

export async function listRenders() {
  for (const job of await json("GET", "/v1/renders")) hear(job);
  followMore();
}

export async function start(asked) {
  const job = await json("POST", "/v1/renders", asked);
  hear(job);
  followMore();
  if (OVER.has(job.state)) await listStores();
  return job;
}

function hear(job) {
  jobs.set(job.id, job);
  const item = itemOf(job.id);
  const bar = item.querySelector("progress");
  bar.max = job.n;
  bar.value = job.done;
  item.dataset.state = job.state;
  say(job.id, inWords(job));
  item.querySelector("button").hidden = OVER.has(job.state);
}

// Those that run come first; the others do not change by themselves.
function followMore() {
  const open = [...jobs.values()].filter((job) => !OVER.has(job.state) && !followed.has(job.id));
  open.sort((one, other) => (other.state === "running") - (one.state === "running"));
  for (const job of open.slice(0, Math.max(STREAMS - followed.size, 0))) void follow(job.id);
}

// The service may restart meanwhile: its jobs outlive it.
async function follow(id) {
  followed.add(id);
  while (jobs.has(id) && !OVER.has(jobs.get(id).state)) {
    try {
      for await (const job of events(`/v1/renders/${encodeURIComponent(id)}/events`)) hear(job);
    } catch (error) {
      say(id, error.message);
      if (error.status >= 400 && error.status < 500 && error.status !== 429) jobs.delete(id);
    }
    if (!OVER.has(jobs.get(id)?.state)) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  followed.delete(id);
  if (jobs.has(id)) at("render-status").textContent = `${id} is ${jobs.get(id).state}.`;
  await Promise.all([listRenders(), listStores()]).catch(() => followMore());
}

async function cancel(id) {
  try {
    hear(await (await ask("DELETE", `/v1/renders/${encodeURIComponent(id)}`)).json());
  } catch (error) {
    say(id, error.message);
  }
}

function itemOf(id) {
  return [...at("renders").children].find((each) => each.dataset.id === id) ?? newItem(id);
}

function newItem(id) {
  const item = element("li");
  item.dataset.id = id;
  const bar = element("progress");
  bar.setAttribute("aria-label", `Progress of ${id}`);
  const head = element("div", "head");
  head.append(element("h3", "", id), button("Cancel", id, () => void cancel(id)));
  item.append(head, bar, element("span", "numbers"));
  at("renders").prepend(item);
  return item;
}

function say(id, text) {
  itemOf(id).querySelector(".numbers").textContent = text;
}

function inWords(job) {
  const parts = [`${job.state}: ${job.done.toLocaleString("en")} of ${job.n.toLocaleString("en")} sequences`];
  if (job.rate) parts.push(`${Number(job.rate.toPrecision(3)).toLocaleString("en")}/s`);
  if (typeof job.seconds_left === "number") parts.push(`${duration(job.seconds_left)} left`);
  if (job.reason) parts.push(job.reason);
  return parts.join(", ");
}

function duration(seconds) {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}
