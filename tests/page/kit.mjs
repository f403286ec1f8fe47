// What the browser tests share: a daemon, evaluators, and pages that forgive no error.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";

const require = createRequire(path.join(process.env.NARROWD_NODE_MODULES, "/"));
const { chromium } = require("playwright-core");
const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Only guards against hanging, as in tests/api/patience.py.
export const PATIENCE_MS = Number(process.env.NARROWD_PATIENCE_MS ?? 600_000);
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const BUILD = process.env.NARROWD_BUILD;

function firstLine(child, what) {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
      const found = /listening on (http:\/\/\S+)/.exec(text);
      if (found) resolve(found[1]);
    });
    child.on("exit", (code) => reject(new Error(`${what} ended with ${code}: ${text}`)));
  });
}

export class Process {
  constructor(program, ...args) {
    this.child = spawn(path.join(BUILD, program), args, { stdio: ["ignore", "pipe", "pipe"] });
    this.errors = "";
    this.child.stderr.on("data", (data) => (this.errors += data));
    process.on("exit", () => this.child.kill("SIGKILL"));
    this.ended = new Promise((resolve) => this.child.on("exit", (code) => resolve(code)));
    this.url = firstLine(this.child, program);
  }
  async stop(signal = "SIGTERM") {
    this.child.kill(signal);
    return this.ended;
  }
}

