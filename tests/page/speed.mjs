// How the page of a large job behaves on a slow machine: node speed.mjs [TRIALS [OPERATORS]].
// Prints the bytes, the first paint and every long task of each step, at four times CPU throttling.
import { Browser, Daemon, large } from "./kit.mjs";

const THROTTLE = 4;
const [trials, operators] = [Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 200)];
const daemon = await new Daemon().start();
const browser = await new Browser().start();
const job = await large(daemon, trials, operators);
const view = await browser.view(daemon.url);
const client = await view.page.context().newCDPSession(view.page);

async function rest() {
  // Longer than anything that the page puts off.
  await view.page.waitForTimeout(4000);
}

/** CPU time of the main thread's tasks, ms: another process that wants the machine does not count. */
async function tasks(act) {
  const events = [];
  const collect = ({ value }) => events.push(...value);
  client.on("Tracing.dataCollected", collect);
  await client.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "disabled-by-default-devtools.timeline", "devtools.timeline", "__metadata"] } });
  await act();
  await rest();
  const complete = new Promise((resolve) => client.once("Tracing.tracingComplete", resolve));
  await client.send("Tracing.end");
  await complete;
  client.off("Tracing.dataCollected", collect);
  const main = new Set(events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map((e) => `${e.pid} ${e.tid}`));
  const ours = events.filter((e) => main.has(`${e.pid} ${e.tid}`) && e.tdur > 0);
  return ours
    .filter((e) => e.name === "RunTask")
    .sort((a, b) => b.tdur - a.tdur)
    .map((task) => {
      const inside = ours.filter((e) => e !== task && e.name !== "RunTask" && e.pid === task.pid && e.ts >= task.ts && e.ts + e.dur <= task.ts + task.dur);
      const most = inside.sort((a, b) => b.tdur - a.tdur).slice(0, 3);
      return { ms: task.tdur / 1000, what: most.map((e) => `${e.name} ${Math.round(e.tdur / 1000)}`).join(", ") };
    });
}

async function step(name, act) {
  const found = await tasks(act);
  const long = found.filter(({ ms }) => ms > 50);
  console.log(`${name.padEnd(24)} longest task ${Math.round(found[0]?.ms ?? 0)} ms, ${long.length} over 50 ms`);
  for (const { ms, what } of long) console.log(`${"".padEnd(24)} ${Math.round(ms)} ms: ${what}`);
}

let bytes = 0;
await client.send("Network.enable");
client.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
await client.send("Emulation.setCPUThrottlingRate", { rate: THROTTLE });
await step("open", () => view.open(`/jobs/${job.id}`));
const paint = await view.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
console.log(`${"".padEnd(24)} first paint after ${Math.round(paint)} ms, ${bytes} bytes from the daemon, ${await view.page.evaluate(() => document.querySelectorAll("*").length)} elements`);
await step("one trial more", () => job.more(1));
await step("a hundred trials more", () => job.more(100));
// By selectors: looking for roles is work of its own.
const click = (selector) => view.page.evaluate((it) => document.querySelector(it).click(), selector);
await step("a trial in the drawer", () => click("#trials button.row"));
await step("sort by loss", () => click("#trials thead th:nth-child(6) button"));
await step("filter", () => view.page.locator("#trials [role=combobox]").fill("loss<1%"));
await step("scroll", () => view.page.evaluate(() => document.querySelector(".virtual").scrollBy(0, 50_000)));
await step("drag the criterion", async () => {
  await view.page.keyboard.press("Escape");
  await view.get("slider", "Accuracy that may be lost").focus();
  for (let i = 0; i < 5; i += 1) await view.page.keyboard.press("ArrowDown");
});
await client.send("Emulation.setCPUThrottlingRate", { rate: 1 });
await browser.stop();
job.stop();
await daemon.stop();
