// What stands around the figures: what is taken away, what was dropped, what was measured again; and the form of a new job.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, digits, job, scripted, until } from "./kit.mjs";

let daemon, browser, evaluator, noisy, id, document;
const latencies = {};

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start();
  await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  evaluator = digits();
  // Latencies that scatter, so that the end game has several rounds.
  noisy = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    const lowered = Object.values(question.config?.ops ?? {}).filter((op) => op.mode !== "fp32").length;
    const latency_ms = 10 - lowered + 0.1 * ((question.trial * 7) % 5);
    latencies[question.trial] = latency_ms;
    return { accuracy: 0.9, latency_ms };
  });
  const dropped = { Conv2d: { weight: { granularity: ["per_tensor", "per_planet"] } } };
  id = await daemon.submit(job(noisy.url, { name: "proved", strategy: "tpe", max_trials: 8, confirm: 3, op_type_dict: dropped }));
  document = await daemon.finished(id);
});

after(async () => {
  await browser?.stop();
  await evaluator?.stop();
  noisy?.stop();
  await daemon?.stop();
});

const looking = (where, body) => browser.looking(daemon.url + where, body);

test("every format that the daemon has can be taken away and copied", async () => {
  const { paths } = await daemon.get("/openapi.json");
  const { schema } = paths["/v1/jobs/{id}/export"].get.parameters.find((one) => one.name === "format");
  await looking(`/jobs/${id}`, async (view) => {
    await view.click("button", "Take it away");
    const menu = view.page.locator(".menu-items");
    const offered = await menu.getByRole("button", { name: /^Copy / }).allTextContents();
    assert.ok(offered.length > schema.enum.length, `${offered}`);
    const text = {};
    for (const name of offered) {
      const [copied, refused] = [menu.getByRole("button", { name: name.replace("Copy", "Copied"), exact: true }), menu.getByRole("alert")];
      const [before] = await refused.allTextContents();
      await menu.getByRole("button", { name, exact: true }).click();
      // What the one before was refused with stays until this one is answered.
      await until(async () => (await copied.count()) > 0 || ![undefined, before].includes((await refused.allTextContents())[0]));
      text[name] = (await copied.count()) > 0 ? await view.page.evaluate(() => navigator.clipboard.readText()) : await refused.textContent();
    }
    view.forgiven = /status of 422/;
    const refusals = [];
    for (const format of schema.enum) {
      const answer = await fetch(`${daemon.url}/v1/jobs/${id}/export?format=${format}`);
      const wanted = await answer.text();
      const words = answer.ok ? wanted : JSON.parse(wanted).detail;
      assert.ok(Object.values(text).some((one) => one.endsWith(words)), `nothing copies ${format}`);
      answer.ok || refusals.push(format);
    }
    assert.ok(refusals.includes("onnxruntime"), `${refusals}`);
    assert.ok(Object.values(text).includes(`narrow best ${id}`));
    await menu.getByRole("button", { name: /^Cop.* ONNX Runtime/ }).click();
    await menu.getByRole("alert").waitFor();
    await view.axe("what is taken away, and a format that refuses");
  });
});

test("what was dropped is named, and why", async () => {
  await looking(`/jobs/${id}`, async (view) => {
    const panel = view.get("region", "What may be tried");
    const { warnings, ops } = await daemon.get(`/v1/jobs/${id}/space`);
    assert.equal(warnings.length, 1);
    await panel.getByRole("heading", { name: "What was dropped, and why" }).waitFor();
    await panel.getByRole("listitem").filter({ hasText: warnings[0].pointer }).filter({ hasText: warnings[0].detail }).waitFor();
    await panel.getByRole("listitem").filter({ hasText: "/op_type_dict/Conv2d Conv2d" }).waitFor();
    await panel.getByText("Choices of each operator").click();
    await panel.getByRole("row").filter({ hasText: ops[0].name }).filter({ hasText: "static" }).waitFor();
  });
});

