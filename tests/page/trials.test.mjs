// The table of trials: its language, completion, keys, choosing and changing many, and what comes while it is open.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, job, scripted, until } from "./kit.mjs";

let daemon, browser, evaluator, id, all;
const failing = new Set([3, 5, 8]);
const asked = [];

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start();
  evaluator = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    if (question.question === "baseline") return { accuracy: 0.9, latency_ms: 10 };
    asked.push(question.trial);
    if (question.trial > 20) return [503, {}, { "Retry-After": "100000" }];
    if (failing.has(question.trial)) return { failed: true, error: "no kernel for this", retryable: false };
    return { accuracy: 0.9 - question.trial / 1000, latency_ms: 10 - question.trial / 10 };
  });
  id = await daemon.submit(job(evaluator.url, { strategy: "tpe", name: "table", max_failed_trials: 100, max_trials: 100 }));
  await until(() => asked.some((trial) => trial > 20));
  all = (await daemon.get(`/v1/jobs/${id}/trials?limit=1000`)).items;
});

after(async () => {
  await browser?.stop();
  evaluator?.stop();
  await daemon?.stop();
});

const looking = (body) =>
  browser.looking(`${daemon.url}/jobs/${id}`, async (view) => {
    await rows(view, (await daemon.get(`/v1/jobs/${id}/trials?limit=1000`)).items.length);
    await body(view);
  });

/** As many trials are shown, of as many. */
const rows = (view, count) => view.page.getByRole("status").filter({ hasText: new RegExp(`^${count} (of|trial)`) }).waitFor();
/** The numbers of all rows, once those that are just out of sight are there, too. */
const numbers = (view) =>
  until(() =>
    view.page.locator("#trials table").evaluate((table) => {
      const buttons = [...table.querySelectorAll("button.row")];
      return buttons.length === table.ariaRowCount - 1 && buttons.map((one) => Number.parseInt(one.textContent, 10));
    }),
  );
const filter = async (view, text, count) => {
  await view.fill("combobox", "Filter", text);
  await rows(view, count);
};

test("trials are found by what is asked for", async () => {
  await looking(async (view) => {
    const told = all.filter((t) => t.accuracy !== null);
    await filter(view, "status:failed", 3);
    assert.deepEqual(await numbers(view), [8, 5, 3]);
    await filter(view, "-state:failed,told", all.length - 3 - told.length);
    await filter(view, "loss<0.01", told.filter((t) => (0.9 - t.accuracy) / 0.9 < 0.01).length);
    await filter(view, "loss<1% kind:evaluate latency_ms<9.5", told.filter((t) => (0.9 - t.accuracy) / 0.9 < 0.01 && t.metrics.latency_ms < 9.5 && t.kind === "evaluate").length);
    await filter(view, "trial>=19", all.filter((t) => t.number >= 19).length);
    await filter(view, 'error:"no kernel" trial<8', 2);
    await filter(view, "kernel trial=5", 1);
    await filter(view, "kernel baseline", 0);
    await filter(view, "kind:baseline", 1);
    const found = (await daemon.get(`/v1/jobs/${id}/trials?op.block0.conv0=fp32`)).items;
    assert.ok(found.length > 1 && found.length < all.length - 1);
    const refused = [];
    view.forgiven = /status of 503/;
    await view.page.route("**/trials?*op.block0*", (route) => (refused.push(route) > 1 ? route.continue() : route.fulfill({ status: 503, body: "busy" })));
    await filter(view, "op:block0.conv0=fp32", found.length);
    assert.ok(refused.length > 1, "it was asked for again");
    for (const [text, says] of [["state<3", "compared by a colon"], ["loss:little", "compared with a number"], ["colour:red", "colour is not known"], ["op:none=int8", "there is no operator none"]]) {
      await filter(view, text, all.length);
      await view.see(says);
    }
    await view.axe("a fault in the filter");
  });
});

