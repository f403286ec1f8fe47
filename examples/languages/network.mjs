// The network of model.json with its weights rounded, layer by layer. In your evaluator this is your framework.
import { readFileSync } from "node:fs";

const { layers, images, labels } = JSON.parse(readFileSync(new URL("model.json", import.meta.url), "utf8"));

/** A config that cannot be applied: another attempt would fail as well. */
export class CannotRun extends Error {}

export const capability = {
  ops: layers.map(({ name }) => ({ name, type: "Linear" })),
  op_types: { Linear: { weight_only: { weight: { bits: [8, 4], granularity: ["per_channel"] } } } },
  metrics: ["accuracy", "model_size_bytes"],
};

function rounded(row, bits) {
  const step = Math.max(...row.map(Math.abs)) / (2 ** (bits - 1) - 1);
  return row.map((weight) => Math.floor(weight / step + 0.5) * step);
}

/** The layers as a config wants them, each with its bytes. The winner is deployed by this, too. */
export function apply({ ops }) {
  const strange = Object.keys(ops).filter((name) => !layers.some((layer) => layer.name === name));
  if (strange.length) throw new CannotRun(`there is no layer ${strange}`);
  return layers.map(({ name, weight, bias }) => {
    const { mode, weight: { bits } = {} } = ops[name] ?? {};
    if (mode === "fp32") return { weight, bias, bytes: 4 * bias.length * (weight[0].length + 1) };
    if (mode !== "weight_only" || ![8, 4].includes(bits)) throw new CannotRun(`${name} cannot be ${JSON.stringify(ops[name])}`);
    const bytes = bias.length * ((weight[0].length * bits) / 8 + 4 + 4); // with a bias and a step for each row
    return { weight: weight.map((row) => rounded(row, bits)), bias, bytes };
  });
}

const layer = (inputs, { weight, bias }) =>
  weight.map((row, r) => row.reduce((sum, factor, c) => sum + factor * Math.max(inputs[c], 0), bias[r]));

export async function measure(model) {
  let right = 0;
  for (const [i, image] of images.entries()) {
    const outputs = model.reduce(layer, image);
    right += outputs.indexOf(Math.max(...outputs)) === labels[i];
    await new Promise(setImmediate); // who asks meanwhile is told that it is busy here
  }
  return { accuracy: right / images.length, metrics: { model_size_bytes: model.reduce((sum, { bytes }) => sum + bytes, 0) } };
}