test("what was measured again is shown with its first measurement", async () => {
  const confirms = (await daemon.get(`/v1/jobs/${id}/trials?kind=confirm&limit=1000`)).items;
  assert.ok(confirms.length >= 6, `${confirms.length} questions`);
  await looking(`/jobs/${id}`, async (view) => {
    await view.click("button", "Table of What was measured again");
    const rows = view.get("region", "What was measured again").locator("tbody tr");
    await rows.first().waitFor();
    const cells = await rows.evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
    assert.deepEqual(cells.filter(([, , kind]) => kind === "confirm").map(([, trial]) => Number(trial)).sort((a, b) => a - b), confirms.map((t) => t.number));
    for (const { number, hash } of confirms) {
      const what = hash === null ? "baseline" : /^trial \d+$/;
      const row = cells.find(([, trial]) => trial === String(number));
      assert.match(row[0], new RegExp(what));
      assert.equal(Number(row[4]), latencies[number]);
    }
    assert.ok(cells.some(([what, , kind]) => what === `trial ${document.best.trial}` && kind === "evaluate"));
  });
});

/** Where what is drawn begins and ends, in pixels of the figure. */
const spanOf = (locator) => locator.evaluate((e) => [e.getBBox().x, e.getBBox().x + e.getBBox().width]);

test("the range of the best is drawn around it, inside of the axes, and says where it goes on", async () => {
  // In the search the latencies lie near each other, measured again they lie far apart.
  const scattered = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    const lowered = Object.values(question.config?.ops ?? {}).filter((op) => op.mode !== "fp32").length;
    return { accuracy: 0.9, latency_ms: (10 - lowered) * (question.trial > 8 ? 1 + ((question.trial * 7) % 5) / 5 : 1) };
  });
  const wide = await daemon.submit(job(scattered.url, { name: "scattered", strategy: "tpe", max_trials: 8, confirm: 3 }));
  const found = await daemon.finished(wide);
  scattered.stop();
  for (const [one, best, goesOn] of [[id, document.best, false], [wide, found.best, true]]) {
    assert.ok(best.gain_interval, "it was measured again");
    await looking(`/jobs/${one}`, async (view) => {
      const figure = view.page.locator("#scatter svg.chart");
      await figure.locator(".whisker").waitFor({ state: "attached" });
      const [axis, line, star] = await Promise.all(["line.axis", ".whisker", ".star"].map((what) => spanOf(figure.locator(what))));
      assert.ok(line[0] > axis[0] - 0.01 && line[1] < axis[1] + 0.01, `${line} in ${axis}`);
      const middle = (star[0] + star[1]) / 2;
      assert.ok(middle > line[0] - 0.01 && middle < line[1] + 0.01, `${middle} on ${line}`);
      assert.equal((await figure.locator(".goes-on").count()) > 0, goesOn);
    });
  }
});

test("a number that weighs several metrics says on which scale it stands", async () => {
  const several = async (strategy) => {
    const body = job(await evaluator.url, { name: `weighed by ${strategy}`, strategy, max_trials: 15 });
    body.tuning_criterion.objective = [{ metric: "latency_ms", weight: 7 }, { metric: "model_size_bytes", weight: 3 }];
    return daemon.finished(await daemon.submit(body));
  };
  // sgp chooses itself; what others have measured is weighed against each other at the end, where 1 is the worst.
  const says = { sgp: "less is better: the baseline is 1", tpe: "less is better" };
  for (const [strategy, words] of Object.entries(says)) {
    const { id: one, best, baseline } = await several(strategy);
    assert.equal(Math.abs(1 - best.gain / 10 - best.objective_value) < 1e-9, strategy === "sgp");
    await looking(`/jobs/${one}`, async (view) => {
      const facts = view.get("region", "May I ship it?").locator(".facts > div");
      await facts.filter({ hasText: new RegExp(`weighted objective${Number(best.objective_value.toPrecision(4))} ${words}$`) }).waitFor();
      const short = (value) => Number(value.toPrecision(4));
      await facts.filter({ hasText: `latency, ms${short(best.metrics.latency_ms)} baseline ${short((best.baseline?.metrics ?? baseline.metrics).latency_ms)}` }).waitFor();
      await view.get("region", "How the search went").locator(".best-line").waitFor({ state: "attached" });
      assert.equal(await view.page.locator("#history .baseline-line").count(), strategy === "sgp" ? 1 : 0);
    });
  }
});

