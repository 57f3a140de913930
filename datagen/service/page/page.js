// The page: controls to picture, commands and renders.

import { ask, hasKey, json, useKey } from "./api.js";
import * as renders from "./renders.js";
import { commandsFor, specOf } from "./spec.js";

const WAIT_MS = 120;
const NUMBERS = ["speed", "ratio", "gaussian", "white", "perlin", "size", "frames", "seed", "count"];
// The control that shows a field at fault, by how the field's path begins; the first that fits.
const CONTROL_OF = [
  ["n", "n"],
  ["name", "name"],
  ["count", "count"],
  ["spec.frames", "frames"],
  ["spec.height", "size"],
  ["spec.width", "size"],
  ["spec.seed", "seed"],
  ["spec.noise.gaussian", "gaussian"],
  ["spec.noise.white", "white"],
  ["spec.noise.perlin", "perlin"],
  ["spec.noise", "ratio"],
  ["spec.objects", "shapes"],
  ["spec.property", "speed"],
];

const at = (id) => document.getElementById(id);
const controls = at("controls");
let schemas = null;
let paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
let drawing = new AbortController();
let timer = 0;

void begin();

async function begin() {
  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(at("key").value);
    at("key-form").hidden = true;
    void refresh();
  });
  controls.addEventListener("input", changed);
  controls.addEventListener("submit", (event) => event.preventDefault());
  at("pause").addEventListener("click", () => {
    paused = !paused;
    void draw();
  });
  at("retry").addEventListener("click", () => void refresh());
  at("render-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void startRender();
  });
  await refresh();
}

// Everything anew: at the start, with a new key, and when the service is back.
async function refresh() {
  try {
    if (!schemas) await describe();
    changed();
    await renders.list(at("renders"), at("stores"));
  } catch (error) {
    fail(error, at("status"));
  }
}

// What can be chosen, and every default, is what the service says of itself.
async function describe() {
  schemas = (await json("GET", "/openapi.json")).components.schemas;
  const kinds = ["translation", "rotation", "intensity", "mixed"];
  at("property").replaceChildren(...kinds.map((kind) => new Option(kind, kind)));
  for (const kind of schemas.Objects.properties.kinds.default) {
    const label = document.createElement("label");
    label.className = "choice";
    const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "kind", value: kind, checked: true });
    label.append(box, ` ${kind}`);
    at("shapes").append(label);
  }
  restore();
}

function changed() {
  for (const name of ["speed", "ratio", "gaussian", "white", "perlin"]) {
    at(`${name}-text`).textContent = name === "speed" ? `${at(name).value} % of the paper's` : at(name).value;
  }
  history.replaceState(null, "", `#${new URLSearchParams(new FormData(controls))}`);
  showCommands();
  clearTimeout(timer);
  timer = setTimeout(() => void draw(), WAIT_MS);
}

function restore() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (![...given.keys()].length) return;
  for (const control of controls.elements) {
    if (control.type === "checkbox") control.checked = given.getAll(control.name).includes(control.value);
    else if (control.name && given.has(control.name)) control.value = given.get(control.name);
  }
}

function values() {
  const form = new FormData(controls);
  const numbers = NUMBERS.map((name) => [name, Number(form.get(name))]);
  return { property: form.get("property"), kinds: form.getAll("kind"), overlay: form.getAll("overlay"), ...Object.fromEntries(numbers) };
}

async function draw() {
  drawing.abort();
  drawing = new AbortController();
  const { signal } = drawing;
  const asked = values();
  const body = { spec: specOf(asked, schemas), count: asked.count, overlay: asked.overlay };
  try {
    const reply = await ask("POST", "/v1/sequences", { body, accept: paused ? "image/png" : "image/webp", signal });
    const picture = await reply.blob();
    if (signal.aborted) return;
    clear();
    showPicture(picture, asked);
  } catch (error) {
    if (error.name !== "AbortError") fail(error, at("status"));
  }
}

function showPicture(picture, asked) {
  URL.revokeObjectURL(at("picture").src);
  at("picture").src = URL.createObjectURL(picture);
  at("picture").className = paused ? "sheet" : "";
  at("picture").alt = `${asked.count} of ${asked.property}, ${asked.frames} frames of ${asked.size} x ${asked.size} px`;
  at("pause").textContent = paused ? "Play" : "Pause: all frames side by side";
  at("pause").setAttribute("aria-pressed", String(paused));
  at("status").textContent = "";
}

function showCommands() {
  const asked = values();
  const texts = commandsFor(asked, specOf(asked, schemas), location.origin, hasKey());
  at("commands").replaceChildren(...texts.map(([title, text]) => commandBlock(title, text)));
}

function commandBlock(title, text) {
  const block = Object.assign(document.createElement("div"), { className: "command" });
  const head = Object.assign(document.createElement("div"), { className: "head" });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy ${title}`);
  button.addEventListener("click", () => void copy(title, text));
  head.append(Object.assign(document.createElement("h3"), { textContent: title }), button);
  const code = Object.assign(document.createElement("pre"), { textContent: text, tabIndex: 0 });
  code.setAttribute("aria-label", title);
  code.setAttribute("role", "region");
  block.append(head, code);
  return block;
}

async function copy(title, text) {
  try {
    await navigator.clipboard.writeText(text);
    at("copied").textContent = `${title} copied.`;
  } catch {
    at("copied").textContent = "The browser does not let this page copy; select the text instead.";
  }
}

async function startRender() {
  clear();
  const asked = { spec: specOf(values(), schemas), n: Number(at("n").value), name: at("name").value || null };
  try {
    const job = await renders.start(at("renders"), at("stores"), asked);
    at("render-status").textContent = `${job.id} is ${job.state}.`;
  } catch (error) {
    fail(error, at("render-status"));
  }
}

function fail(error, status) {
  clear();
  if (error.status === 401) {
    at("key-form").hidden = false;
    at("key").focus();
  }
  at("retry").hidden = error.status !== 0;
  const [, id] = CONTROL_OF.find(([path]) => error.field === path || error.field?.startsWith(`${path}.`) || error.field?.startsWith(`${path}[`)) ?? [];
  if (!id) {
    status.className = "wrong";
    status.textContent = error.message;
    return;
  }
  const message = Object.assign(document.createElement("p"), { className: "wrong", id: `${id}-wrong`, textContent: error.message });
  message.setAttribute("role", "alert");
  at(id).setAttribute("aria-invalid", "true");
  at(id).setAttribute("aria-describedby", message.id);
  (at(id).tagName === "FIELDSET" ? at(id) : at(id).parentElement).append(message);
}

function clear() {
  for (const message of document.querySelectorAll("p.wrong[role=alert]")) message.remove();
  for (const control of document.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
  for (const status of [at("status"), at("render-status")]) {
    if (status.className === "wrong") status.textContent = "";
    status.className = "";
  }
  at("retry").hidden = true;
}
