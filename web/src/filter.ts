/** The language in which trials are looked for: `state:failed loss<0.01 op:conv1=int8`. */
import type { Job, Space, Trial } from "./api";
import { accuracyValue, formatsOf, lossAt } from "./words";

type Test = (trial: Trial) => boolean;

export interface Filter {
  /** What the page can tell by itself. */
  test: Test;
  /** Operators and their formats, which the daemon has to be asked for. */
  ops: [name: string, format: string][];
  faults: string[];
}

export interface Completion {
  from: number;
  to: number;
  options: { text: string; hint: string }[];
}

const yes = (value: boolean) => (value ? "yes" : "no");

/** What is compared as text; several values behind commas are alternatives. */
const TEXTS: Record<string, { hint: string; of: (trial: Trial) => string; values?: string[]; part?: boolean }> = {
  state: { hint: "failed, told, leased ...", of: (t) => t.state, values: ["asked", "leased", "told", "failed", "pruned", "cancelled"] },
  kind: { hint: "evaluate, confirm, score ...", of: (t) => t.kind, values: ["baseline", "evaluate", "confirm", "score"] },
  stage: { hint: "of the strategy", of: (t) => t.stage ?? "" },
  source: { hint: "measured, cache, imported", of: (t) => t.source ?? "", values: ["measured", "cache", "imported"] },
  by: { hint: "who measured it", of: (t) => t.worker ?? "", part: true },
  error: { hint: "words of the error", of: (t) => t.error ?? "", part: true },
  feasible: { hint: "yes: meets the criterion", of: (t) => (meets(t) === null ? "" : yes(meets(t) === true)), values: ["yes", "no"] },
  excluded: { hint: "yes: its measurement is known to be wrong", of: (t) => yes(t.excluded !== null), values: ["yes", "no"] },
  rejected: { hint: "yes: measured again, it misses the criterion", of: (t) => yes(t.rejected !== null), values: ["yes", "no"] },
};
const ALIASES: Record<string, string> = { status: "state", worker: "by", number: "trial" };

type Numeric = (trial: Trial, job: Job) => number | null | undefined;

/** What is compared as a number; any metric can be, too. */
const NUMBERS: Record<string, { hint: string; of: Numeric }> = {
  accuracy: { hint: ">0.9", of: (t) => accuracyValue(t.accuracy) },
  loss: { hint: "<0.01 of the baseline's accuracy, or <1%", of: lossOf },
  objective: { hint: "what is made better", of: (t) => t.objective_value },
  trial: { hint: "its number", of: (t) => t.number },
  attempts: { hint: ">1: asked more than once", of: (t) => t.attempts },
  took: { hint: ">60 seconds", of: took },
};

/** By all that is known; null where it was not judged. */
export function meets(trial: Trial): boolean | null {
  return trial.rejected && trial.feasible ? false : trial.feasible;
}

export function took(trial: Trial): number | null {
  return trial.told_at === null ? null : (Date.parse(trial.told_at) - Date.parse(trial.asked_at)) / 1000;
}

export function lossOf(trial: Trial, job: Job): number | null {
  const accuracy = accuracyValue(trial.accuracy);
  const elsewhere = trial.kind === "confirm" && trial.feasible === null; // than the baseline that it would be compared with
  return accuracy === null || elsewhere ? null : lossAt(job, accuracy);
}

const COMPARE: Record<string, (a: number, b: number) => boolean> = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "=": (a, b) => a === b,
  ":": (a, b) => a === b,
};
const TERM = /(-?)(?:([A-Za-z_][\w.]*)(<=|>=|[:=<>]))?("[^"]*"?|\S*)/y;

interface Term {
  not: boolean;
  key: string;
  by: string;
  value: string;
}

function terms(text: string): Term[] {
  const found: Term[] = [];
  for (TERM.lastIndex = 0; TERM.lastIndex < text.length; ) {
    const space = /\s*/y;
    space.lastIndex = TERM.lastIndex;
    space.exec(text);
    TERM.lastIndex = space.lastIndex;
    if (TERM.lastIndex >= text.length) break;
    const [, not = "", key = "", by = "", value = ""] = TERM.exec(text) ?? [];
    found.push({ not: not === "-", key: ALIASES[key] ?? key, by, value: value.replaceAll('"', "") });
  }
  return found;
}

const everything = (t: Trial) => `${t.number} ${t.kind} ${t.stage ?? ""} ${t.state} ${t.worker ?? ""} ${t.error ?? ""} ${t.excluded?.reason ?? ""} ${t.rejected?.reason ?? ""}`.toLowerCase();

function textTest(key: string, value: string): Test {
  const { of, part } = TEXTS[key] as (typeof TEXTS)[string];
  const wanted = value.toLowerCase().split(",");
  return (trial) => {
    const has = of(trial).toLowerCase();
    return wanted.some((one) => (part ? has.includes(one) : has === one));
  };
}