test("a new job is a form made from what the evaluator can do", async () => {
  await looking("/#new", async (view) => {
    assert.equal(await view.get("combobox", "Strategy").inputValue(), "sgp");
    assert.equal(await view.get("combobox", "Approach").inputValue(), "auto");
    assert.equal(await view.get("combobox", "Stop").inputValue(), "budget");
    await view.fill("textbox", "URL of the evaluator", await evaluator.url);
    await view.click("button", "Ask it what it can do");
    const types = view.get("region", "Table: Types of operators");
    await types.getByRole("row").filter({ hasText: "DepthwiseConv2d" }).waitFor();
    assert.equal((await daemon.get("/v1/evaluators")).items.length, 0, "the evaluator that was asked is registered");
    await view.get("option", "auto, 12 operators").waitFor({ state: "attached" });
    assert.deepEqual(await view.get("combobox", "Improve").getByRole("option").allTextContents(), ["latency", "model size", "accuracy"]);
    await view.axe("the evaluator's answer in the form");
    await view.click("checkbox", "Keep DepthwiseConv2d in fp32");
    await view.fill("textbox", "Operators that stay in fp32", "stem, nobody");
    await view.fill("textbox", "Name", "made by hand");
    await view.click("button", "Only check it");
    await view.see("Fine: 12 operators");
    await view.see("What was dropped, and why");
    await view.click("button", "Start the job");
    await view.page.waitForURL("**/jobs/job_*");
    const made = new URL(view.page.url()).pathname.split("/").pop();
    const spec = await daemon.get(`/v1/jobs/${made}/spec`);
    assert.deepEqual(Object.keys(spec.op_type_dict), ["DepthwiseConv2d"]);
    assert.deepEqual(Object.keys(spec.op_name_dict), ["stem", "nobody"]);
    const { ops } = await daemon.get(`/v1/jobs/${made}/space`);
    for (const op of ops) assert.equal("static" in op.modes, op.type !== "DepthwiseConv2d" && op.name !== "stem", op.name);
    await daemon.ask("POST", `/v1/jobs/${made}/cancel`);
  });
});

test("the form of a new job offers the whole front, as long as it is one", async () => {
  await looking("/#new", async (view) => {
    const goals = async () => {
      await view.click("button", "As JSON");
      const { tuning_criterion } = JSON.parse(await view.get("textbox", "The job").inputValue());
      await view.click("button", "As JSON");
      return tuning_criterion;
    };
    const choose = (name, value) => view.get("combobox", name).selectOption(value);
    const aim = () => view.get("combobox", "Search for").inputValue();
    assert.deepEqual([(await goals()).objective, await aim()], ["latency_ms", "one"]);
    await choose("Strategy", "tpe");
    await choose("Stop", "first_gain");
    await choose("Improve", "accuracy");
    await choose("Search for", "front");
    const { objective, strategy, stop_on } = await goals();
    assert.deepEqual({ objective, strategy, stop_on }, { objective: ["latency_ms", "accuracy"], strategy: "sgp", stop_on: "budget" });
    await view.see("Up to five times the loss above");
    await view.axe("the whole front in the form");
    await choose("Improve", "model_size_bytes");
    assert.deepEqual((await goals()).objective, ["model_size_bytes", "accuracy"]);
    for (const [name, value, back] of [["Strategy", "bisect", "sgp"], ["Stop", "first_feasible", "budget"], ["Improve", "accuracy", "latency_ms"]]) {
      await choose(name, value);
      assert.equal(await aim(), "one", `${name} is ${value}`);
      assert.equal(typeof (await goals()).objective, "string");
      await choose(name, back);
      assert.equal(await aim(), "front");
    }
    await view.fill("textbox", "URL of the evaluator", await evaluator.url);
    await view.fill("textbox", "Trials at most", "6");
    await view.click("button", "Start the job");
    await view.page.waitForURL("**/jobs/job_*");
    const made = new URL(view.page.url()).pathname.split("/").pop();
    await daemon.finished(made);
    const { items } = await daemon.get(`/v1/jobs/${made}/trials`);
    assert.ok(items.some((trial) => trial.stage === "front"), JSON.stringify(items.map((trial) => trial.stage)));
  });
});

