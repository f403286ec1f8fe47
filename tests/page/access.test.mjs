// Where a token is needed: logging in, what a token lets do, and one that ends while the page is open.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Browser, Daemon, capability, job } from "./kit.mjs";

let daemon, browser, id;

before(async () => {
  daemon = await new Daemon("--auth", "always").start();
  browser = await new Browser().start();
  daemon.token = daemon.run("token", "create", "--owner", "ann", "--scope", "read", "--scope", "submit", "--scope", "admin");
  id = await daemon.submit(job("", { name: "a job of ann", evaluator: { pool: "nobody" }, capability: capability(4) }));
});

after(async () => {
  await browser?.stop();
  await daemon?.stop();
});

async function loggedIn(token) {
  const view = await browser.view(daemon.url);
  view.forgiven = /status of 401/;
  await view.page.context().clearCookies();
  await view.open(`/jobs/${id}`);
  await view.get("heading", "Log in").waitFor();
  await view.axe("logging in");
  await view.page.getByLabel("Token").fill(token);
  await view.page.keyboard.press("Enter");
  await view.get("heading", "a job of ann").waitFor();
  return view;
}

test("a wrong token is refused in words", async () => {
  const view = await browser.view(daemon.url);
  view.forgiven = /status of 401/;
  await view.open("/");
  await view.page.getByLabel("Token").fill("nrw_wrong");
  await view.click("button", "Log in");
  await view.page.getByRole("alert").waitFor();
  view.close();
  await view.page.close();
});

test("a token that may only read sees no buttons, and one that ends is asked for again", async () => {
  const token = daemon.run("token", "create", "--owner", "ann", "--scope", "read");
  const view = await loggedIn(token);
  await view.get("region", "May I ship it?").waitFor();
  for (const name of ["Pause", "Budget", "Stop", "Start again"]) {
    assert.equal(await view.page.getByRole("button", { name }).count(), 0, name);
  }
  assert.equal(await view.page.evaluate(() => document.cookie), "", "scripts cannot read it");
  const { token: made } = await (await fetch(`${daemon.url}/v1/session`, { headers: { Authorization: `Bearer ${token}` } })).json();
  daemon.run("token", "revoke", made);
  await daemon.ask("PATCH", `/v1/jobs/${id}`, { labels: { news: "yes" } });
  await view.get("heading", "Log in").waitFor();
  await view.stillThere();
  view.close();
  await view.page.close();
});

test("a token that may submit has the buttons, and can be forgotten", async () => {
  const view = await loggedIn(daemon.token);
  await view.click("button", "Pause");
  await view.see("It is paused.");
  await view.click("button", "Log out");
  await view.get("heading", "Log in").waitFor();
  view.close();
  await view.page.close();
});
