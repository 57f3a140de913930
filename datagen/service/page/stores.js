// Finished stores: what is in them, and their addresses.

import { json } from "./api.js";
import { Copyable, at, element } from "./elements.js";

export async function listStores() {
  const found = await json("GET", "/v1/stores");
  at("stores").replaceChildren(...(found.length ? found.map(item) : [element("li", "hint", "None is finished yet.")]));
}

function item(store) {
  const made = element("li");
  const words = `${store.n.toLocaleString("en")} sequences, ${size(store.bytes)}: ${store.arrays.join(", ")}`;
  made.append(new Copyable("h3", store.name, `${location.origin}${store.zarr}`).block, element("span", "numbers", words));
  return made;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** step).toPrecision(3)} ${units[step]}`;
}
