/** The page of one job. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Best, FINAL, type Job, type Points, type PrecisionMap, type Sensitivity, type Space, type Spans, type Stages, root, useData } from "./api";
import { Answers } from "./answers";
import { Confirmed } from "./confirmed";
import { CloneDialog } from "./dialogs";
import { Drawer } from "./drawer";
import { Head } from "./head";
import { History } from "./history";
import { type JobEvent, afterFrame, useEvents, useTick } from "./live";
import { memo, useCalled } from "./memo";
import { MapOfPrecision, SensitivityBars } from "./operators";
import { Log, SpacePanel } from "./panels";
import { Touched, useTrials } from "./rows";
import { Scatter } from "./scatter";
import { LogOut } from "./session";
import { Timeline } from "./timeline";
import { Trials } from "./trials";
import { Top, Trouble } from "./ui";

const EVENTS_KEPT = 60;
const SECTIONS = 7;

/** Goes from 0 to `most`, by one in each frame: what is drawn for the first time all at once takes longer than a frame. */
function useTurns(running: boolean, most: number): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!running || turn >= most) return;
    return afterFrame(() => setTurn(turn + 1));
  }, [running, turn]);
  return turn;
}

/** The value as it was when what `of` says of it changed last. */
function useSteady<T>(value: T | undefined, of: (value: T) => string): T | undefined {
  const kept = useRef<{ value: T; said: string } | undefined>(undefined);
  const seen = useRef<T | undefined>(undefined);
  if (value !== undefined && value !== seen.current) {
    seen.current = value;
    const said = of(value);
    if (kept.current?.said !== said) kept.current = { value, said };
  }
  return kept.current?.value;
}

/** The job, whose clock never goes back: a daemon that was killed has stored it as of some time before. */
function useForward(job: Job | undefined): Job | undefined {
  const kept = useRef<{ from: Job; shown: Job } | undefined>(undefined);
  if (job !== undefined && job !== kept.current?.from) {
    const elapsed_s = Math.max(job.budget.elapsed_s, kept.current?.shown.budget.elapsed_s ?? 0);
    kept.current = { from: job, shown: { ...job, budget: { ...job.budget, elapsed_s } } };
  }
  return job && kept.current?.shown;
}

/** What is made of all trials, which are read once for both. */
const Measured = memo(function Measured(props: { job: Job; space: Space | undefined; stages: Stages | undefined; touched: Touched; tick: number; selected: number | null; onTrial: (trial: number) => void; onChange: () => void }) {
  const { touched, ...rest } = props;
  const rows = useTrials(props.job.id, touched, props.tick);
  return (
    <>
      <Trials {...rest} rows={rows} />
      <Confirmed job={props.job} trials={rows.trials} />
    </>
  );
});

export function JobPage({ id }: { id: string }) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const [tick, bump] = useTick(150);
  const events = useRef<JobEvent[]>([]);
  const [trial, setTrial] = useState<number | null>(null);
  const [clone, setClone] = useState<{ loss: number | null } | null>(null);
  const { value, problem } = useData<Job>(path, tick);
  const job = useForward(value);
  const final = job !== undefined && FINAL.includes(job.state);
  const touched = useRef(new Touched()).current;
  const link = useEvents(
    job === undefined || final ? null : `${path}/events`,
    (event) => {
      if (event.trial !== null) touched.trials.add(event.trial);
      events.current.unshift(event);
      events.current.length = Math.min(events.current.length, EVENTS_KEPT);
      bump();
    },
    () => {
      touched.all = true;
      bump();
    },
  );
  // Of a job that has ended no event comes.
  const change = useCalled(() => {
    touched.all ||= final;
    bump();
  });
  const cloneAt = useCalled((loss: number) => setClone({ loss }));
  const close = useCalled(() => setTrial(null));
  const best = useData<Best>(job?.baseline ? `${path}/best` : null, tick).value;
  const history = useData<Points>(`${path}/charts/history`, tick).value;
  const scatter = useData<Points>(`${path}/charts/scatter`, tick).value;
  const map = useData<PrecisionMap>(`${path}/charts/precision`, tick).value;
  const spans = useData<Spans>(`${path}/charts/timeline`, tick).value;
  const sensitivity = useData<Sensitivity>(`${path}/sensitivity`, tick).value;
  const space = useData<Space>(`${path}/space`, 0).value;
  const stages = useData<{ stages: Stages }>("/v1/strategies", 0).value?.stages;
  // What has not changed is not drawn again: of the job, figures show how it is judged and what is best.
  const judged = useSteady(job, (it) => JSON.stringify([it.criterion, it.objective, it.baseline, it.best, it.min_gain]));
  const turn = useTurns(job !== undefined, SECTIONS);
  // The part of the page that its address names was not there when the browser looked for it.
  useEffect(() => {
    if (turn === SECTIONS) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, [turn]);
  const happened = useMemo(() => [...events.current], [tick]);
  useEffect(() => {
    document.title = job ? `${job.name ?? job.id} ${job.state} · narrowd` : "narrowd";
  }, [job?.name, job?.state]);
  return (
    <>
      <Top link={link} final={final}>
        <a href={`${root}/`}>All jobs</a>
        <LogOut />
      </Top>
      <main id="main" aria-busy={!job && !problem}>
        {!job && !problem && <h1 class="note">Reading …</h1>}
        {problem && !job && <h1>This job cannot be shown</h1>}
        <Trouble problem={problem} />
        {job && (
          <>
            <Head job={job} onChange={bump} onClone={setClone} />
            <Answers job={job} best={best} sensitivity={sensitivity} history={history} />
            <div class="grid">
              {turn > 0 && judged && <Scatter job={judged} points={scatter} onTrial={setTrial} onClone={cloneAt} />}
              {turn > 1 && judged && <History job={judged} points={history} stages={stages} onTrial={setTrial} />}
              {turn > 2 && <SensitivityBars data={sensitivity} />}
              {turn > 3 && judged && <MapOfPrecision job={judged} map={map} onTrial={setTrial} />}
              {turn > 4 && <Timeline spans={spans} onTrial={setTrial} />}
              {turn > 5 && <Measured job={job} space={space} stages={stages} touched={touched} tick={tick} selected={trial} onTrial={setTrial} onChange={change} />}
              {turn > 6 && <SpacePanel job={job} space={space} />}
              {turn > 6 && <Log events={happened} stages={stages} />}
            </div>
            {trial !== null && <Drawer job={job} number={trial} space={space} stages={stages} tick={tick} onClose={close} onChange={change} />}
            {clone && <CloneDialog job={job} loss={clone.loss} onClose={() => setClone(null)} />}
          </>
        )}
      </main>
    </>
  );
}
