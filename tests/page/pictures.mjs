// Pictures of the pages as they are: node pictures.mjs FOLDER.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { Browser, Daemon, digits, job } from "./kit.mjs";

const folder = process.argv[2] ?? "pictures";
mkdirSync(folder, { recursive: true });
const daemon = await new Daemon().start();
const browser = await new Browser().start();
const evaluator = digits();
let id;
for (const strategy of ["basic", "sgp", "tpe"]) {
  id = await daemon.submit(job(await evaluator.url, { name: `digits by ${strategy}`, strategy, labels: { team: "edge" } }));
  await daemon.finished(id);
}
for (const [name, where, shows] of [["home", "/", "digits by basic"], ["job", `/jobs/${id}`, "learnt from"], ["new", "/#new"]]) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      const view = await browser.view(daemon.url);
      await view.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await view.page.setViewportSize({ width, height: 900 });
      await view.open(where);
      if (shows) await view.see(shows);
      await view.page.screenshot({ path: path.join(folder, `${name}-${colorScheme}-${width}.png`), fullPage: true });
      await view.page.close();
    }
  }
}
await browser.stop();
await evaluator.stop();
await daemon.stop();
