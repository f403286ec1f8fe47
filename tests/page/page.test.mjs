// The pages in a real browser: live, through a crash of the daemon, and for everybody.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, digits, job, scripted, until } from "./kit.mjs";

let daemon, browser, evaluator, done;

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start();
  evaluator = digits();
  done = await daemon.submit(job(await evaluator.url, { name: "finished digits", labels: { team: "edge" } }));
  await daemon.finished(done);
});

after(async () => {
  await browser?.stop();
  await evaluator?.stop();
  await daemon?.stop();
});

const looking = (where, body) => browser.looking(daemon.url + where, body);

const alone = { pool: "nobody" };
const waiting = (more = {}) => job("", { evaluator: alone, capability: capability(4), ...more });

test("an error in the console or of the policy would be seen", async () => {
  const view = await browser.view(daemon.url);
  await view.open("/");
  await view.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
  });
  await until(() => view.faults.length > 0);
  assert.match(view.faults[0], /Content Security Policy/);
  assert.equal(await view.page.evaluate(() => window.ran), undefined);
  assert.throws(() => view.close());
  await view.page.close();
});

test("a job appears, runs and ends without a reload", async () => {
  await looking("/", async (view) => {
    const id = await daemon.submit(job(await evaluator.url, { name: "watched digits" }));
    await view.click("link", "watched digits");
    await view.page.waitForURL(`**/jobs/${id}`);
    await view.page.evaluate(() => (window.notReloaded = true));
    const { best } = await daemon.finished(id);
    await view.see("It has ended.");
    const words = best.verdict.charAt(0).toUpperCase() + best.verdict.slice(1);
    await view.see(words);
    await view.see(`Yes, trial ${best.trial}.`);
    await view.page.getByRole("status").filter({ hasText: "ended" }).waitFor();
    await view.stillThere();
  });
});

test("what changes is there at once", async () => {
  const id = await daemon.submit(waiting({ name: "before" }));
  await looking(`/jobs/${id}`, async (view) => {
    await view.page.getByRole("status").filter({ hasText: "live" }).waitFor();
    await daemon.ask("PATCH", `/v1/jobs/${id}`, { name: "after" });
    await view.get("heading", "after").waitFor();
    await daemon.ask("POST", `/v1/jobs/${id}/pause`);
    await view.see("It is paused.");
    await view.stillThere();
  });
});

test("a daemon that was killed comes back, and nothing is missed", async () => {
  const id = await daemon.submit(waiting({ name: "long lived" }));
  await looking(`/jobs/${id}`, async (view) => {
    view.forgiven = /ERR_(CONNECTION|SOCKET|EMPTY|INCOMPLETE)_/;
    await view.page.getByRole("status").filter({ hasText: "live" }).waitFor();
    await daemon.kill9();
    await view.see("connection lost, trying again");
    await daemon.start();
    await daemon.ask("PATCH", `/v1/jobs/${id}`, { name: "long lived and renamed" });
    await view.get("heading", "long lived and renamed").waitFor();
    await view.page.getByRole("status").filter({ hasText: "live" }).waitFor();
    await view.stillThere();
  });
});

test("the time of a job does not go back when its daemon is killed", async () => {
  const id = await daemon.submit(waiting({ name: "timed" }));
  await looking(`/jobs/${id}`, async (view) => {
    view.forgiven = /ERR_(CONNECTION|SOCKET|EMPTY|INCOMPLETE)_/;
    const shown = async () => Number(/^([\d.]+) s$/m.exec((await view.page.locator(".sub > span").allTextContents()).join("\n"))[1]);
    // Nothing happens meanwhile, so the daemon stores nothing of what its clock runs.
    const before_ = await until(async () => {
      await view.page.reload();
      await view.get("heading", "timed").waitFor();
      const seconds = await shown();
      return seconds >= 1 && seconds;
    });
    await view.page.getByRole("status").filter({ hasText: "live" }).waitFor();
    await daemon.kill9();
    await view.see("connection lost, trying again");
    await daemon.start();
    await daemon.ask("PATCH", `/v1/jobs/${id}`, { name: "timed on" });
    await view.get("heading", "timed on").waitFor();
    const after_ = await shown();
    assert.ok(after_ >= before_, `${after_} s after ${before_} s`);
  });
});

