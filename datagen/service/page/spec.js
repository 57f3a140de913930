// From the controls to a spec, and from a spec to commands that give the same sequences elsewhere.

export const MOTIONS = ["translation", "rotation", "intensity"];
const NOISES = ["gaussian", "white", "perlin"];
const SPEEDS = {
  translation: ["speed", "acceleration", "jerk"],
  rotation: ["angular_velocity", "angular_acceleration", "angular_jerk"],
  intensity: ["growth", "decay"],
};
const AROUND_ONE = new Set(SPEEDS.intensity);

// What the service says of its specs: `schemas` are those of its description, `presets` specs by name.
export class Defaults {
  constructor(schemas, presets) {
    this.schemas = schemas;
    this.presets = presets;
  }

  of(model, field) {
    return this.schemas[model].properties[field].default;
  }

  ratio(property) {
    return this.presets[property]?.noise?.ratio ?? this.of("Noise", "ratio");
  }
}

// The fields of a spec that differ from the service's own defaults, or a preset with what differs from it.
export function specOf(values, defaults) {
  const preset = defaults.presets[values.property];
  const spec = preset ? structuredClone(preset) : { property: propertyOf(values, defaults) };
  if (!preset && values.kinds.length !== defaults.of("Objects", "kinds").length) spec.objects = { kinds: values.kinds };
  const { frames, size, seed } = values;
  for (const [name, given] of Object.entries({ frames, height: size, width: size, seed })) {
    if (given !== defaults.of("RenderSpec", name)) spec[name] = given;
  }
  const noise = changedNoise(values, defaults);
  if (Object.keys(noise).length) spec.noise = { ...spec.noise, ...noise };
  return spec;
}

// How fast that is, in words: what the slider of a property means.
export function speedInWords(values, defaults) {
  if (defaults.presets[values.property]) return "as the preset has it";
  if (!MOTIONS.includes(values.property)) return `${values.speed} % of the default`;
  const { speed, angular_velocity: turn, growth, decay } = paced(values.property, values.speed / 100, defaults);
  const between = ([low, high]) => `${Number(low.toPrecision(3))} to ${Number(high.toPrecision(3))}`;
  if (speed) return `${between(speed.map((each) => each * values.size))} px/frame`;
  if (turn) return `${between(turn)} rad/frame`;
  return `factor ${between(growth)}, or ${between(decay)}`;
}

// Texts to copy: what they are called, and themselves. `address` is that of the service.
export function commandsFor(values, defaults, address, keyed) {
  const text = JSON.stringify(specOf(values, defaults));
  return {
    "Command line": commandLine(values, defaults, text),
    curl: curl(values, text, address, keyed),
    Python: python(text, address),
  };
}

function propertyOf(values, defaults) {
  const factor = values.speed / 100;
  if (factor === 1) return values.property;
  if (values.property !== "mixed") return { kind: values.property, ...paced(values.property, factor, defaults) };
  return { kind: "mixed", ...Object.fromEntries(MOTIONS.map((motion) => [motion, paced(motion, factor, defaults)])) };
}

// A motion's ranges times a factor; growth and decay are factors themselves, of which 1 is no change.
function paced(motion, factor, defaults) {
  const model = motion[0].toUpperCase() + motion.slice(1);
  const scaled = (name, value) => rounded(AROUND_ONE.has(name) ? 1 + (value - 1) * factor : value * factor);
  return Object.fromEntries(
    SPEEDS[motion].map((name) => [name, defaults.of(model, name).map((value) => scaled(name, value))]),
  );
}

function rounded(value) {
  return Number(value.toFixed(6));
}

function changedNoise(values, defaults) {
  const noise = values.ratio === defaults.ratio(values.property) ? {} : { ratio: values.ratio };
  for (const name of NOISES) {
    if (values[name] !== defaults.of("Noise", name)) noise[name] = values[name];
  }
  return noise;
}

function commandLine(values, defaults, text) {
  const { property } = values;
  const preset = property in defaults.presets;
  const { objects, property: motion } = JSON.parse(text);
  if (!preset && (objects || typeof motion !== "string")) {
    return `echo '${text}' > spec.json\ndatagen render --spec spec.json --n 1000 --out ${property}.zarr`;
  }
  const options = [[preset ? "preset" : "property", property]];
  for (const [name, field] of [["size", "height"], ["frames", "frames"], ["seed", "seed"]]) {
    if (values[name] !== defaults.of("RenderSpec", field)) options.push([name, values[name]]);
  }
  const { ratio, ...mix } = changedNoise(values, defaults);
  if (ratio !== undefined) options.push(["noise-ratio", ratio]);
  if (Object.keys(mix).length) options.push(["noise-mix", NOISES.map((name) => `${name}=${values[name]}`).join(",")]);
  return `datagen render ${options.map(([name, value]) => `--${name} ${value}`).join(" ")} --n 1000`;
}

function curl(values, text, address, keyed) {
  const head = keyed ? ' -H "Authorization: Bearer $STMOE_TOKEN"' : "";
  const body = `{"spec": ${text}, "count": ${values.count}}`;
  return `curl -o ${values.property}.npz ${address}/v1/sequences${head} -H 'Accept: application/x-npz' --json '${body}'`;
}

function python(text, address) {
  return `import zarr
from datagen import RenderSpec
from datagen.client import Client

spec = RenderSpec.parse(${text})
with Client("${address}") as service:
    store = service.address(service.register(spec).zarr)
frames = zarr.open_group(store, mode="r")["frames"]  # rendered when it is read`;
}