test("of a whole front what if is answered in the metric beside accuracy, and starred at its trial", async () => {
  const costly = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    const lowered = Object.values(question.config?.ops ?? {}).filter((op) => op.mode !== "fp32").length;
    return { accuracy: 0.9 - 0.005 * lowered, latency_ms: 24 - 3 * lowered };
  });
  const tuning_criterion = { strategy: "sgp", objective: ["latency_ms", "accuracy"], stop_on: "budget", max_trials: 12 };
  const front = await daemon.submit(job(costly.url, { tuning_criterion }));
  await daemon.finished(front);
  const best = await daemon.get(`/v1/jobs/${front}/best?tolerable_loss=0.03`);
  assert.ok(best.objective === "latency_ms" && best.objective_value < 24 && !best.keep_baseline, JSON.stringify(best));
  const { items } = await daemon.get(`/v1/jobs/${front}/charts/scatter`);
  const own = items.find((point) => point.trial === best.trial);
  const alike = items.filter((point) => point.kind !== "baseline" && point.objective_value !== null && point.feasible === own.feasible);
  await looking(`/jobs/${front}`, async (view) => {
    await view.fill("spinbutton", "What if this may be lost", "3");
    const times = Number((24 / best.objective_value).toPrecision(3));
    await view.see(`With 3 % to lose: trial ${best.trial}, ${times} times as good as the baseline, latency, ms ${best.objective_value}, loses`);
    const drawn = view.page.locator(`#scatter .mark.${own.feasible ? "meets" : "misses"}`);
    const places = (await drawn.getAttribute("d")).match(/M[-\d.]+/g).map((place) => Number(place.slice(1)));
    const star = view.page.locator("#scatter .star");
    await until(async () => Math.abs(Number((await star.getAttribute("points")).split(",")[0]) - places[alike.indexOf(own)]) < 0.2);
    // Milliseconds, not what weighs them with the accuracy.
    await view.page.locator("#scatter").getByText("latency, ms →").waitFor();
    const pointed = alike.find((point) => point !== own && point.value < 24);
    await drawn.scrollIntoViewIfNeeded();
    const box = await view.page.locator("#scatter svg").boundingBox();
    const [x, y] = (await drawn.getAttribute("d")).match(/M[-\d.]+ [-\d.]+/g)[alike.indexOf(pointed)].slice(1).split(" ").map(Number);
    await view.page.mouse.move(box.x + x, box.y + y);
    await view.page.locator("#scatter .pointed").filter({ hasText: `latency, ms ${pointed.value}, ${Number((24 / pointed.value).toPrecision(3))} times as good` }).waitFor();
  });
  costly.stop();
});

test("an evaluator that cannot be asked says why, and a job can be made like another one", async () => {
  const gone = await scripted(() => ({}));
  gone.stop();
  await looking("/#new", async (view) => {
    await view.fill("textbox", "URL of the evaluator", gone.url);
    await view.click("button", "Ask it what it can do");
    await view.page.getByRole("alert").filter({ hasText: "The evaluator cannot be used" }).waitFor();
  });
  await looking(`/jobs/${id}`, async (view) => {
    await view.click("button", "Start again");
    await view.click("link", "Change anything, as JSON");
    const text = view.get("textbox", "The job");
    await until(async () => (await text.count()) > 0 && (await text.inputValue()).includes("per_planet"));
    const body = JSON.parse(await text.inputValue());
    await text.fill(JSON.stringify({ ...body, name: "like it", tuning_criterion: { ...body.tuning_criterion, max_trials: 3 } }));
    await view.click("button", "Start the job");
    await view.get("heading", "like it").waitFor();
  });
});