test("an answer that is not there for now is asked for again, though nothing happens", async () => {
  const id = await daemon.submit(waiting({ name: "behind a proxy" }));
  await looking(`/jobs/${id}`, async (view) => {
    view.forgiven = /status of 50[23]/;
    const refused = [];
    const refuse = (where, status) =>
      view.page.route(where, (route) => (refused.push(status) > 2 ? route.continue() : route.fulfill({ status, body: "nobody is there" })));
    await view.page.getByRole("status").filter({ hasText: "live" }).waitFor();
    // While it is shown: what was there stays.
    await refuse(`**/v1/jobs/${id}`, 502);
    await daemon.ask("PATCH", `/v1/jobs/${id}`, { name: "behind a proxy that woke up" });
    await view.see("the daemon's answer cannot be read");
    assert.equal(await view.get("heading", "behind a proxy").count(), 1);
    await view.get("heading", "behind a proxy that woke up").waitFor();
    await view.page.unroute(`**/v1/jobs/${id}`);
    // From the beginning.
    refused.length = 0;
    await refuse(`**/v1/jobs/${id}/trials*`, 503);
    await refuse(`**/v1/jobs/${id}`, 502);
    await view.page.reload();
    await view.get("heading", "This job cannot be shown").waitFor();
    await view.get("heading", "behind a proxy that woke up").waitFor();
    await view.page.getByRole("status").filter({ hasText: /^\d+ trial/ }).waitFor();
    await view.page.getByText("the daemon's answer cannot be read").waitFor({ state: "detached" });
  });
});

test("an evaluator that is down is named", async () => {
  const gone = await scripted(() => ({}));
  gone.stop();
  const id = await daemon.submit(job(gone.url, { capability: capability(4), retry: { max_attempts: 20, backoff_s: 0 } }));
  await looking(`/jobs/${id}`, async (view) => {
    await view.see("It waits for an evaluator.");
    await view.see(`Evaluator down: ${gone.url}`);
  });
  await daemon.ask("POST", `/v1/jobs/${id}/cancel`);
});

test("a job without workers says how one is started", async () => {
  const evaluator = { pool: "call-1", start: "run tune.py again" };
  const id = await daemon.submit(job("", { capability: capability(4), evaluator }));
  await looking(`/jobs/${id}`, async (view) => {
    await view.see("It waits for a worker.");
    await view.see("No worker is there for pool call-1; to start one: run tune.py again.");
    await view.get("button", "Start again").click();
    await view.see("It is measured once a worker has been started: run tune.py again.");
  });
  await daemon.ask("POST", `/v1/jobs/${id}/cancel`);
});

test("the line is solved as the daemon solves it", async () => {
  await looking(`/jobs/${done}`, async (view) => {
    for (const percent of [0, 2, 30]) {
      const best = await daemon.get(`/v1/jobs/${done}/best?tolerable_loss=${percent / 100}`);
      await view.fill("spinbutton", "What if this may be lost", String(percent));
      const often = best.measurements === 1 ? "once" : `${best.measurements} times`;
      const says = !best.feasible ? "nothing that was measured would do." : best.keep_baseline ? "the baseline is the best that was measured." : `trial ${best.trial}, `;
      const sentence = view.page.getByText(`With ${percent} % to lose: ${says}`);
      await sentence.waitFor();
      if (says.startsWith("trial")) assert.ok((await sentence.textContent()).endsWith(`Measured ${often}; nothing was asked.`));
    }
    const line = view.get("slider", "Accuracy that may be lost");
    await line.focus();
    const before_ = Number(await line.getAttribute("aria-valuenow"));
    await view.page.keyboard.press("ArrowDown");
    await until(async () => Math.abs(Number(await line.getAttribute("aria-valuenow")) - before_ - 0.1) < 1e-6);
    await view.see(/With 30.1 % to lose: (nothing|the baseline|trial)/);
    const box = await line.boundingBox();
    await view.page.mouse.move(box.x + 100, box.y + box.height / 2);
    await view.page.mouse.down();
    await view.page.mouse.move(box.x + 100, box.y + box.height / 2 - 40);
    await view.page.mouse.up();
    await until(async () => Number(await line.getAttribute("aria-valuenow")) < before_);
    await view.fill("spinbutton", "What if this may be lost", "-1");
    await view.see(/With 0 % to lose: (nothing|the baseline|trial)/);
    await view.fill("spinbutton", "What if this may be lost", "300");
    await view.see(/With 100 % to lose: (nothing|the baseline|trial)/);
    await view.click("button", "Back to 1 %");
    await until(async () => (await line.getAttribute("aria-valuenow")) === "1");
  });
});

