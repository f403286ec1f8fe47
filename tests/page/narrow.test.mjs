// All pages on a screen as narrow as a phone: nothing is cut, and nothing but the boxes that say so has to be scrolled sideways.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, digits, job, scripted, until } from "./kit.mjs";

const WIDTH = 390;
/** Words as evaluators and people write them, which no line has room for. */
const LONG = "a_name_that_is_much_longer_than_a_narrow_screen_is_wide_and_has_no_space_in_it";

let daemon, browser, evaluator, refusing;
const ids = {};

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start({ viewport: { width: WIDTH, height: 900 } });
  evaluator = digits();
  const url = await evaluator.url;
  const weights = [{ metric: "latency_ms", weight: 0.7 }, { metric: "model_size_bytes", weight: 0.3 }];
  const weighed = job(url, { name: "weighed", max_trials: 8 });
  Object.assign(weighed.tuning_criterion, { objective: weights });
  ids.done = await daemon.submit(job(url, { name: LONG, max_trials: 8, labels: { [LONG.slice(0, 60)]: "edge" } }));
  ids.weighed = await daemon.submit(weighed);
  refusing = await scripted((path) => (path.endsWith("/capability") ? capability(4) : [500, { error: LONG }, {}]));
  ids.failed = await daemon.submit(job(refusing.url, { name: "failed", retry: { max_attempts: 1, backoff_s: 0 } }));
  for (const id of Object.values(ids)) await daemon.finished(id);
  const pool = LONG.slice(0, 60);
  ids.open = await daemon.submit(job("", { name: "open", evaluator: { pool, start: `run ${LONG}` }, capability: capability(4) }));
  await daemon.ask("POST", "/v1/evaluators", { name: LONG.slice(0, 60), url });
  await until(async () => (await daemon.get("/v1/pools")).items.length === 1);
  assert.equal((await daemon.ask("POST", "/v1/leases", { pool, worker: LONG, wait_s: 20 })).items.length, 1);
});

after(async () => {
  await browser?.stop();
  await evaluator?.stop();
  refusing?.stop();
  await daemon?.stop();
});

/** In the page: what is drawn or written beyond the box that shows it, and boxes that can be scrolled sideways without saying so. */
function beyond() {
  const found = [];
  const name = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""} "${(e.textContent ?? "").trim().slice(0, 50)}"`;
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(".hidden, .skip, title, option");
  const boxOf = (e) => {
    for (let box = e.parentElement; box; box = box.parentElement) if (getComputedStyle(box).overflowX !== "visible") return box;
    return document.documentElement;
  };
  const ends = (e) => {
    const words = [...e.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
    const drawn = words.flatMap((node) => {
      const range = document.createRange();
      range.selectNode(node);
      return [...range.getClientRects()];
    });
    const rects = [e.getBoundingClientRect(), ...drawn].filter((r) => r.width > 0 && r.height > 0);
    return rects.length > 0 && [Math.min(...rects.map((r) => r.left)), Math.max(...rects.map((r) => r.right))];
  };
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const e of document.querySelectorAll("body *")) {
    if (!seen(e)) continue;
    const style = getComputedStyle(e);
    const scrolls = ["auto", "scroll"].includes(style.overflowX);
    if (scrolls && e.scrollWidth > e.clientWidth) {
      const hint = style.backgroundAttachment.includes("local") && style.backgroundImage.includes("gradient");
      if (!hint) found.push(`can be scrolled and does not say so: ${name(e)}`);
    }
    // What it does not show itself can be read elsewhere: the start stands there, and the whole in its title.
    if (style.overflowX === "hidden" && style.textOverflow === "ellipsis" && e.title) continue;
    const span = ends(e);
    const box = boxOf(e);
    const reach = box === document.documentElement ? { left: 0, right: innerWidth } : box.getBoundingClientRect();
    const within = ["auto", "scroll"].includes(getComputedStyle(box).overflowX) && box !== document.documentElement;
    if (span && !within && (span[0] < reach.left - 1 || span[1] > reach.right + 1)) found.push(`${span.map(Math.round)} in ${Math.round(reach.left)},${Math.round(reach.right)}: ${name(e)}`);
  }
  return found;
}

const tables = async (view) => {
  for (const button of await view.page.getByRole("button", { name: /^Table of/ }).all()) await button.click();
};
const press = (name) => (view) => view.click("button", name);

const PAGES = () => [
  ["all jobs", "/", (view) => view.see("an hour, seen")],
  ["chosen jobs", "/", async (view) => {
    for (const box of await view.page.getByRole("checkbox", { name: /^Choose / }).all()) await box.click();
    await view.see("4 jobs chosen");
  }],
  ...Object.entries(ids).map(([name, id]) => [`the job ${name}`, `/jobs/${id}`]),
  ["its tables", `/jobs/${ids.done}`, tables],
  ["a trial", `/jobs/${ids.done}`, press("Trial 1")],
  ["what is taken away", `/jobs/${ids.done}`, press("Take it away")],
  ["a clone", `/jobs/${ids.done}`, press("Start again")],
  ["the choices of operators", `/jobs/${ids.done}`, (view) => view.page.getByText("Choices of each operator").first().click()],
  ["a budget", `/jobs/${ids.open}`, press("Budget")],
  ["stopping", `/jobs/${ids.open}`, press("Stop")],
  ["two jobs", `/#compare=${ids.done},${ids.weighed}`, async (view) => {
    await view.see("In what the best configs differ");
    await view.see("They go by different things");
  }],
  ["a new job", "/#new"],
  ["a new job as JSON", "/#new", press("As JSON")],
  ["what an evaluator can do", "/#new", async (view) => {
    await view.fill("textbox", "URL of the evaluator", await evaluator.url);
    await view.click("button", "Ask it what it can do");
    await view.see("DepthwiseConv2d");
  }],
  ["no job", "/jobs/job_none", (view) => view.see("This job cannot be shown")],
];

/** All of the page is in sight, or what is out of it is not laid out. */
async function whole(view) {
  for (let before_ = 0; ; ) {
    const height = await view.page.evaluate(() => Math.max(900, document.querySelector("main").getBoundingClientRect().bottom + scrollY));
    if (height <= before_) return;
    before_ = height;
    await view.page.setViewportSize({ width: WIDTH, height: Math.ceil(height) });
    // A drawing takes the width of its place in a task behind the frame that tells it.
    await view.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done))))));
  }
}

test("nothing is cut on a narrow screen, on no page", async () => {
  const wrong = [];
  for (const [name, where, prepare] of PAGES()) {
    const view = await browser.view(daemon.url);
    view.forgiven = /status of 404/;
    await view.open(where);
    if (where.startsWith("/jobs/job_") && !where.endsWith("none")) await view.see("What may be tried");
    await whole(view);
    await prepare?.(view);
    await whole(view);
    wrong.push(...(await view.page.evaluate(beyond)).map((one) => `${name}: ${one}`));
    view.close();
    await view.page.close();
  }
  assert.deepEqual(wrong, []);
});

test("nothing is cut in the tables without scripts", async () => {
  const plain = await new Browser().start({ javaScriptEnabled: false, viewport: { width: WIDTH, height: 900 } });
  try {
    const view = await plain.view(daemon.url);
    for (const where of ["/", `/jobs/${ids.done}`, `/jobs/${ids.failed}`]) {
      await view.page.goto(daemon.url + where);
      await view.page.getByRole("table").last().waitFor();
      assert.deepEqual(await view.page.evaluate(beyond), [], where);
    }
    view.close();
  } finally {
    await plain.stop();
  }
});
