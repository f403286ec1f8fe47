// First visits to tables of as many trials: node peers.mjs TRIALS OPERATORS VISITS NAME=URL ...; a bare page and narrowd's come first. bench/page_peers.py starts the others.
import http from "node:http";
import { Browser, Daemon, large, until } from "./kit.mjs";
import { tasks } from "./tracing.mjs";

const [trials, operators, visits] = process.argv.slice(2, 5).map(Number);
const QUIET_MS = 1000;
const LOADED = ["Document", "Script", "Stylesheet", "Image", "Font", "Manifest"];
const ASKED = ["Fetch", "XHR"];

/** Notes the page's clock once what a person came for is painted, and once the table has its rows; looks only when something has changed. */
const watch = (useful, usable) => `{
  window.seen = {};
  const look = () => {
    for (const [name, there] of [["useful", () => ${useful}], ["usable", () => ${usable}]]) {
      if (name in window.seen || !there()) continue;
      window.seen[name] = 0;
      requestAnimationFrame(() => setTimeout(() => (window.seen[name] = performance.now())));
    }
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
}`;

/** Bytes over the wire, when what was there, the main thread's CPU time until the table was, and until nothing was left to do. */
async function visit({ url, useful, usable }) {
  const browser = await new Browser().start();
  const view = await browser.view("");
  const client = await view.page.context().newCDPSession(view.page);
  for (const domain of ["Network", "Page"]) await client.send(`${domain}.enable`);
  await client.send("Page.addScriptToEvaluateOnNewDocument", { source: watch(useful, usable) });
  const kinds = new Map();
  const open = new Set();
  const seen = { page: 0, data: 0, files: 0 };
  client.on("Network.requestWillBeSent", ({ requestId, type }) => {
    kinds.set(requestId, type);
    if (ASKED.includes(type)) open.add(requestId);
  });
  client.on("Network.loadingFailed", ({ requestId }) => open.delete(requestId));
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    open.delete(requestId);
    const page = LOADED.includes(kinds.get(requestId));
    seen[page ? "page" : "data"] += encodedDataLength;
    seen.files += page ? 1 : 0;
  });
  const evaluate = async (expression) => (await client.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true })).result.value;
  const until_ = (name) => until(() => evaluate(`window.seen?.${name} > 0`));
  const first = await tasks(client, async () => {
    await client.send("Page.navigate", { url });
    await until_("usable");
    await until_("useful");
  });
  const then = await tasks(client, async () => {
    do await evaluate(`new Promise((done) => setTimeout(() => requestIdleCallback(done), ${QUIET_MS}))`);
    while (open.size > 0);
  });
  await client.send("HeapProfiler.collectGarbage");
  const { usedSize } = await client.send("Runtime.getHeapUsage");
  const [paint, useful_, usable_] = await evaluate(`[performance.getEntriesByName("first-contentful-paint")[0]?.startTime, seen.useful, seen.usable]`);
  await browser.stop();
  const sum = (found) => found.reduce((all, one) => all + one.ms, 0);
  return {
    "page, kB": seen.page / 1000,
    files: seen.files,
    "data, kB": seen.data / 1000,
    "first paint, ms": paint,
    "first useful paint, ms": useful_,
    "table usable, ms": usable_,
    "CPU until then, ms": sum(first),
    "CPU in all, ms": sum(first) + sum(then),
    "longest task, CPU ms": Math.max(first[0].ms, then[0]?.ms ?? 0),
    "tasks over 50 ms": [...first, ...then].filter((one) => one.ms > 50).length,
    "heap, MB": usedSize / 1e6,
  };
}

const bare = http.createServer((_, response) => response.end("<!doctype html><title>bare</title><p>bare")).listen(0, "127.0.0.1");
await until(() => bare.address());
const daemon = await new Daemon().start();
const job = await large(daemon, trials, operators);
const there = (selector) => `document.querySelector("${selector}")`;
const listed = `/\\b${trials} Trials\\b/.test(document.body?.innerText)`;
const pages = [
  { name: "a bare page", url: `http://127.0.0.1:${bare.address().port}/`, useful: there("p"), usable: there("p") },
  {
    name: "narrowd",
    url: `${daemon.url}/jobs/${job.id}`,
    useful: there(".answer .short"),
    usable: `/^\\d+ trials$/.test(${there("#trials [role=status]")}?.textContent)`,
  },
  ...process.argv.slice(5).map((one) => {
    const [, name, url] = /^([^=]+)=(.*)$/.exec(one);
    return { name, url, useful: listed, usable: listed };
  }),
];
console.log(`${trials} trials of ${operators} operators, the median of ${visits} first visits, which take turns`);
const all = new Map(pages.map((page) => [page, []]));
for (let n = 0; n < visits; n += 1) for (const page of pages) all.get(page).push(await visit(page));
for (const [{ name }, found] of all) {
  const median = (key) => found.map((one) => one[key]).sort((a, b) => a - b)[visits >> 1];
  console.log(`${name}: ${Object.keys(found[0]).map((key) => `${key} ${Number(median(key)?.toPrecision(3))}`).join("; ")}`);
}
bare.close();
job.stop();
await daemon.stop();
