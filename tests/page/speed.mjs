// How the page of a large job behaves on a slow machine: node speed.mjs [TRIALS [OPERATORS]].
// Prints the bytes, the first paint, how soon a new trial is there, and the longest task of each step, at four times CPU throttling.
import { Browser, Daemon, large, until } from "./kit.mjs";
import { Steps } from "./steps.mjs";

const THROTTLE = 4;
const NEW_TRIALS = 20;
const [trials, operators] = [Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 200)];
const daemon = await new Daemon().start();
const browser = await new Browser().start();
const job = await large(daemon, trials, operators);
const view = await browser.view(daemon.url);
const steps = await new Steps(view, job).start();
const throttle = (rate) => steps.client.send("Emulation.setCPUThrottlingRate", { rate });

let bytes = 0;
await steps.client.send("Network.enable");
steps.client.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
console.log(`${"the same work".padEnd(24)} ${(await steps.calibration()).toFixed(1)} ms`);
await throttle(THROTTLE);
console.log(`${"throttled".padEnd(24)} ${(await steps.calibration()).toFixed(1)} ms`);
for (const [name, act] of Object.entries(steps.all())) {
  const { ms, what } = await steps.longest(act);
  console.log(`${name.padEnd(24)} longest task ${Math.round(ms)} ms: ${what}`);
}
await throttle(1);
const [paint, elements] = await steps.evaluate(`[performance.getEntriesByName("first-contentful-paint")[0]?.startTime, document.querySelectorAll("*").length]`);
console.log(`first paint after ${Math.round(paint)} ms, ${bytes} bytes from the daemon, ${elements} elements`);
const delays = [];
for (let i = 0; i < NEW_TRIALS; i += 1) {
  const shown = () => steps.evaluate(`Number.parseInt(document.querySelector("#trials [role=status]").textContent, 10)`);
  const before = await shown();
  await job.more(1);
  const committed = Date.now();
  await until(async () => (await shown()) > before);
  delays.push(Date.now() - committed);
  await steps.quiet();
}
delays.sort((a, b) => a - b);
console.log(`a new trial is on the page ${delays[NEW_TRIALS / 2]} ms after the answer to its import, at most ${delays.at(-1)} ms`);
await browser.stop();
job.stop();
await daemon.stop();
