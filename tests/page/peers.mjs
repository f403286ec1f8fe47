// Visits to pages with as many trials: node peers.mjs TRIALS OPERATORS VISITS NAME=URL ...; narrowd's own comes first. bench/page_peers.py starts the others.
import { Browser, Daemon, large } from "./kit.mjs";
import { tasks } from "./tracing.mjs";

const [trials, operators, visits] = process.argv.slice(2, 5).map(Number);
const QUIET_MS = 3000;
/* Who has not come to rest by then is described as it is then. */
const MOST_MS = 120_000;
const LOADED = ["Document", "Script", "Stylesheet", "Image", "Font", "Manifest"];

/** Bytes over the wire, the first paint and the main thread's CPU time until it had nothing to do for a while. */
async function visit(url) {
  const browser = await new Browser().start();
  const view = await browser.view("");
  const client = await view.page.context().newCDPSession(view.page);
  await client.send("Network.enable");
  const kinds = new Map();
  const seen = { page: 0, data: 0, files: 0 };
  let last = Date.now();
  client.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    last = Date.now();
    const page = LOADED.includes(kinds.get(requestId));
    seen[page ? "page" : "data"] += encodedDataLength;
    seen.files += page ? 1 : 0;
  });
  const evaluate = async (expression) => (await client.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true })).result.value;
  const began = Date.now();
  const soon = (promise) => Promise.race([promise.catch(() => {}), new Promise((done) => setTimeout(done, MOST_MS).unref())]);
  const found = await tasks(client, async () => {
    await client.send("Page.navigate", { url });
    do {
      await soon(evaluate("new Promise((done) => setTimeout(() => requestIdleCallback(done), 500))"));
    } while (Date.now() - last < QUIET_MS && Date.now() - began < MOST_MS);
  });
  const rest = Date.now() - began < MOST_MS;
  await client.send("HeapProfiler.collectGarbage");
  const { usedSize } = await client.send("Runtime.getHeapUsage");
  const paint = await evaluate(`performance.getEntriesByName("first-contentful-paint")[0]?.startTime`);
  await browser.stop();
  return {
    "page, kB": seen.page / 1000,
    files: seen.files,
    "came to rest": Number(rest),
    "data, kB": seen.data / 1000,
    "first paint, ms": paint,
    "CPU, ms": found.reduce((sum, one) => sum + one.ms, 0),
    "longest task, ms": found[0].ms,
    "heap, MB": usedSize / 1e6,
  };
}

const daemon = await new Daemon().start();
const job = await large(daemon, trials, operators);
const pages = [["narrowd", `${daemon.url}/jobs/${job.id}`], ...process.argv.slice(5).map((one) => /^([^=]+)=(.*)$/.exec(one).slice(1))];
console.log(`${trials} trials of ${operators} operators, the median of ${visits} first visits, which take turns`);
const all = Object.fromEntries(pages.map(([name]) => [name, []]));
for (let n = 0; n < visits; n += 1) for (const [name, url] of pages) all[name].push(await visit(url));
for (const [name, found] of Object.entries(all)) {
  const median = (key) => found.map((one) => one[key]).sort((a, b) => a - b)[visits >> 1];
  console.log(`${name}: ${Object.keys(found[0]).map((key) => `${key} ${Number(median(key)?.toPrecision(3))}`).join("; ")}`);
}
job.stop();
await daemon.stop();
