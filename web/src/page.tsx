/** Where everything begins: which page is asked for. */
import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { LOGGED_OUT, type Problem, ask } from "./api";
import { HomePage } from "./home";
import { LogIn, type Session, Who } from "./session";
import { Top, Trouble } from "./ui";

const job = /^\/jobs\/([^/]+)$/.exec(location.pathname)?.[1];
/* Its script comes while the daemon says who is asking. */
const jobPage = job === undefined ? undefined : import("./job").then((m) => m.JobPage);

function Later<P extends object>(props: { load: () => Promise<ComponentType<P>>; with: P }) {
  const [View, setView] = useState<ComponentType<P>>();
  useEffect(() => {
    void props.load().then((view) => setView(() => view));
  }, []);
  return View ? <View {...props.with} /> : null;
}

function View() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  if (job !== undefined && jobPage) return <Later load={() => jobPage} with={{ id: decodeURIComponent(job) }} />;
  if (hash === "#new") return <Later key="new" load={() => import("./new").then((m) => m.NewPage)} with={{}} />;
  const two = /^#compare=([^,]+),([^,]+)$/.exec(hash);
  if (two?.[1] && two[2]) return <Later key={hash} load={() => import("./compare").then((m) => m.ComparePage)} with={{ ids: [two[1], two[2]] as [string, string] }} />;
  return <HomePage />;
}

function Everything() {
  const [session, setSession] = useState<Session | null>();
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    const leave = () => setSession(null);
    addEventListener(LOGGED_OUT, leave);
    ask<Session>("GET", "/v1/session").then(setSession, (p: Problem) => p.status === 401 || setProblem(p));
    return () => removeEventListener(LOGGED_OUT, leave);
  }, []);
  if (session === null) return <LogIn onSession={setSession} />;
  if (session) {
    return (
      <Who.Provider value={session}>
        <View />
      </Who.Provider>
    );
  }
  return problem ? (
    <>
      <Top />
      <main id="main">
        <h1>narrowd</h1>
        <Trouble problem={problem} />
      </main>
    </>
  ) : null;
}

const place = document.getElementById("page");
if (place) {
  // In a task of its own: the script has just been compiled in this one.
  setTimeout(() => {
    place.replaceChildren();
    render(<Everything />, place);
  });
}
