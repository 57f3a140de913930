// Renders and stores: started, followed, cancelled, listed.

import { Problem, ask, events, json } from "./api.js";

const RETRY_MS = 1000;
const OVER = new Set(["finished", "failed", "cancelled"]);
const followed = new Set();

export async function list(renders, stores) {
  for (const job of await json("GET", "/v1/renders")) show(renders, job, stores);
  await listStores(stores);
}

export async function start(renders, stores, asked) {
  const job = await json("POST", "/v1/renders", asked);
  show(renders, job, stores);
  return job;
}

async function listStores(stores) {
  const found = await json("GET", "/v1/stores");
  stores.replaceChildren(...(found.length ? found.map(storeItem) : [element("li", "hint", "None is finished yet.")]));
}

function show(renders, job, stores) {
  const item = [...renders.children].find((each) => each.dataset.id === job.id) ?? renderItem(job.id);
  if (!item.isConnected) renders.prepend(item);
  update(item, job);
  if (!OVER.has(job.state) && !followed.has(job.id)) void follow(item, job.id, stores);
}

// The service may restart meanwhile: its jobs outlive it.
async function follow(item, id, stores) {
  followed.add(id);
  for (let over = false; !over; ) {
    try {
      for await (const job of events(`/v1/renders/${id}/events`)) {
        update(item, job);
        over = OVER.has(job.state);
      }
    } catch (error) {
      if (error instanceof Problem && error.status >= 400) over = true;
      item.querySelector(".numbers").textContent = error.message;
    }
    if (!over) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  followed.delete(id);
  await listStores(stores).catch(() => {});
}

function renderItem(id) {
  const item = element("li");
  item.dataset.id = id;
  const bar = element("progress");
  bar.setAttribute("aria-label", `Progress of ${id}`);
  const cancel = element("button", "", "Cancel");
  cancel.type = "button";
  cancel.setAttribute("aria-label", `Cancel ${id}`);
  cancel.addEventListener("click", () => {
    ask("DELETE", `/v1/renders/${id}`).catch((error) => {
      item.querySelector(".numbers").textContent = error.message;
    });
  });
  const head = element("div", "head");
  head.append(element("h3", "name", id), cancel);
  item.append(head, bar, element("span", "numbers"));
  return item;
}

function update(item, job) {
  const bar = item.querySelector("progress");
  bar.max = job.n;
  bar.value = job.done;
  item.dataset.state = job.state;
  const parts = [`${job.state}: ${job.done.toLocaleString("en")} of ${job.n.toLocaleString("en")} sequences`];
  if (job.rate) parts.push(`${Math.round(job.rate).toLocaleString("en")}/s`);
  if (job.seconds_left !== null && job.seconds_left !== undefined) parts.push(`${Math.ceil(job.seconds_left)} s left`);
  if (job.reason) parts.push(job.reason);
  item.querySelector(".numbers").textContent = parts.join(", ");
  item.querySelector("button").hidden = OVER.has(job.state);
}

function storeItem(store) {
  const item = element("li");
  const head = element("div", "head");
  head.append(element("h3", "name", store.name), element("span", "numbers", `${store.n.toLocaleString("en")} sequences, ${size(store.bytes)}`));
  item.append(head, element("span", "numbers", store.arrays.join(", ")), element("pre", "", `${location.origin}${store.zarr}`));
  item.lastChild.tabIndex = 0;
  return item;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** step).toPrecision(3)} ${units[step]}`;
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