test("every figure has its table and its address", async () => {
  await looking(`/jobs/${done}`, async (view) => {
    for (const [id, name] of [["scatter", "What accuracy costs"], ["history", "How the search went"], ["sensitivity", "Which operators hurt"],
      ["precision", "What the best configs do"], ["timeline", "Who measured, and when"]]) {
      await view.click("button", `Table of ${name}`);
      const rows = view.page.locator(`#${id} .twin tbody tr`);
      await rows.first().waitFor();
      assert.ok((await rows.count()) > 2, name);
      const [file] = await Promise.all([view.page.waitForEvent("download"), view.click("button", `CSV of ${name}`)]);
      assert.equal(file.suggestedFilename(), `${id}.csv`);
      if (id === "history") {
        await rows.filter({ hasText: "default: every operator in its first option" }).first().waitFor();
        assert.match(readFileSync(await file.path()).toString(), /^\d+,"default",/m, "programs read the name alone");
      }
      assert.equal(await view.page.locator(`#${id} h2 a`).getAttribute("href"), `#${id}`);
    }
  });
  await looking(`/jobs/${done}#timeline`, async (view) => {
    const inSight = () => {
      const place = document.querySelector("#timeline h2")?.getBoundingClientRect();
      return place && scrollY > 0 && place.top >= 0 && place.bottom <= innerHeight;
    };
    await view.page.waitForFunction(inSight);
    const marks = await view.page.locator("#timeline .axes text").allTextContents();
    assert.ok(marks.length > 1 && new Set(marks).size === marks.length, `marks are told apart: ${marks}`);
  });
});

test("trials are moved through by keyboard", async () => {
  await looking(`/jobs/${done}`, async (view) => {
    const rows = view.page.locator("#trials button.row");
    const name = await rows.nth(1).getAttribute("aria-label");
    await rows.first().focus();
    await view.page.keyboard.press("j");
    await view.page.keyboard.press("j");
    await view.page.keyboard.press("k");
    await view.focused(name);
    await view.page.keyboard.press("Enter");
    await view.get("complementary", name).waitFor();
    await view.see("measured by");
    await view.page.keyboard.press("Escape");
    await view.get("complementary", name).waitFor({ state: "detached" });
    await view.focused(name);
  });
});

test("the daemon's messages stand beside the fields of a new job", async () => {
  await looking("/#new", async (view) => {
    view.forgiven = /status of 422/;
    await view.fill("textbox", "URL of the evaluator", await evaluator.url);
    await view.fill("textbox", "Trials at most", "0");
    await view.fill("textbox", "Loss that is allowed", "7");
    await view.click("button", "Start the job");
    const note = view.page.locator(".field.faulty");
    await until(async () => (await note.count()) === 2);
    assert.match(await note.filter({ hasText: "Trials at most" }).textContent(), /from 1 to 100000/);
    await view.fill("textbox", "Trials at most", "3");
    await view.fill("textbox", "Loss that is allowed", "0.02");
    await view.click("button", "Only check it");
    await view.see("Fine: 12 operators");
    await view.fill("textbox", "Name", "made by hand");
    await view.click("button", "Start the job");
    await view.page.waitForURL("**/jobs/job_*");
    await view.get("heading", "made by hand").waitFor();
  });
});

test("without scripts there are tables", async () => {
  const plain = await new Browser().start({ javaScriptEnabled: false });
  const view = await plain.view(daemon.url);
  await view.page.goto(daemon.url);
  await view.get("link", "finished digits").click();
  await view.page.getByRole("heading", { name: "finished digits" }).waitFor();
  const rows = view.page.getByRole("table", { name: "Trials, newest first" }).getByRole("row");
  await rows.first().waitFor();
  assert.ok((await rows.count()) > 10);
  view.close();
  await plain.stop();
});