export class Daemon {
  constructor(...args) {
    this.args = args;
    this.folder = mkdtempSync(path.join(tmpdir(), "narrowd-page-"));
    this.listen = "127.0.0.1:0";
  }
  async start() {
    this.process = new Process("daemon/narrowd", "--listen", this.listen, "--data-dir", this.folder, ...this.args);
    this.url = await this.process.url;
    this.listen = this.url.slice("http://".length);
    return this;
  }
  /** Has the program do something else with its data; returns what it writes. */
  run(...args) {
    return execFileSync(path.join(BUILD, "daemon/narrowd"), ["--data-dir", this.folder, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  }
  async kill9() {
    await this.process.stop("SIGKILL");
  }
  async stop() {
    const code = await this.process.stop();
    rmSync(this.folder, { recursive: true });
    assert.equal(code, 0, this.process.errors);
  }
  async ask(method, where, body) {
    const answer = await fetch(this.url + where, {
      method,
      headers: { "Content-Type": "application/json", ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const value = await answer.json();
    assert.ok(answer.ok, `${method} ${where}: ${JSON.stringify(value)}`);
    return value;
  }
  get(where) {
    return this.ask("GET", where);
  }
  async submit(body) {
    return (await this.ask("POST", "/v1/jobs", body)).id;
  }
  finished(id) {
    return until(async () => {
      const job = await this.get(`/v1/jobs/${id}`);
      return job.exit ? job : null;
    });
  }
}

export async function until(check) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < deadline, "it never happened");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const digits = () => new Process("examples/digits/digits-evaluator", "--port", "0", "--deterministic");

export function job(url, more = {}) {
  const { strategy = "sgp", max_trials = 40, ...rest } = more;
  return {
    name: "digits",
    tuning_criterion: { strategy, objective: "latency_ms", stop_on: "budget", max_trials },
    accuracy_criterion: { tolerable_loss: 0.01 },
    evaluator: { url },
    ...rest,
  };
}

/** An evaluator that answers by a function of the question; it returns the body or [status, body, headers]. */
export async function scripted(answer) {
  const server = http.createServer((request, response) => {
    let text = "";
    request.on("data", (data) => (text += data));
    request.on("end", async () => {
      const reply = await answer(request.url, JSON.parse(text || "{}"));
      const [status, body, headers] = Array.isArray(reply) ? reply : [200, reply, {}];
      response.writeHead(status, { "Content-Type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref(); // a test that failed before stop() must not keep the others from ending
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const capability = (ops) => ({
  op_types: {
    Conv2d: { static: { weight: { dtype: ["int8"], granularity: ["per_channel", "per_tensor"] }, activation: { dtype: ["uint8"] } }, bf16: {}, fp32: {} },
  },
  ops: Array.from({ length: ops }, (_, i) => ({ name: `block${i >> 2}.conv${i & 3}`, type: "Conv2d" })),
  answers: ["evaluate"],
  metrics: ["accuracy", "latency_ms"],
});

/** What a page did wrong, and how often somebody clicked or typed on it. */
export class View {
  constructor(page, base) {
    this.page = page;
    this.base = base;
    this.faults = [];
    this.clicks = 0;
    this.forgiven = /(?!)/;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.faults.push(`${message.text()} ${message.location().url}`);
    });
  }
  async open(where) {
    await this.page.goto(this.base + where);
    await this.drawn();
    await this.page.evaluate(() => (window.notReloaded = true));
  }
  /** Scripts stand where the daemon's own tables were, and have what they show. */
  drawn() {
    return this.page.locator("main#main:not([aria-busy=true]) h1").waitFor();
  }
  get(role, name) {
    return this.page.getByRole(role, { name }).first();
  }
  async click(role, name) {
    this.clicks += 1;
    await this.get(role, name).click();
  }
  async fill(role, name, text) {
    const field = this.get(role, name);
    // What lies behind a dialog cannot be typed into until that has closed.
    await until(async () => {
      await field.focus();
      return field.evaluate((one) => one === document.activeElement);
    });
    await field.fill(text);
  }
  /** Waits until what has this label has the focus: rows get it once they are drawn. */
  focused(label) {
    return until(async () => (await this.page.evaluate(() => document.activeElement.getAttribute("aria-label"))) === label);
  }
  see(text) {
    return this.page.getByText(text).first().waitFor();
  }
  async stillThere() {
    assert.equal(await this.page.evaluate(() => window.notReloaded), true, "the page was loaded again");
  }
  async axe(what) {
    const found = await this.page.evaluate(async (source) => {
      if (!window.axe) new Function(source).call(window);
      const result = await window.axe.run(document, { resultTypes: ["violations"] });
      return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} ${n.failureSummary}`).slice(0, 4).join(" | ")}`);
    }, axeSource);
    assert.deepEqual(found, [], what);
  }
  async fits(what) {
    const [wide, there] = await this.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= there, `${what} is ${wide} wide on a screen of ${there}`);
  }
  close() {
    assert.deepEqual(this.faults.filter((fault) => !this.forgiven.test(fault)), []);
  }
}

export class Browser {
  async start(options = {}) {
    this.folder = mkdtempSync(path.join(tmpdir(), "narrowd-browser-"));
    this.context = await chromium.launchPersistentContext(this.folder, {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: FLAGS,
      viewport: { width: 1280, height: 900 },
      acceptDownloads: true,
      ...options,
    });
    return this;
  }
  async view(base) {
    return new View(await this.context.newPage(), base);
  }
  /** Has a look at what an address shows; the page must be free of faults then. */
  async looking(url, body) {
    const view = await this.view(new URL(url).origin);
    await view.open(url.slice(view.base.length));
    await body(view);
    view.close();
    await view.page.close();
  }
  async stop() {
    await this.context.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A job with so many trials of so many operators; `more` adds trials, `stop` ends its evaluator. */
export async function large(daemon, trials, operators) {
  const busy = await scripted((path, question) =>
    path.endsWith("/capability") ? capability(operators)
    : question.question === "baseline" ? { accuracy: 0.9, latency_ms: 100 }
    : [503, {}, { "Retry-After": "100000" }]);
  const names = capability(operators).ops.map((op) => op.name);
  const id = await daemon.submit(job(busy.url, { name: "large", strategy: "random", max_trials: 2 * trials }));
  await until(async () => (await daemon.get(`/v1/jobs/${id}`)).state === "running");
  let made = 0;
  const one = (n) => {
    const lowered = names.filter((_, op) => (op * 7 + n * 13) % 101 < 4);
    return {
      config: { ops: Object.fromEntries(lowered.map((name) => [name, { mode: "bf16" }])) },
      accuracy: 0.9 - 0.02 * (((n * 7919) % 997) / 997),
      latency_ms: 100 - lowered.length / 4 - 10 * (((n * 104729) % 991) / 991),
    };
  };
  const more = async (count) => {
    for (const end = made + count; made < end; ) {
      const some = Array.from({ length: Math.min(1000, end - made) }, (_, i) => one(made + i));
      await daemon.ask("POST", `/v1/jobs/${id}/trials`, { trials: some });
      made += some.length;
    }
  };
  await more(trials);
  return { id, more, stop: () => busy.stop() };
}
