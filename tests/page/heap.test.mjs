// A page that stays open: what its heap has after many updates and a collection, it had before them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Daemon, large } from "./kit.mjs";

/* An update that leaves its elements behind leaves more than 100 kB. */
const [WARM, UPDATES, MOST_BYTES_EACH] = [20, 60, 20_000];
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

/** Bytes per update that stay; `update` makes the n-th one and returns what the page then shows. */
async function growth(where, update) {
  const view = await browser.view(daemon.url);
  await view.open(where);
  const client = await view.page.context().newCDPSession(view.page);
  const used = async () => {
    for (let i = 0; i < 3; i += 1) await client.send("HeapProfiler.collectGarbage");
    return (await client.send("Runtime.getHeapUsage")).usedSize;
  };
  let made = 0;
  const updates = async (count) => {
    for (const end = made + count; made < end; made += 1) await view.see(await update(made));
  };
  await updates(WARM);
  const first = await used();
  await updates(UPDATES);
  const stays = ((await used()) - first) / UPDATES;
  await view.stillThere();
  view.close();
  await view.page.close();
  return stays;
}

const labelled = (place) => async (n) => {
  await daemon.ask("PATCH", `/v1/jobs/${big.id}`, { labels: { update: `${place}${n}` } });
  return `update=${place}${n}`;
};

for (const [name, where] of [["a job's page", () => `/jobs/${big.id}`], ["the home page", () => "/"]]) {
  test(`${name} does not grow with what happens while it is open`, async (context) => {
    const stays = await growth(where(), labelled(name.at(-6)));
    context.diagnostic(`${Math.round(stays)} bytes stay of each of ${UPDATES} updates`);
    assert.ok(stays < MOST_BYTES_EACH, `${Math.round(stays)} bytes stay of each update`);
  });
}
