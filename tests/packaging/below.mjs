// What somebody does on the page below a path of a proxy: logs in, opens a job, sees it change, goes back.
import { createRequire } from "node:module";
import path from "node:path";

const [root, token, job] = process.argv.slice(2);
const { chromium } = createRequire(path.join(process.env.NARROWD_NODE_MODULES, "/"))("playwright-core");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const view = await context.newPage();
view.setDefaultTimeout(Number(process.env.NARROWD_PATIENCE_MS ?? 600_000));
const strays = [];
view.on("request", (request) => request.url().startsWith(`${root}/`) || strays.push(request.url()));
await view.goto(`${root}/`);
await view.getByLabel("Token").fill(token);
await view.getByRole("button", { name: "Log in" }).click();
await view.locator(`a[href="${new URL(root).pathname}/jobs/${job}"]`).first().click();
await view.waitForURL(`${root}/jobs/${job}`);
await view.getByText("live", { exact: false }).first().waitFor();
await fetch(`${root}/v1/jobs/${job}/cancel`, {
  method: "POST", body: "{}", headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
});
// Nobody reads the page again: a stream that the proxy held back would not say it.
await view.getByText("cancelled", { exact: false }).first().waitFor();
await view.getByRole("link", { name: "All jobs" }).first().click();
await view.waitForURL(`${root}/`);
await browser.close();
console.log(strays.length === 0 ? "all of it works" : strays.join("\n"));
