/** Where everything begins: which page is asked for. */
import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { LOGGED_OUT, type Problem, ask } from "./api";
import { HomePage } from "./home";
import { LogIn, type Session, Who } from "./session";
import { Reading, Top, Trouble } from "./ui";

const job = /\/jobs\/([^/]+)$/.exec(location.pathname)?.[1];
/* Its script comes while the daemon says who is asking. */
const jobPage = job === undefined ? undefined : import("./job").then((m) => m.JobPage);

function Later<P extends object>(props: { load: () => Promise<ComponentType<P>>; with: P }) {
  const [View, setView] = useState<ComponentType<P>>();
  useEffect(() => {
    void props.load().then((view) => setView(() => view));
  }, []);
  return View ? <View {...props.with} /> : <Reading />;
}

function View() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const look = () => setHash(location.hash);
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  if (job !== undefined && jobPage) return <Later load={() => jobPage} with={{ id: decodeURIComponent(job) }} />;
  const made = /^#new(?:=(.+))?$/.exec(hash);
  if (made) return <Later key={hash} load={() => import("./new").then((m) => m.NewPage)} with={{ like: made[1] }} />;
  const two = /^#compare=([^,]+),([^,]+)$/.exec(hash);
  if (two?.[1] && two[2]) return <Later key={hash} load={() => import("./compare").then((m) => m.ComparePage)} with={{ ids: [two[1], two[2]] as [string, string] }} />;
  return <HomePage />;
}

function Everything({ first, problem }: { first: Session | null; problem: Problem | undefined }) {
  const [session, setSession] = useState(first);
  useEffect(() => {
    const leave = () => setSession(null);
    addEventListener(LOGGED_OUT, leave);
    return () => removeEventListener(LOGGED_OUT, leave);
  }, []);
  if (problem) {
    return (
      <>
        <Top />
        <main id="main">
          <h1>narrowd</h1>
          <Trouble problem={problem} />
        </main>
      </>
    );
  }
  if (session === null) return <LogIn onSession={setSession} />;
  return (
    <Who.Provider value={session}>
      <View />
    </Who.Provider>
  );
}

/** The daemon's own tables stay until it is known who is asking. */
function begin(first: Session | null, problem?: Problem) {
  const place = document.getElementById("page");
  if (!place) return;
  place.replaceChildren();
  render(<Everything first={first} problem={problem} />, place);
}

ask<Session>("GET", "/v1/session").then(begin, (problem: Problem) => begin(null, problem.status === 401 ? undefined : problem));