test("a stage is explained where it stands", async () => {
  const { stages } = await daemon.get("/v1/strategies");
  await looking(async (view) => {
    const shown = all.find((t) => t.kind === "evaluate" && t.stage === "default");
    await filter(view, `trial=${shown.number}`, 1);
    assert.equal(await view.page.locator("#trials td.word > span").first().getAttribute("title"), stages.default);
    await view.get("button", `Trial ${shown.number}`).click();
    await view.see(`default: ${stages.default}`);
    const { stage, stage_words } = (await daemon.get(`/v1/jobs/${id}`)).progress;
    assert.equal(stage_words, stages[stage]);
    await view.see(`stage ${stage.replaceAll("_", " ")}: ${stage_words}`);
  });
});

test("what may come next is offered, and taken by keyboard", async () => {
  await looking(async (view) => {
    const field = view.get("combobox", "Filter");
    await field.focus();
    await view.page.keyboard.type("sta");
    await view.get("option", "stage:").waitFor();
    await view.axe("offers");
    await view.page.keyboard.press("ArrowDown");
    await view.page.keyboard.press("Enter");
    assert.equal(await field.inputValue(), "state:");
    await view.get("option", "state:failed").waitFor();
    await view.page.keyboard.type("fa");
    await view.get("option", "state:told").waitFor({ state: "detached" });
    await view.page.keyboard.press("ArrowDown");
    await view.page.keyboard.press("Tab");
    assert.equal(await field.inputValue(), "state:failed ");
    await rows(view, 3);
    await view.page.keyboard.type("op:block0.conv0=b");
    await view.get("option", "op:block0.conv0=bf16").click();
    assert.equal(await field.inputValue(), "state:failed op:block0.conv0=bf16 ");
    await view.page.keyboard.press("Escape");
    assert.equal(await view.page.getByRole("option").count(), 0);
  });
});

test("columns sort, and those without a value come last", async () => {
  await looking(async (view) => {
    const told = all.filter((t) => t.accuracy !== null).map((t) => t.number);
    const heading = (name) => view.page.getByRole("columnheader", { name });
    await heading("accuracy").getByRole("button").click();
    const up = await numbers(view);
    assert.deepEqual(up.slice(0, told.length), [...told].reverse());
    await heading("accuracy").getByRole("button").click();
    assert.equal(await heading("accuracy").getAttribute("aria-sort"), "descending");
    assert.deepEqual((await numbers(view)).slice(0, 3), told.slice(0, 3));
    assert.ok(failing.has(up.at(-1)) && failing.has((await numbers(view)).at(-1)) || all.at(-1).accuracy === null);
    await heading("state").getByRole("button").click();
    assert.equal(all.find((t) => t.number === up[0]).state, "told");
    assert.equal((await numbers(view)).length, all.length);
  });
});

test("several are chosen and changed at once", async () => {
  await looking(async (view) => {
    await view.get("checkbox", "Choose trial 12").click();
    await view.page.getByRole("checkbox", { name: "Choose trial 9" }).click({ modifiers: ["Shift"] });
    await view.see("4 trials chosen");
    await view.click("button", "Exclude 4");
    await view.fill("textbox", "Why they are wrong", "the board was busy");
    await view.axe("excluding");
    await view.click("button", "Exclude them");
    await filter(view, "excluded:yes", 4);
    assert.deepEqual(await numbers(view), [12, 11, 10, 9]);
    const excluded = (await daemon.get(`/v1/jobs/${id}/trials?limit=1000`)).items.filter((t) => t.excluded);
    assert.deepEqual(excluded.map((t) => [t.number, t.excluded.reason]), [9, 10, 11, 12].map((n) => [n, "the board was busy"]));
    await view.click("checkbox", "Choose all that are shown");
    await view.click("button", "Let 4 count again");
    await rows(view, 0);
    await filter(view, "state:failed", 3);
    await view.get("button", "Trial 8").focus();
    await view.page.keyboard.press("x");
    await view.page.keyboard.press("j");
    await view.page.keyboard.press("x");
    failing.clear();
    await view.click("button", "Measure 2 again");
    await until(async () => (await daemon.get(`/v1/jobs/${id}`)).progress.failed === 1);
    await rows(view, 1);
    assert.deepEqual(await numbers(view), [3]);
    await view.stillThere();
  });
});

