// From the controls to a spec, and from a spec to commands that give the same sequences elsewhere.

const MOTIONS = ["translation", "rotation", "intensity"];
const AROUND_ONE = new Set(["growth", "decay"]);
const SPEEDS = {
  translation: ["speed", "acceleration", "jerk"],
  rotation: ["angular_velocity", "angular_acceleration", "angular_jerk"],
  intensity: ["growth", "decay"],
};

// The fields of a spec that differ from the service's own defaults, which its description tells.
export function specOf(values, schemas) {
  const spec = { property: propertyOf(values, schemas) };
  if (values.kinds.length !== defaultOf(schemas, "Objects", "kinds").length) spec.objects = { kinds: values.kinds };
  for (const [name, given] of [["frames", values.frames], ["height", values.size], ["width", values.size], ["seed", values.seed]]) {
    if (given !== defaultOf(schemas, "RenderSpec", name)) spec[name] = given;
  }
  const noise = {};
  for (const name of ["ratio", "gaussian", "white", "perlin"]) {
    if (values[name] !== defaultOf(schemas, "Noise", name)) noise[name] = values[name];
  }
  if (Object.keys(noise).length) spec.noise = noise;
  return spec;
}

// Texts to copy: what they are called, and themselves. `address` is that of the service.
export function commandsFor(values, spec, address, keyed) {
  const text = JSON.stringify(spec);
  const head = keyed ? ` -H "Authorization: Bearer $STMOE_TOKEN"` : "";
  return [
    ["Command line", commandLine(values, spec, text)],
    ["curl", `curl -o ${values.property}.npz ${address}/v1/sequences${head} -H 'Accept: application/x-npz' --json '{"spec": ${text}, "count": ${values.count}}'`],
    ["Python", python(text, address)],
  ];
}

function propertyOf(values, schemas) {
  const factor = values.speed / 100;
  if (factor === 1) return values.property;
  if (values.property !== "mixed") return { kind: values.property, ...paced(values.property, factor, schemas) };
  return { kind: "mixed", ...Object.fromEntries(MOTIONS.map((motion) => [motion, paced(motion, factor, schemas)])) };
}

// A motion's ranges times a factor; growth and decay are factors themselves, of which 1 is no change.
function paced(motion, factor, schemas) {
  const schema = motion[0].toUpperCase() + motion.slice(1);
  const scaled = (name, value) => rounded(AROUND_ONE.has(name) ? 1 + (value - 1) * factor : value * factor);
  return Object.fromEntries(
    SPEEDS[motion].map((name) => [name, defaultOf(schemas, schema, name).map((value) => scaled(name, value))]),
  );
}

function defaultOf(schemas, model, field) {
  return schemas[model].properties[field].default;
}

function rounded(value) {
  return Number(value.toFixed(6));
}

function commandLine(values, spec, text) {
  if (spec.objects || typeof spec.property !== "string") {
    return `echo '${text}' > spec.json\ndatagen render --spec spec.json --n 1000 --out ${values.property}.zarr`;
  }
  const options = [["property", values.property]];
  if (spec.height) options.push(["size", values.size]);
  if (spec.frames) options.push(["frames", values.frames]);
  if (spec.seed) options.push(["seed", values.seed]);
  if (spec.noise?.ratio !== undefined) options.push(["noise-ratio", values.ratio]);
  if (["gaussian", "white", "perlin"].some((name) => spec.noise?.[name] !== undefined)) {
    options.push(["noise-mix", `gaussian=${values.gaussian},white=${values.white},perlin=${values.perlin}`]);
  }
  return `datagen render ${options.map(([name, value]) => `--${name} ${value}`).join(" ")} --n 1000`;
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
