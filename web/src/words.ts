/** Numbers, times and configs in words. */
import { type Accuracy, type Best, FINAL, type Job, type OpConfig, type Space } from "./api";

const NONE = "–";
/** Of a difference of two accuracies what is smaller comes of how numbers are stored. */
const ROUNDING = 1e-12;

export function number(value: number | null | undefined, digits = 4): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return NONE;
  return String(Number(value.toPrecision(digits)));
}

export function percent(share: number | null | undefined, digits = 3): string {
  return typeof share === "number" ? `${number(100 * share, digits)} %` : NONE;
}

export function accuracyValue(accuracy: Accuracy): number | null {
  if (accuracy !== null && typeof accuracy === "object") return Object.values(accuracy)[0] ?? null;
  return accuracy;
}

export function accuracyText(accuracy: Accuracy): string {
  if (accuracy !== null && typeof accuracy === "object") {
    return Object.entries(accuracy)
      .map(([name, value]) => `${name} ${number(value)}`)
      .join(", ");
  }
  return number(accuracy, 5);
}

export function duration(seconds: number | null | undefined): string {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return NONE;
  if (seconds < 10) return `${number(seconds, 2)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${number(seconds / 3600, 2)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** How long after the beginning: "50 s", "1m30s", "2h05m". Marks of an axis are nearer to each other than durations tell apart. */
export function moment(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  if (seconds < 60) return `${number(seconds, 2)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}

/** How long it is since then. */
export function since(time: string, now: number): string {
  return duration(Math.max(0, (now - Date.parse(time)) / 1000));
}

export function ago(time: string | null | undefined, now: number): string {
  return time ? `${since(time, now)} ago` : NONE;
}

/* Made once, and not before it is wanted: it takes longer to make one than to draw a row. */
let formatter: Intl.DateTimeFormat | undefined;

export function clock(time: string | null | undefined): string {
  formatter ??= new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return time ? formatter.format(Date.parse(time)) : NONE;
}

/** Without a formatter, which takes a quarter of a millisecond: a log has many. */
export function timeOfDay(time: string): string {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

const METRICS: Record<string, string> = {
  latency_ms: "latency, ms",
  model_size_bytes: "model size, bytes",
  peak_memory_bytes: "memory, bytes",
};

/** Where the gain lies: both ends where they differ. */
export function gainText([low, high]: [number, number]): string {
  const [from, to] = [number(100 * low, 2), number(100 * high, 2)];
  return from === to ? `${from} %` : `${from} to ${to} %`;
}

/** The labels that people gave; our own clients find their jobs by others. */
export function ownLabels(job: Job): [string, string][] {
  return Object.entries(job.labels).filter(([key]) => !key.startsWith("narrowd-"));
}

/** What may name one metric of several: a best, or what a figure is drawn by. */
type Named = Pick<Best, "objective">;

/** What the job weighs, or the one metric of it by which `best` was chosen alone. */
function objectiveOf(job: Job, best?: Named): Job["objective"] {
  return best?.objective === undefined ? job.objective : job.objective.filter((one) => one.metric === best.objective);
}

export function objectiveName(job: Job, best?: Named): string {
  const [first, ...more] = objectiveOf(job, best);
  if (more.length > 0 || first === undefined) return "weighted objective";
  return METRICS[first.metric] ?? first.metric;
}

/** The metric beside accuracy that a job of several objectives leaves open, as `best` of another loss names it. */
export function openMetric(job: Job): { objective?: string } {
  const others = job.objective.filter((one) => one.metric !== "accuracy");
  return job.objective.length > 1 && others.length === 1 && others[0] ? { objective: others[0].metric } : {};
}

/** 1 when less of the objective is better, else -1. */
export function objectiveSign(job: Job, best?: Named): number {
  const [first, ...more] = objectiveOf(job, best);
  return more.length === 0 && first?.direction === "max" ? -1 : 1;
}

/** Whether the number of several objectives is 1 for the baseline, as far as that is known: at its end a job may weigh its trials
 * against each other instead, and by measurements that vary nobody can tell. */
function isByBaseline(job: Job): boolean {
  const { gain, objective_value: value } = job.best ?? {};
  const weights = job.objective.reduce((sum, one) => sum + one.weight, 0);
  const fits = typeof gain === "number" && typeof value === "number" && Math.abs(1 - gain / weights - value) <= 1e-6 * Math.max(1, Math.abs(value));
  return fits || !FINAL.includes(job.state);
}

/** What the number of several objectives is on the scale that it stands on; of one its name says it. */
export function weighedText(job: Job): string {
  if (job.objective.length < 2) return "";
  return isByBaseline(job) ? "less is better: the baseline is 1" : "less is better";
}

export function baselineObjective(job: Job, best?: Named): number | null {
  const [first, ...more] = objectiveOf(job, best);
  if (job.baseline === null || first === undefined) return null;
  if (more.length > 0) return isByBaseline(job) ? 1 : null;
  return first.metric === "accuracy"
    ? accuracyValue(job.baseline.accuracy)
    : (job.baseline.metrics[first.metric] ?? null);
}

/** What an operator is lowered to, as the daemon's verdict has it. */
export function format(op: OpConfig): string {
  if (["fp32", "fp16", "bf16"].includes(op.mode)) return op.mode;
  const weight = op["weight"] as { dtype?: string } | undefined;
  const activation = op["activation"] as { dtype?: string } | undefined;
  return weight?.dtype ?? activation?.dtype ?? op.mode;
}

/** Every format that an operator of the space can be lowered to. */
export function formatsOf(op: Space["ops"][number]): string[] {
  const found = Object.entries(op.modes).flatMap(([mode, sides]) => {
    const { weight, activation } = sides as Record<string, { dtype?: string[] } | undefined>;
    return ["fp32", "fp16", "bf16"].includes(mode) ? [mode] : (weight?.dtype ?? activation?.dtype ?? [mode]);
  });
  return [...new Set(found)];
}

/** In what a choice differs from another: "fp32 instead of static", "activation scheme sym instead of asym". */
export function changed(op: OpConfig, from: OpConfig): string {
  if (op.mode !== from.mode) return `${op.mode} instead of ${from.mode}`;
  const parts: string[] = [];
  for (const side of ["weight", "activation"]) {
    const old = (from[side] ?? {}) as Record<string, unknown>;
    for (const [name, value] of Object.entries((op[side] ?? {}) as Record<string, unknown>)) {
      if (value !== old[name]) parts.push(`${side} ${name} ${String(value)} instead of ${String(old[name])}`);
    }
  }
  return parts.join(", ");
}

/** Seconds for all trials that are left, by the mean time of a question so far; the end game is not going to ask them. */
export function left(job: Job): number | null {
  const { max_trials, trials_measured, timeout, elapsed_s } = job.budget;
  const done = trials_measured + job.progress.failed;
  const asked = done + (job.baseline === null ? 0 : 1);
  const known = trials_measured > 0 && job.progress.stage !== "confirm";
  const byTrials = known ? ((max_trials - done) * job.clock.active_s) / asked : null;
  const byTime = timeout > 0 ? Math.max(0, timeout - elapsed_s) : null;
  if (byTrials === null || byTime === null) return byTrials ?? byTime;
  return Math.min(byTrials, byTime);
}

/** The accuracy that a loss leaves, by the criterion of the job; the inverse of lossAt. */
export function boundAt(job: Job, loss: number): number | null {
  const base = job.baseline === null ? null : accuracyValue(job.baseline.accuracy);
  if (base === null) return null;
  const drop = job.criterion.criterion === "absolute" ? loss : loss * Math.abs(base);
  return job.criterion.higher_is_better ? base - drop : base + drop;
}

/** A loss, or 0 for what is none but by rounding. */
function withoutRounding(loss: number): number {
  return Math.abs(loss) < ROUNDING ? 0 : loss;
}

export function lossAt(job: Job, accuracy: number): number | null {
  const base = job.baseline === null ? null : accuracyValue(job.baseline.accuracy);
  if (base === null) return null;
  const drop = job.criterion.higher_is_better ? base - accuracy : accuracy - base;
  return withoutRounding(job.criterion.criterion === "absolute" ? drop : drop / Math.abs(base));
}

/** Where a best config lies among the trials: what was measured again, or on other data, by what it loses there. */
export function bestAccuracy(job: Job, best: Best): number | null {
  const plain = typeof best.accuracy === "number" && typeof best.accuracy_loss === "number";
  return plain ? boundAt(job, best.accuracy_loss as number) : accuracyValue(best.accuracy);
}

export function stageName(stage: string): string {
  return stage.replaceAll("_", " ");
}

/** What is tried in a stage, with its name: of a strategy from elsewhere that alone. */
export function stageText(stage: string, words: string | undefined): string {
  return words === undefined ? stageName(stage) : `${stageName(stage)}: ${words}`;
}

export function lossText(job: Job, loss: number | null | undefined): string {
  const told = typeof loss === "number" ? withoutRounding(loss) : loss;
  return job.criterion.criterion === "absolute" ? number(told, 3) : percent(told);
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
