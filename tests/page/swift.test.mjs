// How large the page is and how long it waits of its own accord; no clock of the machine decides.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Daemon, large, until } from "./kit.mjs";

const MOST_BYTES = { "/": 60_000, job: 100_000 };
const MOST_WAIT_MS = 200;
const STEP_MS = 10;
const LOADED = ["Document", "Script", "Stylesheet", "Image"];
let daemon, browser, big;

before(async () => {
  daemon = await new Daemon().start();
  browser = await new Browser().start();
  big = await large(daemon, 60, 24);
});

after(async () => {
  await browser?.stop();
  big?.stop();
  await daemon?.stop();
});

/** What a first visit loads besides what the API says, as it goes over the wire. */
async function loaded(where, shows) {
  const view = await browser.view(daemon.url);
  const client = await view.page.context().newCDPSession(view.page);
  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  const kinds = new Map();
  const files = [];
  client.on("Network.responseReceived", ({ requestId, type, response }) => kinds.set(requestId, { type, path: new URL(response.url).pathname }));
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const one = kinds.get(requestId);
    if (one && LOADED.includes(one.type)) files.push({ ...one, bytes: encodedDataLength });
  });
  await view.open(where);
  await view.see(shows);
  view.close();
  await view.page.close();
  return files;
}

test("a first visit loads little", async (context) => {
  const job = `/jobs/${big.id}`;
  for (const [name, where, shows] of [["/", "/", "Who measures"], ["job", job, "learnt from"]]) {
    const files = await loaded(where, shows);
    const bytes = files.reduce((sum, one) => sum + one.bytes, 0);
    context.diagnostic(`${name}: ${bytes} bytes in ${files.length} files`);
    assert.ok(files.some((one) => one.type === "Script") && files.some((one) => one.path === where), JSON.stringify(files));
    assert.ok(bytes <= MOST_BYTES[name], `${name} loads ${bytes} bytes: ${JSON.stringify(files)}`);
  }
});

test("a new trial is on the page before 200 ms were waited", async (context) => {
  const view = await browser.view(daemon.url);
  const { page } = view;
  // Timers, frames and the date of the page go on only when they are told to; the network goes on by itself.
  await page.clock.install();
  await page.addInitScript(() => {
    window.heard = 0;
    const listen = EventSource.prototype.addEventListener;
    EventSource.prototype.addEventListener = function (type, then) {
      listen.call(this, type, (message) => {
        then(message);
        window.heard += 1;
      });
    };
  });
  const open = new Set();
  page.on("request", (request) => request.resourceType() === "fetch" && open.add(request));
  for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => open.delete(request));
  await view.open(`/jobs/${big.id}`);
  const shown = async () => Number(/^(\d+) trials/.exec(await page.locator("#trials [role=status]").textContent())?.[1]);
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  let count = (await daemon.get(`/v1/jobs/${big.id}/trials?limit=1000`)).items.length;
  await until(async () => (await shown()) === count);
  await page.clock.pauseAt(await page.evaluate(() => Date.now() + 5000));
  const quiet = () => until(() => open.size === 0);
  await quiet();
  // One alone, and then one that comes while the page still rests from the one before.
  for (const more of [1, 1]) {
    const before = await page.evaluate(() => window.heard);
    await big.more(more);
    count += more;
    await until(() => page.evaluate((had) => window.heard > had, before));
    let waited = 0;
    for (await quiet(); (await shown()) < count && waited < 1000; waited += STEP_MS) {
      await page.clock.runFor(STEP_MS);
      await quiet();
    }
    context.diagnostic(`shown after ${waited} ms`);
    assert.equal(await shown(), count);
    assert.ok(waited <= MOST_WAIT_MS, `the page has waited for ${waited} ms`);
  }
  view.close();
  await page.close();
});