test("what comes while it is open is there, and what the connection missed", async () => {
  await looking(async (view) => {
    const config = { ops: { "block0.conv0": { mode: "bf16" } } };
    await daemon.ask("POST", `/v1/jobs/${id}/trials`, { trials: Array.from({ length: 900 }, (_, i) => ({ config, accuracy: 0.8, latency_ms: 20 + i })) });
    await rows(view, all.length + 900);
    await filter(view, "latency_ms>900", 19);
    await view.page.locator("#trials button.row").first().focus();
    await view.page.keyboard.press("End");
    await view.focused(`Trial ${all.length + 881}`);
    await view.stillThere();
  });
});

test("a config is shown as what is other than the best", async () => {
  await looking(async (view) => {
    const { best } = await daemon.get(`/v1/jobs/${id}`);
    const other = all.find((t) => t.kind === "evaluate" && t.state === "told" && t.number !== best.trial);
    await view.fill("combobox", "Filter", `trial=${other.number}`);
    await view.click("button", `Trial ${other.number}`);
    await view.get("combobox", "Compared with").selectOption("best");
    const [mine, bests] = await Promise.all([other.number, best.trial].map(async (n) => (await daemon.get(`/v1/jobs/${id}/trials/${n}`)).config.ops));
    const differ = Object.keys(mine).filter((op) => JSON.stringify(mine[op]) !== JSON.stringify(bests[op])).length;
    await view.see(`What is other: ${differ} of 4 operators`);
  });
});

test("what is lost to rounding is no loss", async () => {
  const rounded = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(2);
    // Both are 0.3, once as a sum.
    return question.question === "baseline" ? { accuracy: 0.1 + 0.2, latency_ms: 10 } : { accuracy: 0.3, latency_ms: 5 };
  });
  try {
    const of = await daemon.submit(job(rounded.url, { strategy: "random", max_trials: 2, confirm: 0 }));
    await daemon.finished(of);
    await browser.looking(`${daemon.url}/jobs/${of}`, async (view) => {
      const lost = view.page.locator("dt", { hasText: "accuracy lost" }).locator("xpath=following-sibling::dd");
      assert.match(await lost.textContent(), /^0 % where 1 % is allowed$/);
      await view.fill("combobox", "Filter", "loss>0");
      await rows(view, 0);
    });
  } finally {
    rounded.stop();
  }
});

test("what was rejected is found, and meets nothing", async () => {
  const strict = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(2);
    if (question.question === "baseline") return { accuracy: 0.9, latency_ms: 10 };
    return { accuracy: question.subset ? 0.5 : 0.9, latency_ms: 5 };
  });
  try {
    const of = await daemon.submit(job(strict.url, { strategy: "random", max_trials: 2, acceptance: { subset: { split: "fresh" } } }));
    await daemon.finished(of);
    const trials = (await daemon.get(`/v1/jobs/${of}/trials?limit=100`)).items;
    const rejected = trials.filter((t) => t.rejected);
    assert.ok(rejected.length > 0);
    await browser.looking(`${daemon.url}/jobs/${of}`, async (view) => {
      await rows(view, trials.length);
      await filter(view, "rejected:yes", rejected.length);
      await view.see("✕ rejected");
      await filter(view, "rejected:yes feasible:yes", 0);
      await filter(view, "rejected:yes", rejected.length);
      await view.click("button", `Trial ${rejected[0].number}`);
      await view.see(`but was rejected: ${rejected[0].rejected.reason}`);
      await view.axe("rejected");
    });
  } finally {
    strict.stop();
  }
});