test("axe finds nothing in the tables without scripts", async () => {
  // axe is a script: the tables as such a browser gets them, in one that has scripts.
  const without = (change) => async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: change(await answer.text()) });
  };
  const view = await browser.view(daemon.url);
  await view.page.route((url) => url.pathname.endsWith(".css"), without((text) => text.replaceAll("(scripting: enabled)", "not all")));
  await view.page.route((url) => /^\/(jobs\/.*)?$/.test(url.pathname), without((text) => text.replace(/<script.*?<\/script>/gs, "").replace(/<noscript.*?<\/noscript>/gs, "")));
  for (const colorScheme of ["light", "dark"]) {
    await view.page.emulateMedia({ colorScheme });
    for (const where of ["/", `/jobs/${done}`]) {
      await view.page.goto(daemon.url + where);
      await view.page.getByRole("table").last().waitFor();
      await view.axe(`${where} without scripts, ${colorScheme}`);
    }
  }
  view.close();
  await view.page.close();
});

test("axe finds nothing, in both themes, wide and at 320 pixels", async () => {
  const open = await daemon.submit(waiting({ name: "open" }));
  const states = {
    "/": async () => {},
    [`/jobs/${open}`]: async (view) => view.click("button", "Budget"),
    [`/jobs/${open}#stop`]: async (view) => view.click("button", "Stop"),
    [`/jobs/${done}`]: async (view) => view.click("button", "Trial 1"),
    [`/jobs/${done}#again`]: async (view) => {
      await view.click("button", "Start again");
      await view.see("Use what was measured already");
    },
    [`/#compare=${done},${open}`]: async (view) => view.see("In what the best configs differ"),
    [`/jobs/${done}#tables`]: async (view) => {
      for (const button of await view.page.getByRole("button", { name: /^Table of/ }).all()) await button.click();
      await view.click("button", "Take it away");
    },
    "/#new": async (view) => {
      view.forgiven = /status of 422/;
      await view.click("button", "Start the job");
      await view.page.getByRole("alert").waitFor();
    },
    "/#new=json": async (view) => {
      view.forgiven = /status of 404/;
      await view.click("button", "As JSON");
      await view.get("textbox", "The job").waitFor();
    },
    "/jobs/job_none": async (view) => {
      view.forgiven = /status of 404/;
      await view.get("heading", "This job cannot be shown").waitFor();
    },
  };
  // Each in both themes and both widths; all four pairs come up, and none costs twice.
  for (const [n, [where, prepare]] of Object.entries(states).entries()) {
    for (const [colorScheme, width] of n % 2 ? [["light", 1280], ["dark", 320]] : [["light", 320], ["dark", 1280]]) {
      const view = await browser.view(daemon.url);
      view.forgiven = /status of 404/;
      await view.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await view.page.setViewportSize({ width, height: 900 });
      await view.open(where);
      if (where.startsWith(`/jobs/${done}`)) await view.see("learnt from");
      await prepare(view);
      assert.equal(await view.page.evaluate(() => document.getAnimations().length), 0, "nothing moves for those who do not want it");
      await view.axe(`${where} ${colorScheme} ${width}`);
      await view.fits(where);
      view.close();
      await view.page.close();
    }
  }
});

test("on paper are figures and tables, and nothing to press", async () => {
  await looking(`/jobs/${done}`, async (view) => {
    await view.see("learnt from");
    await view.page.emulateMedia({ media: "print" });
    for (const name of ["Pause", "Start again", "Take it away", "Table of How the search went", "Show trial"]) {
      assert.equal(await view.page.getByRole("button", { name }).count(), 0, name);
    }
    for (const name of ["What accuracy costs", "Which operators hurt", "Who measured, and when"]) {
      await view.get("region", name).locator("svg.chart").waitFor();
    }
    await view.get("region", "May I ship it?").waitFor();
    await view.axe("on paper");
    await view.fits("on paper");
  });
});
