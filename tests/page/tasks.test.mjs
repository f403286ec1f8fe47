// Ten tasks of a stranger: each is found by roles and names only, in at most three clicks from the home page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, digits, job, scripted, until } from "./kit.mjs";

const MOST = 3;
let daemon, browser, evaluator, done, document;

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start();
  evaluator = digits();
  done = await daemon.submit(job(await evaluator.url, { name: "resnet for the edge" }));
  document = await daemon.finished(done);
});

after(async () => {
  await browser?.stop();
  await evaluator?.stop();
  await daemon?.stop();
});

const waiting = (name) =>
  daemon.submit(job("", { name, evaluator: { pool: "nobody" }, capability: capability(4) }));

function task(name, body) {
  test(name, async () => {
    const view = await browser.view(daemon.url);
    await view.open("/");
    await body(view);
    assert.ok(view.clicks <= MOST, `${view.clicks} clicks`);
    view.close();
    await view.page.close();
  });
}

const words = (view, question) => view.get("region", question).textContent();

task("find the best and say whether to ship it", async (view) => {
  await view.click("link", "resnet for the edge");
  await view.get("region", "May I ship it?").filter({ hasText: `Yes, trial ${document.best.trial}.` }).waitFor();
  assert.match(await words(view, "May I ship it?"), /times as fast/);
});

task("why is this operator in fp32?", async (view) => {
  const { config } = await daemon.get(`/v1/jobs/${done}/best`);
  const [kept] = Object.entries(config.ops).find(([, op]) => op.mode === "fp32");
  await view.click("link", "resnet for the edge");
  const answer = view.get("region", "What does it cost me?").getByRole("listitem").filter({ hasText: kept });
  await answer.filter({ hasText: "it is believed to lose" }).waitFor();
});

task("measure all failures again", async (view) => {
  const asked = [];
  const failing = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    if (question.question === "baseline") return { accuracy: 0.9, latency_ms: 10 };
    asked.push(question.trial);
    if (asked.length > 3) return [503, {}, { "Retry-After": "1" }];
    return { failed: true, error: "no kernel for this", retryable: false };
  });
  const id = await daemon.submit(job(failing.url, { name: "with failures", strategy: "random", max_failed_trials: 100 }));
  await until(async () => {
    const { progress, exit } = await daemon.get(`/v1/jobs/${id}`);
    assert.equal(exit, null);
    return progress.failed === 3;
  });
  await view.click("link", "with failures");
  await view.click("button", "Retry all 3 failures");
  await until(async () => (await daemon.get(`/v1/jobs/${id}`)).progress.failed === 0);
  await daemon.ask("POST", `/v1/jobs/${id}/cancel`);
  failing.stop();
});

task("raise the budget", async (view) => {
  const id = await waiting("too small a budget");
  await view.click("link", "too small a budget");
  await view.click("button", "Budget");
  await view.fill("textbox", "Trials at most", "77");
  await view.click("button", "Save");
  await view.see("0 of 77");
  assert.equal((await daemon.get(`/v1/jobs/${id}`)).budget.max_trials, 77);
});

task("what if 2 % may be lost?", async (view) => {
  await view.click("link", "resnet for the edge");
  await view.fill("spinbutton", "What if this may be lost", "2");
  await view.see(/With 2 % to lose: trial \d+, .* times as good as the baseline/);
});

task("take the recipe away", async (view) => {
  await view.click("link", "resnet for the edge");
  await view.click("button", "Take it away");
  const [file] = await Promise.all([view.page.waitForEvent("download"), view.click("link", "The best config, JSON")]);
  const best = JSON.parse(readFileSync(await file.path(), "utf8"));
  assert.equal(best.trial, document.best.trial);
  assert.ok(Object.keys(best.config.ops).length > 0);
});

task("who measured trial 7?", async (view) => {
  await view.click("link", "resnet for the edge");
  await view.fill("textbox", "Trial number", "7");
  await view.click("button", "Show trial");
  await view.get("complementary", "Trial 7").filter({ hasText: `measured by${await evaluator.url}` }).waitFor();
});

task("stop the job", async (view) => {
  const id = await waiting("to be stopped");
  await view.click("link", "to be stopped");
  await view.click("button", "Stop");
  await view.click("button", "Stop it");
  await view.see("cancelled");
  assert.equal((await daemon.get(`/v1/jobs/${id}`)).state, "cancelled");
});

task("start it again with another strategy", async (view) => {
  await view.click("link", "resnet for the edge");
  await view.click("button", "Start again");
  await view.get("combobox", "Strategy").selectOption("tpe");
  await view.click("button", "Start the job");
  await view.page.waitForURL((url) => !url.pathname.endsWith(done) && url.pathname !== "/");
  const id = new URL(view.page.url()).pathname.split("/").pop();
  const made = await daemon.get(`/v1/jobs/${id}`);
  assert.equal(made.strategy, "tpe");
});

task("find an old job among many", async (view) => {
  for (let n = 0; n < 60; n += 1) await waiting(`nightly ${n}`);
  await view.page.getByRole("link", { name: "nightly 59" }).waitFor();
  assert.equal(await view.page.getByRole("link", { name: "resnet for the edge" }).count(), 0);
  await view.fill("searchbox", "Search", "edge resnet");
  await view.click("link", "resnet for the edge");
  await view.get("heading", "resnet for the edge").waitFor();
});
