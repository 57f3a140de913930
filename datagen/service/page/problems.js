// What is wrong, in the service's words, beside the field at fault.

import { at, element } from "./elements.js";

// The control that shows a field at fault, by how the field's path begins; the first that fits.
const CONTROL_OF = [
  ["n", "n"],
  ["name", "name"],
  ["count", "count"],
  ["sprites", "property"],
  ["spec.frames", "frames"],
  ["spec.height", "size"],
  ["spec.width", "size"],
  ["spec.seed", "seed"],
  ["spec.noise.gaussian", "gaussian"],
  ["spec.noise.white", "white"],
  ["spec.noise.perlin", "perlin"],
  ["spec.noise", "ratio"],
  ["spec.objects", "shapes"],
  ["spec.property.kind", "property"],
  ["spec.property", "speed"],
];
const STATUSES = ["status", "render-status"];

// Show an error beside its field, or else in a line of status.
export function fail(error, status) {
  clear();
  if (error.status === 401) {
    at("key-form").hidden = false;
    at("key").focus();
  }
  at("retry").hidden = error.status !== 0;
  const id = controlOf(error.field);
  if (id) {
    beside(at(id), error.message);
    return;
  }
  at(status).className = "wrong";
  at(status).textContent = error.message;
}

export function clear() {
  for (const message of document.querySelectorAll("p.wrong[role=alert]")) message.remove();
  for (const control of document.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
  for (const status of STATUSES.map(at)) {
    if (status.className === "wrong") status.textContent = "";
    status.className = "";
  }
  at("retry").hidden = true;
}

function controlOf(field = "") {
  const found = CONTROL_OF.find(([path]) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`));
  return found?.[1];
}

function beside(control, text) {
  const message = element("p", "wrong", text);
  message.id = `${control.id}-wrong`;
  message.setAttribute("role", "alert");
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", message.id);
  (control.tagName === "FIELDSET" ? control : control.parentElement).append(message);
}
