// The home page's jobs, several at once: stopped, labelled, deleted, compared; who measures; and what figures are taken away as.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, digits, job, until } from "./kit.mjs";

let daemon, browser, evaluator;
const done = [];

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start();
  evaluator = digits();
  for (const [name, strategy] of [["first", "sgp"], ["second", "random"]]) {
    const id = await daemon.submit(job(await evaluator.url, { name, strategy, max_trials: 12, confirm: 0 }));
    done.push(await daemon.finished(id));
  }
});

after(async () => {
  await browser?.stop();
  await evaluator?.stop();
  await daemon?.stop();
});

const looking = (where, body) => browser.looking(daemon.url + where, body);

const choose = (view, name) => view.page.getByRole("checkbox", { name: `Choose ${name}`, exact: true }).click();

test("chosen jobs are labelled, stopped and deleted together", async () => {
  const ids = [];
  for (const name of ["one", "two", "three"]) {
    ids.push(await daemon.submit(job("", { name, labels: { team: "edge" }, evaluator: { pool: "nobody" }, capability: capability(4) })));
  }
  await looking("/", async (view) => {
    for (const name of ["one", "two", "second"]) await choose(view, name);
    await view.see("3 jobs chosen");
    await view.axe("jobs are chosen");
    await view.get("group", "What to do with the chosen jobs").getByRole("button", { name: "Label" }).click();
    await view.page.getByLabel("Label", { exact: true }).fill("week");
    await view.page.getByLabel("Value").fill("48");
    await view.axe("labelling");
    await view.click("button", "Label them");
    await until(async () => (await daemon.get("/v1/jobs?label.week=48")).items.length === 3);
    assert.deepEqual((await daemon.get(`/v1/jobs/${ids[0]}`)).labels, { team: "edge", week: "48" });
    await view.click("button", "Stop 2");
    await view.see("Stop 2 jobs for good?");
    await view.click("button", "Stop them");
    await until(async () => (await daemon.get("/v1/jobs?state=cancelled")).items.length === 2);
    await choose(view, "second");
    await view.click("button", "Delete 2");
    await view.axe("deleting");
    // A row may ask for its picture in the very moment in which its job goes.
    view.forgiven = new RegExp(` 404 .*/v1/jobs/(${ids[0]}|${ids[1]})/charts/history$`);
    await view.click("button", "Delete them");
    await until(async () => (await daemon.get("/v1/jobs?limit=100")).items.length === 3);
    await view.page.getByRole("link", { name: "one", exact: true }).waitFor({ state: "detached" });
    assert.equal((await daemon.get(`/v1/jobs/${ids[2]}`)).exit, null, "nobody chose it");
    await view.stillThere();
  });
});

test("evaluators, pools and workers are there with their health", async () => {
  await daemon.ask("POST", "/v1/evaluators", { name: "digits", url: await evaluator.url });
  await daemon.submit(job("", { name: "on boards", evaluator: { pool: "boards" }, capability: capability(4) }));
  await looking("/", async (view) => {
    const one = (list, name) => view.page.getByRole("list", { name: list }).getByRole("listitem").filter({ hasText: name });
    await one("Evaluators", "digits").filter({ hasText: "well" }).waitFor();
    await one("Pools", "boards").filter({ hasText: /nobody comes.*1 waiting, 0 out, 0 workers/s }).waitFor();
    const lease = { pool: "boards", worker: "board-7", wait_s: 20 };
    assert.equal((await daemon.ask("POST", "/v1/leases", lease)).items.length, 1);
    await one("Pools", "boards").filter({ hasText: /well.*0 waiting, 1 out, 1 worker within/s }).waitFor();
    await one("Workers", "board-7").filter({ hasText: /here board-7 \(boards\)holds trial 0, .* an hour, seen/s }).waitFor();
    await view.axe("who measures");
    await view.stillThere();
  });
});

test("two jobs are compared", async () => {
  await looking("/", async (view) => {
    await choose(view, "first");
    await choose(view, "second");
    await view.click("link", "Compare the two");
    await view.get("heading", "Two jobs").waitFor();
    for (const { best } of done) await view.see(best.verdict);
    const [a, b] = await Promise.all([...done].reverse().map(async ({ id }) => (await daemon.get(`/v1/jobs/${id}/best`)).config.ops));
    const differ = Object.keys(a).filter((op) => JSON.stringify(a[op]) !== JSON.stringify(b[op]));
    await view.see(`${differ.length} of ${Object.keys(a).length} operators.`);
    await view.axe("two jobs");
    await view.fits("two jobs");
  });
});

test("every figure is a picture to take away", async () => {
  await looking(`/jobs/${done[0].id}`, async (view) => {
    await view.see("learnt from");
    for (const [id, name] of [["scatter", "What accuracy costs"], ["history", "How the search went"], ["sensitivity", "Which operators hurt"],
      ["precision", "What the best configs do"], ["timeline", "Who measured, and when"]]) {
      const take = async (form) => {
        const [file] = await Promise.all([view.page.waitForEvent("download"), view.click("button", `${form} of ${name}`)]);
        assert.equal(file.suggestedFilename(), `${id}.${form.toLowerCase()}`);
        return readFileSync(await file.path());
      };
      const svg = (await take("SVG")).toString();
      assert.match(svg, /^<svg[^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      assert.ok(svg.includes("<text") && !svg.includes("var(--"), id);
      const png = await take("PNG");
      assert.deepEqual([...png.subarray(1, 4)], [..."PNG"].map((c) => c.charCodeAt(0)));
      const drawn = await view.page.locator(`#${id} svg.chart`).boundingBox();
      assert.equal(png.readUInt32BE(16), Math.floor(2 * drawn.width));
      assert.ok(png.length > 3000, `${id}: ${png.length} bytes`);
    }
  });
});
