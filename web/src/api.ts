/** What the daemon's API says, and how it is asked. */
import { useEffect, useRef, useState } from "preact/hooks";

export type Accuracy = number | Record<string, number> | null;
export interface Problem {
  status: number;
  title: string;
  detail: string;
  errors?: { pointer: string; detail: string }[];
}
export interface Best {
  trial: number;
  feasible: boolean;
  accuracy: Accuracy;
  accuracy_loss?: number | null;
  objective_value: number | null;
  /** The metric that `objective_value` is of, where it is not what the job weighs: of what if, in a job that leaves the loss open. */
  objective?: string;
  speedup?: number | null;
  gain?: number | null;
  gain_interval?: [number, number] | null;
  measurements?: number | null;
  accuracy_range?: [number, number] | null;
  /** What it is compared with: more measurements than the job's baseline, or other data. */
  baseline?: { accuracy: Accuracy; objective_value: number | null; metrics?: Record<string, number> } | null;
  keep_baseline?: boolean;
  keep_baseline_because?: string | null;
  verdict?: string | null;
  nearest?: { misses_by: number | null } | null;
  config?: Config;
}
export interface Warning {
  /** The member of the submission that it is about. */
  pointer: string | null;
  detail: string;
}
export interface Out {
  trial: number;
  kind: string;
  since: string | null;
  worker?: string | null;
  evaluator?: string | null;
  attempt: number;
  last_error: string | null;
  next_try_at: string | null;
  /** Of the end game: which trial is measured again, 0 for the baseline, and in which round. */
  subject?: number;
  round?: number;
  seen?: number;
  total?: number;
}
export interface Job {
  id: string;
  name: string | null;
  labels: Record<string, string>;
  state: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  strategy: string;
  /** How a worker of the pool is started, where the job says so. */
  evaluator: { start?: string } | { start?: never }[];
  parallel: number;
  stop_on: string;
  budget: { max_trials: number; timeout: number; trials_measured: number; elapsed_s: number };
  clock: { active_s: number };
  progress: {
    stage: string | null;
    stage_words?: string;
    asked: number;
    told: number;
    failed: number;
    running: number;
    cached: number;
    imported?: number;
    hint: string | null;
    out: Out[];
    waiting: { reason: string; since: string | null; detail: string; evaluator: string | null } | null;
    waits_for: { trial: number; since: string; worker: string | null } | null;
  };
  criterion: {
    criterion: string;
    higher_is_better: boolean;
    tolerable_loss: number;
    bound: number | null;
  };
  min_gain: number;
  objective: { metric: string; weight: number; direction: string }[];
  baseline: { accuracy: Accuracy; metrics: Record<string, number> } | null;
  best: Best | null;
  exit: { reason: string; detail: string } | null;
  pause: { reason: string; detail: string; since: string } | null;
  warnings: Warning[];
}
export interface Trial {
  number: number;
  kind: string;
  stage: string | null;
  state: string;
  source: string | null;
  attempts: number;
  accuracy: Accuracy;
  metrics: Record<string, number> | null;
  feasible: boolean | null;
  objective_value: number | null;
  margin: number | null;
  worker: string | null;
  asked_at: string;
  told_at: string | null;
  error: string | null;
  hash: string | null;
  excluded: { reason: string } | null;
  /** Measured again, its config does not meet the criterion, whatever `feasible` says of its own measurement. */
  rejected: { reason: string } | null;
  config?: Config;
}
export type OpConfig = { mode: string; type?: string } & Record<string, unknown>;
export interface Config {
  ops: Record<string, OpConfig>;
  recipes?: Record<string, unknown>;
  calibration_sampling_size?: number;
}
export interface Point {
  trial: number;
  kind: string;
  stage: string | null;
  accuracy: Accuracy;
  objective_value: number | null;
  feasible: boolean | null;
  best?: boolean;
  front?: boolean;
  /** The metric that is open beside accuracy, where `objective_value` weighs both. */
  value?: number;
}
export interface Points {
  total: number;
  items: Point[];
}
export interface PrecisionMap {
  total: number;
  items: (Point & { formats: number[] })[];
  ops: string[];
  formats: string[];
}
export interface Spans {
  total: number;
  items: {
    trial: number;
    kind: string;
    state: string;
    worker: string | null;
    asked_at: string;
    told_at: string | null;
  }[];
}
export interface Belief {
  mean: number;
  spread: number;
}
export interface OpSensitivity {
  op: string;
  type: string;
  score: number | null;
  precision: string | null;
  trial: number | null;
  base: number | null;
  accuracy_change: Accuracy;
  latency_change_ms: number | null;
  options:
    | ({ mode: string; loss: Belief; latency_change_ms: Belief | null } & Record<string, unknown>)[]
    | null;
  /** Which of them is the lower precision that is believed to lose least, and that in words. */
  least: number | null;
  lowered: string | null;
}
export interface Sensitivity {
  items: OpSensitivity[];
  model: { trials: number; loss_noise: number } | null;
}
export interface Space {
  size: string;
  dimensions: number;
  ops: { name: string; type: string; choices?: number; modes: Record<string, unknown>; default: OpConfig; tied_to?: string }[];
  entries: { pointer: string; count: number; matched: string[] }[];
  calibration_sampling_sizes: number[];
  smooth_quant_alphas?: (number | string)[];
  uniform?: { mode: string; option: string; values: (string | number)[] }[];
  blocks?: string[][];
  warnings: Warning[];
}
export interface Evaluator {
  id: string;
  name: string | null;
  url: string;
  max_concurrency?: number;
}
export interface Health {
  state: string;
  down_since: string | null;
  last_error: string | null;
  statistics: { asked: number; answered: number; failed: number; out: number; mean_answer_s: number | null };
}
export interface Worker {
  pool: string;
  name: string;
  last_seen: string;
  trials_per_hour: number;
  leases: { job: string; trial: number }[];
}
export interface Pool {
  name: string;
  waiting: number;
  out: number;
  workers: number;
}
export interface Strategy {
  name: string;
  summary: string;
  when: string;
  strategy_kwargs: { properties: Record<string, Kwarg> };
}
export interface Kwarg {
  type: string;
  description: string;
  default?: unknown;
  enum?: string[];
  minimum?: number;
  maximum?: number;
}
/** What is tried in each stage, in words. */
export type Stages = Record<string, string>;
export interface Page<T> {
  items: T[];
  next: string | null;
}

