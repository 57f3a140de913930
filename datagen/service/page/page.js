// The page: controls to picture, commands and renders.

import { Problem, ask, hasKey, json, useKey } from "./api.js";
import { Copyable, at, element } from "./elements.js";
import { clear, fail } from "./problems.js";
import { listRenders, start } from "./renders.js";
import { Defaults, MOTIONS, commandsFor, specOf, speedInWords } from "./spec.js";
import { listStores } from "./stores.js";

const WAIT_MS = 120; // a hand on a slider asks for less than ten pictures a second
const NUMBERS = ["speed", "ratio", "gaussian", "white", "perlin", "size", "frames", "seed", "count"];

const controls = at("controls");
const commands = new Map();
let defaults = null;
let shown = ""; // the property that the controls are for
let paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
let drawing = new AbortController();
let timer = 0;

begin();

function begin() {
  labelPause();
  onSubmit("key-form", () => {
    useKey(at("key").value);
    at("key-form").hidden = true;
    void refresh();
  });
  at("retry").addEventListener("click", () => void refresh());
  void refresh();
}

// Everything anew: at the start, with a new key, and when the service is back.
async function refresh() {
  try {
    if (!defaults) await describe();
    changed();
    await Promise.all([listRenders(), listStores()]);
  } catch (error) {
    fail(error, "status");
  }
}

// What can be chosen, and every default, is what the service says of itself.
async function describe() {
  const [description, presets] = await Promise.all([json("GET", "/openapi.json"), json("GET", "/page/presets.json")]);
  const found = new Defaults(description.components.schemas, presets);
  const names = [...MOTIONS, "mixed", ...Object.keys(presets)];
  at("property").replaceChildren(...names.map((name) => new Option(name, name)));
  at("shapes").append(...found.of("Objects", "kinds").map(choiceOf));
  defaults = found;
  restore();
  listen();
}

function choiceOf(kind) {
  const label = element("label", "choice");
  const box = Object.assign(element("input"), { type: "checkbox", name: "kind", value: kind, defaultChecked: true });
  label.append(box, ` ${kind}`);
  return label;
}

function listen() {
  controls.addEventListener("input", changed);
  onSubmit("controls", () => {});
  onSubmit("render-form", () => void startRender());
  at("pause").addEventListener("click", () => {
    paused = !paused;
    labelPause();
    void draw();
  });
  addEventListener("hashchange", () => {
    restore();
    changed();
  });
}

function onSubmit(id, action) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

function changed() {
  const { property } = values();
  if (property !== shown) {
    if (defaults.ratio(property) !== defaults.ratio(shown)) at("ratio").value = defaults.ratio(property);
    fitTo(property);
  }
  const asked = values();
  for (const name of ["ratio", "gaussian", "white", "perlin"]) at(`${name}-text`).textContent = asked[name];
  at("speed-text").textContent = speedInWords(asked, defaults);
  at("speed").setAttribute("aria-valuetext", at("speed-text").textContent);
  history.replaceState(null, "", `#${new URLSearchParams(new FormData(controls))}`);
  showCommands(asked);
  clearTimeout(timer);
  timer = setTimeout(() => void draw(), WAIT_MS);
}

// A preset has speeds and shapes of its own.
function fitTo(property) {
  at("speed").disabled = at("shapes").disabled = property in defaults.presets;
  shown = property;
}

// Set the controls as a link says; what it does not say is as at the start.
function restore() {
  const given = new URLSearchParams(location.hash.slice(1));
  controls.reset();
  if (given.has("property")) at("property").value = given.get("property");
  at("ratio").value = defaults.ratio(at("property").value);
  for (const control of controls.elements) {
    if (!given.has(control.name)) continue;
    if (control.type === "checkbox") control.checked = given.getAll(control.name).includes(control.value);
    else control.value = given.get(control.name);
  }
  fitTo(at("property").value);
}

// What the controls say; an empty number is NaN, which is null to the service, and refused with the field's name.
function values() {
  const ticked = (name) => [...controls.querySelectorAll(`[name=${name}]:checked`)].map((box) => box.value);
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, at(name).valueAsNumber]));
  return { property: at("property").value, kinds: ticked("kind"), overlay: ticked("overlay"), ...numbers };
}

async function draw() {
  drawing.abort();
  drawing = new AbortController();
  const { signal } = drawing;
  const asked = values();
  try {
    const body = { spec: exactSpecOf(asked), count: asked.count, overlay: asked.overlay };
    const reply = await ask("POST", "/v1/sequences", { body, accept: paused ? "image/png" : "image/webp", signal });
    const picture = await reply.blob();
    if (!signal.aborted) showPicture(picture, asked);
  } catch (error) {
    if (!signal.aborted) fail(error, "status");
  }
}

// Beyond 2**53 a number of this language is not the one that was typed.
function exactSpecOf(asked) {
  if (Math.abs(asked.seed) > Number.MAX_SAFE_INTEGER) {
    throw new Problem(422, `seed is too large for this page; give at most ${Number.MAX_SAFE_INTEGER}`, "spec.seed");
  }
  return specOf(asked, defaults);
}

function showPicture(picture, asked) {
  clear();
  URL.revokeObjectURL(at("picture").src);
  at("picture").src = URL.createObjectURL(picture);
  at("picture").className = paused ? "sheet" : "";
  const over = asked.overlay.length ? `, with ${asked.overlay.join(" and ")} drawn over them` : "";
  at("picture").alt = `${asked.count} of ${asked.property}: ${asked.frames} frames of ${asked.size} × ${asked.size} px${over}`;
  at("status").textContent = "";
}

function labelPause() {
  at("pause").textContent = paused ? "Play" : "Pause";
}

function showCommands(asked) {
  for (const [title, text] of Object.entries(commandsFor(asked, defaults, location.origin, hasKey()))) {
    if (!commands.has(title)) {
      commands.set(title, new Copyable("h3", title));
      at("commands").append(commands.get(title).block);
    }
    commands.get(title).show(text);
  }
}

async function startRender() {
  clear();
  try {
    const job = await start({ spec: exactSpecOf(values()), n: at("n").valueAsNumber, name: at("name").value || null });
    at("render-status").textContent = `${job.id} is ${job.state}.`;
  } catch (error) {
    fail(error, "render-status");
  }
}
