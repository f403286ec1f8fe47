/** Where everything begins: which page is asked for. */
import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { HomePage } from "./home";

function Later<P extends object>(props: { load: () => Promise<ComponentType<P>>; with: P }) {
  const [View, setView] = useState<ComponentType<P>>();
  useEffect(() => {
    void props.load().then((view) => setView(() => view));
  }, []);
  return View ? <View {...props.with} /> : null;
}

function Everything() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  const job = /^\/jobs\/([^/]+)$/.exec(location.pathname)?.[1];
  if (job !== undefined) {
    return <Later load={() => import("./job").then((m) => m.JobPage)} with={{ id: decodeURIComponent(job) }} />;
  }
  if (hash === "#new") return <Later key="new" load={() => import("./new").then((m) => m.NewPage)} with={{}} />;
  return <HomePage />;
}

const place = document.getElementById("page");
if (place) {
  place.replaceChildren();
  render(<Everything />, place);
}