export const FINAL = ["completed", "failed", "cancelled"];

async function problemOf(answer: Response): Promise<Problem> {
  try {
    return (await answer.json()) as Problem;
  } catch {
    return { status: answer.status, title: answer.statusText, detail: "the daemon's answer cannot be read" };
  }
}

/** What stands before the daemon's own paths, as a proxy may have it: "" or "/narrowd". */
export const root = location.pathname.replace(/\/(jobs\/[^/]+)?$/, "");

/** The token has ended, or none was shown: the page asks for one. */
export const LOGGED_OUT = "narrowd-logged-out";

function notice(answer: Response) {
  if (answer.status === 401) dispatchEvent(new Event(LOGGED_OUT));
}

async function answered(method: string, path: string, body?: unknown): Promise<Response> {
  let answer: Response;
  const headers: Record<string, string> = { Accept: "application/json, */*;q=0.5" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method === "POST") headers["Idempotency-Key"] = crypto.getRandomValues(new Uint32Array(4)).join("-");
  try {
    answer = await fetch(root + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw { status: 0, title: "No answer", detail: "the daemon does not answer" } satisfies Problem;
  }
  notice(answer);
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** In a task of its own what comes next: reading a long answer and drawing it are more than one frame has room for. */
export const nextTask = () => new Promise<void>((resolve) => setTimeout(resolve));

/** Asks; throws a Problem, of status 0 when nobody answers. */
export async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await answered(method, path, body);
  return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** What a path answers as it stands, whatever it is. */
export async function askText(path: string): Promise<string> {
  return (await answered("GET", path)).text();
}

/** All pages of a collection, up to so many items. */
export async function askAll<T>(path: string, most: number): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const more: string = cursor === null ? "" : `&cursor=${cursor}`;
    const page: Page<T> = await ask("GET", path + (path.includes("?") ? "&" : "?") + "limit=1000" + more);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < most);
  return items;
}

export interface Data<T> {
  value: T | undefined;
  problem: Problem | undefined;
}

/** Milliseconds: so soon what could not be answered now is asked again. */
export const ASK_AGAIN = 2000;

/** Whether it is not the question that is wrong: a proxy without its daemon, one that is busy or out of memory. */
export const passes = (problem: Problem | undefined) => problem !== undefined && problem.status >= 500;

/**
 * What a path answers, read again when `tick` changes: once at a time, and the longer it took the
 * later. A path of null is not read. The value stays the same object while nothing has changed, and while there
 * is none for now.
 */
export function useData<T>(path: string | null, tick: number): Data<T> {
  const [data, setData] = useState<Data<T> & { path: string | null }>({
    value: undefined,
    problem: undefined,
    path: null,
  });
  const self = useRef({ path: null as string | null, tag: "", busy: false, again: false, gone: false });
  const read = async () => {
    const me = self.current;
    if (me.busy || me.path === null) {
      me.again = true;
      return;
    }
    me.busy = true;
    me.again = false;
    const asked = me.path;
    const began = performance.now();
    let unanswered = false;
    try {
      const headers: Record<string, string> = me.tag ? { "If-None-Match": me.tag } : {};
      const answer = await fetch(root + asked, { headers });
      notice(answer);
      if (answer.status !== 304 && asked === me.path && !me.gone) {
        const problem = answer.ok ? undefined : await problemOf(answer);
        const value = answer.ok ? ((await answer.json()) as T) : undefined;
        unanswered = passes(problem);
        if (!unanswered) me.tag = answer.headers.get("ETag") ?? "";
        await nextTask();
        if (!me.gone) setData((old) => ({ value: unanswered && old.path === asked ? old.value : value, problem, path: asked }));
      }
    } catch {
      // The connection is gone: what is shown stays, and the stream says when it is back.
    }
    setTimeout(
      () => {
        me.busy = false;
        if ((me.again || unanswered) && !me.gone) void read();
      },
      unanswered ? ASK_AGAIN : Math.min(2000, 4 * (performance.now() - began)),
    );
  };
  useEffect(() => {
    if (self.current.path !== path) {
      self.current.path = path;
      self.current.tag = "";
      self.current.again = true;
    }
    if (path !== null) void read();
  }, [path, tick]);
  useEffect(() => {
    self.current.gone = false;
    return () => {
      self.current.gone = true;
    };
  }, []);
  return data.path === path ? data : { value: undefined, problem: undefined };
}