test("what was judged on other data stands beside the baseline on that data, and above the line that it keeps", async () => {
  const fresh = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    const lowered = Object.values(question.config?.ops ?? {}).filter((op) => op.mode !== "fp32").length;
    const harder = question.subset ? 0.2 : 0;
    return { accuracy: 0.9 - harder - 0.0005 * lowered, latency_ms: 10 - lowered };
  });
  const acceptance = { subset: { split: "fresh" } };
  const other = await daemon.submit(job(fresh.url, { name: "fresh", strategy: "tpe", max_trials: 8, confirm: 1, acceptance }));
  const { best } = await daemon.finished(other);
  assert.ok(best.feasible && best.accuracy < 0.71, JSON.stringify(best));
  await looking(`/jobs/${other}`, async (view) => {
    await view.get("region", "May I ship it?").getByText("baseline 0.7", { exact: true }).waitFor();
    const plot = view.get("region", "What accuracy costs");
    await plot.locator(".star").waitFor();
    const star = await plot.locator(".star").boundingBox();
    const line = await plot.locator(".criterion line").boundingBox();
    assert.ok(star.y + star.height / 2 < line.y, `${JSON.stringify(star)} ${JSON.stringify(line)}`);
  });
  fresh.stop();
});

test("the first screen contradicts itself nowhere", async () => {
  const url = await evaluator.url;
  const kept = await daemon.submit(job(url, { name: "asks for much", min_gain: 0.99, max_trials: 6 }));
  assert.ok((await daemon.finished(kept)).best.keep_baseline);
  await looking(`/jobs/${kept}`, async (view) => {
    await view.see("Keep the baseline.");
    await view.see("What keeps the accuracy gains less than the 99 % that the job asks for (min_gain).");
    const end = await view.get("region", "Should I go on?").innerText();
    assert.match(end, /gains too little: the baseline is to be kept/);
  });
  const quick = await scripted((path, question) => {
    if (path.endsWith("/capability")) return capability(4);
    return question.trial > 1 ? new Promise(() => {}) : { accuracy: 0.9, latency_ms: question.trial === 0 ? 10 : 5 };
  });
  const cut = await daemon.submit(job(quick.url, { name: "cut short" }));
  await until(async () => (await daemon.get(`/v1/jobs/${cut}`)).best?.feasible);
  await daemon.ask("POST", `/v1/jobs/${cut}/cancel`);
  await looking(`/jobs/${cut}`, async (view) => {
    await view.see("Trial 1, but not proved.");
    await view.see("It was cancelled.");
  });
  const late = await daemon.submit({
    ...job(quick.url, { name: "out of time" }),
    tuning_criterion: { strategy: "sgp", objective: "latency_ms", max_trials: 40, timeout: 2 },
  });
  const { exit, best } = await daemon.finished(late);
  assert.deepEqual([exit.reason, best.trial, best.keep_baseline], ["timeout", 1, false]);
  await looking(`/jobs/${late}`, (view) => view.see("Trial 1, but not proved."));
  quick.stop();
});

test("what stands above bars and behind them overlaps nothing, however narrow the page is", async () => {
  await looking(`/jobs/${id}`, async (view) => {
    await view.see("learnt from");
    for (const width of [1200, 800, 320]) {
      await view.page.setViewportSize({ width, height: 900 });
      const faults = () =>
        view.page.locator("#sensitivity svg.chart").evaluate((chart) => {
          const boxes = [...chart.querySelectorAll("text, rect.track")].map((it) => [it.textContent, it.getBoundingClientRect()]);
          const meets = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 2 && b.top < a.bottom - 2;
          return boxes.flatMap(([name, box], i) => boxes.slice(i + 1).filter(([, other]) => meets(box, other)).map(([other]) => `${name} | ${other}`));
        });
      await until(async () => {
        const drawn = await view.page.locator("#sensitivity svg.chart").boundingBox();
        const place = await view.page.locator("#sensitivity .drawing").boundingBox();
        return Math.abs(drawn.width - place.width) < 2;
      });
      assert.deepEqual(await faults(), [], `${width}`);
    }
  });
});

test("who measured is told whole on a phone", async () => {
  await looking(`/jobs/${id}`, async (view) => {
    await view.page.setViewportSize({ width: 390, height: 900 });
    await view.see("learnt from");
    await view.page.locator("#trials td.cut").first().waitFor();
    const cut = () => view.page.locator("#trials .cut:not(.error)").evaluateAll((cells) => cells.filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.textContent));
    assert.deepEqual(await cut(), []);
  });
});
