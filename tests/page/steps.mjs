// What a person does on the page of a large job, step by step, and the longest task of each: CPU time, not the clock.
import { until } from "./kit.mjs";
import { tasks } from "./tracing.mjs";

/* Work of about the kind that a page does, always the same: how fast this machine is just now. */
const WORK = `(() => {
  const rows = Array.from({ length: 20000 }, (_, i) => ({ n: (i * 7919) % 9973, s: String(i) }));
  rows.sort((a, b) => a.n - b.n || a.s.localeCompare(b.s, "en"));
  return JSON.stringify(rows).length;
})()`;
const TIMES = 5;

const click = (selector) => `document.querySelector('${selector}').click()`;
const press = (selector, key) => `document.querySelector('${selector}').dispatchEvent(new KeyboardEvent("keydown", { key: "${key}", bubbles: true }))`;
const type = (text) => `{ const field = document.querySelector("#trials [role=combobox]"); field.value = "${text}"; field.dispatchEvent(new Event("input", { bubbles: true })); }`;

/** A page that is asked and told by the browser's own protocol alone: what tests bring along would be tasks, too. */
export class Steps {
  constructor(view, big) {
    this.view = view;
    this.big = big;
    this.open = new Set();
    view.page.on("request", (request) => request.resourceType() === "fetch" && this.open.add(request));
    for (const end of ["requestfinished", "requestfailed"]) view.page.on(end, (request) => this.open.delete(request));
  }
  async start() {
    this.client = await this.view.page.context().newCDPSession(this.view.page);
    return this;
  }
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.client.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }
  /** Nothing is asked any more, all that was asked for is drawn, and the page has nothing to do. */
  async quiet() {
    const idle = "new Promise((done) => requestIdleCallback(() => requestAnimationFrame(() => requestIdleCallback(done))))";
    await until(async () => this.open.size === 0 && (await this.evaluate(`${idle}.then(() => !!document.querySelector("#trials [role=status]")?.textContent.match(/^\\d+ (of .*)?trials?$/))`)) && this.open.size === 0);
  }
  async longest(act) {
    const [first] = await tasks(this.client, async () => {
      await act();
      await this.quiet();
    });
    return first;
  }
  /** CPU milliseconds that the same work takes here and now, the least of several times. */
  async calibration() {
    const found = await tasks(this.client, async () => {
      for (let i = 0; i < TIMES; i += 1) await this.evaluate(WORK);
    });
    return found.slice(0, TIMES).at(-1).ms;
  }
  /** So many trials more, until all of them are counted on the page. */
  async more(count) {
    const counted = () => this.evaluate(`Number.parseInt(document.querySelector("#trials [role=status]").textContent, 10)`);
    const before = await counted();
    await this.big.more(count);
    await until(async () => (await counted()) >= before + count);
  }
  /** Before each round: what an earlier page leaves behind is no part of opening one. */
  blank() {
    return this.client.send("Page.navigate", { url: "about:blank" });
  }
  /** The steps, by name; all of them can be done again. */
  all() {
    const say = (expression) => () => this.evaluate(expression);
    return {
      open: () => this.client.send("Page.navigate", { url: `${this.view.base}/jobs/${this.big.id}` }),
      "go to the trials": say(`document.getElementById("trials").scrollIntoView()`),
      "one trial more": () => this.more(1),
      "a hundred trials more": () => this.more(100),
      "a trial in the drawer": say(click("#trials button.row")),
      "close it": say(press(".drawer", "Escape")),
      "sort by loss": say(click("#trials thead th:nth-child(6) button")),
      filter: say(type("loss<1%")),
      "no filter": say(type("")),
      scroll: say(`document.querySelector(".virtual").scrollBy(0, 50000)`),
      "go to the figures": say(`document.getElementById("scatter").scrollIntoView()`),
      "drag the criterion": say(`for (let i = 0; i < 5; i += 1) ${press("[role=slider]", "ArrowDown")}`),
    };
  }
}