function numberTest(of: Numeric, by: string, value: string, job: Job): Test | undefined {
  const wanted = value.endsWith("%") ? Number(value.slice(0, -1)) / 100 : Number(value);
  const compare = COMPARE[by];
  if (value === "" || !Number.isFinite(wanted) || compare === undefined) return undefined;
  return (trial) => {
    const has = of(trial, job);
    return typeof has === "number" && compare(has, wanted);
  };
}

const metric =
  (name: string): Numeric =>
  (trial) =>
    trial.metrics?.[name];

/** `metrics` are the names of those that some trial has. A term that is not understood is a fault and lets all through. */
export function filterOf(text: string, job: Job, space: Space | undefined, metrics: string[]): Filter {
  const filter: Filter = { test: () => true, ops: [], faults: [] };
  const tests: Test[] = [];
  for (const { not, key, by, value } of terms(text)) {
    const numeric = NUMBERS[key]?.of ?? (metrics.includes(key) ? metric(key) : undefined);
    let test: Test | undefined;
    if (key === "" && value !== "") {
      const word = value.toLowerCase();
      test = (trial) => everything(trial).includes(word);
    } else if (key === "op") {
      const at = value.lastIndexOf("=");
      const name = value.slice(0, at);
      if (at < 0 || value.endsWith("=")) filter.faults.push("an operator is looked for as op:NAME=FORMAT");
      else if (space && !space.ops.some((op) => op.name === name)) filter.faults.push(`there is no operator ${name}`);
      else if (not) filter.faults.push("-op: is not known: name the format that you want");
      else filter.ops.push([name, value.slice(at + 1)]);
    } else if (key in TEXTS && (by === ":" || by === "=")) {
      if (value !== "") test = textTest(key, value);
    } else if (key in TEXTS) {
      filter.faults.push(`${key} is compared by a colon: ${key}:${TEXTS[key]?.values?.[0] ?? "..."}`);
    } else if (numeric) {
      test = numberTest(numeric, by, value, job);
      if (!test) filter.faults.push(`${key} is compared with a number: ${key}<10`);
    } else if (key !== "") {
      filter.faults.push(`${key} is not known: ${[...Object.keys(TEXTS), ...Object.keys(NUMBERS), ...metrics, "op"].join(", ")}`);
    }
    if (test) {
      const plain = test;
      tests.push(not ? (trial) => !plain(trial) : plain);
    }
  }
  if (tests.length > 0) filter.test = (trial) => tests.every((test) => test(trial));
  return filter;
}

const MOST_OPTIONS = 12;

function valuesOf(key: string, typed: string, trials: Trial[], space: Space | undefined): string[] {
  if (key === "op") {
    const at = typed.lastIndexOf("=");
    const op = at < 0 ? undefined : space?.ops.find((one) => one.name === typed.slice(0, at));
    return op ? formatsOf(op).map((format) => `${op.name}=${format}`) : (space?.ops ?? []).map((one) => `${one.name}=`);
  }
  const text = TEXTS[key];
  if (text === undefined) return [];
  return text.values ?? [...new Set(trials.map(text.of))].filter((value) => value !== "").sort();
}

/** What may stand where the caret is. */
export function complete(text: string, caret: number, trials: Trial[], space: Space | undefined, metrics: string[]): Completion {
  const from = text.slice(0, caret).search(/\S*$/);
  const to = caret + text.slice(caret).search(/\s|$/);
  const word = text.slice(from, caret).replace(/^-/, "");
  const start = from + (text[from] === "-" ? 1 : 0);
  const split = /^([A-Za-z_][\w.]*)(:)(.*)$/.exec(word);
  let options: Completion["options"];
  if (split) {
    const [, typedKey = "", , typed = ""] = split;
    const key = ALIASES[typedKey] ?? typedKey;
    options = valuesOf(key, typed, trials, space)
      .filter((value) => value.toLowerCase().includes(typed.toLowerCase()) && value !== typed)
      .map((value) => ({ text: `${typedKey}:${/\s/.test(value) ? `"${value}"` : value}`, hint: "" }));
  } else {
    options = [
      ...Object.entries(TEXTS).map(([key, { hint }]) => ({ text: `${key}:`, hint })),
      { text: "op:", hint: "op:conv1=int8, what an operator is lowered to" },
      ...Object.entries(NUMBERS).map(([key, { hint }]) => ({ text: `${key}<`, hint })),
      ...metrics.map((key) => ({ text: `${key}<`, hint: "a metric" })),
    ].filter((option) => option.text.startsWith(word.toLowerCase()) && option.text !== word);
  }
  return { from: start, to, options: options.slice(0, MOST_OPTIONS) };
}
