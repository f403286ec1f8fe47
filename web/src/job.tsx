/** The page of one job. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import {
  type Best,
  FINAL,
  type Job,
  type Points,
  type PrecisionMap,
  type Problem,
  type Sensitivity,
  type Space,
  type Spans,
  type Strategy,
  type Page,
  ask,
  useData,
} from "./api";
import { Answers } from "./answers";
import { History } from "./history";
import { type JobEvent, useEvents, useTick } from "./live";
import { MapOfPrecision, SensitivityBars } from "./operators";
import { Scatter } from "./scatter";
import { LogOut, useMayChange } from "./session";
import { Timeline } from "./timeline";
import { Drawer } from "./drawer";
import { Touched } from "./rows";
import { Trials } from "./trials";
import { Act, Budget, Dialog, Menu, State, Table, Top, Trouble } from "./ui";
import { duration, plural, timeOfDay } from "./words";

const EVENTS_KEPT = 60;

function CloneDialog(props: { job: Job; loss: number | null; onClose: () => void }) {
  const { job } = props;
  const { value } = useData<Page<Strategy>>("/v1/strategies", 0);
  const [strategy, setStrategy] = useState(job.strategy);
  const [loss, setLoss] = useState(String(props.loss ?? job.criterion.tolerable_loss));
  const [trials, setTrials] = useState(String(job.budget.max_trials));
  const [warm, setWarm] = useState(true);
  const [trouble, setTrouble] = useState<Problem>();
  const start = async () => {
    const { tuning_criterion, accuracy_criterion } = await ask<Record<string, Record<string, unknown>>>("GET", `/v1/jobs/${job.id}/spec`);
    const same = strategy === job.strategy;
    const body = {
      ...(same ? {} : { quant_level: 1 }),
      tuning_criterion: { ...tuning_criterion, ...(same ? {} : { strategy, strategy_kwargs: {} }), max_trials: Number(trials) },
      accuracy_criterion: { ...accuracy_criterion, tolerable_loss: Number(loss) },
      warm_start: warm,
    };
    const made = await ask<Job>("POST", `/v1/jobs/${job.id}/clone`, body);
    location.assign(`/jobs/${made.id}`);
  };
  const chosen = value?.items.find((s) => s.name === strategy);
  return (
    <Dialog title="Start it again" onClose={props.onClose}>
      <div class="fields">
        <label>
          Strategy
          <select value={strategy} onChange={(event) => setStrategy(event.currentTarget.value)}>
            {(value?.items ?? []).map((s) => (
              <option key={s.name}>{s.name}</option>
            ))}
          </select>
        </label>
        {chosen && <p class="note">{chosen.summary}</p>}
        <label>
          Loss that is allowed
          <input inputMode="decimal" value={loss} onInput={(event) => setLoss(event.currentTarget.value)} />
        </label>
        <label>
          Trials at most
          <input inputMode="numeric" value={trials} onInput={(event) => setTrials(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={warm} onChange={(event) => setWarm(event.currentTarget.checked)} /> Use what was measured already
        </label>
      </div>
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="primary" run={start} onProblem={setTrouble}>
          Start the job
        </Act>
      </div>
    </Dialog>
  );
}

function BudgetDialog({ job, onClose, onChange }: { job: Job; onClose: () => void; onChange: () => void }) {
  const [trials, setTrials] = useState(String(job.budget.max_trials));
  const [timeout, setTimeout_] = useState(String(job.budget.timeout));
  const [parallel, setParallel] = useState(String(job.parallel));
  const [trouble, setTrouble] = useState<Problem>();
  const save = async () => {
    await ask("PATCH", `/v1/jobs/${job.id}`, { max_trials: Number(trials), timeout: Number(timeout), parallel: Number(parallel) });
    onChange();
    onClose();
  };
  return (
    <Dialog title="Budget" onClose={onClose}>
      <div class="fields">
        <label>
          Trials at most
          <input inputMode="numeric" value={trials} onInput={(event) => setTrials(event.currentTarget.value)} />
        </label>
        <label>
          Seconds at most, 0 for no limit
          <input inputMode="decimal" value={timeout} onInput={(event) => setTimeout_(event.currentTarget.value)} />
        </label>
        <label>
          Questions at a time
          <input inputMode="numeric" value={parallel} onInput={(event) => setParallel(event.currentTarget.value)} />
        </label>
      </div>
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="primary" run={save} onProblem={setTrouble}>
          Save
        </Act>
      </div>
    </Dialog>
  );
}

function StopDialog({ job, onClose, onChange }: { job: Job; onClose: () => void; onChange: () => void }) {
  const [trouble, setTrouble] = useState<Problem>();
  const stop = async () => {
    await ask("POST", `/v1/jobs/${job.id}/cancel`);
    onChange();
    onClose();
  };
  return (
    <Dialog title="Stop the job for good?" onClose={onClose}>
      <p>What was measured stays, and a clone can go on from it. A pause can be taken back, this cannot.</p>
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="danger" run={stop} onProblem={setTrouble}>
          Stop it
        </Act>
        <button type="button" onClick={onClose}>
          Let it run
        </button>
      </div>
    </Dialog>
  );
}

function Copy({ text, children }: { text: () => Promise<string>; children: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(await text());
    setDone(true);
  };
  return (
    <button type="button" onClick={() => void copy()}>
      {done ? "Copied" : children}
    </button>
  );
}

function Take({ job }: { job: Job }) {
  const path = `/v1/jobs/${job.id}`;
  const words = async (address: string) => (await fetch(address)).text();
  return (
    <Menu label="Take it away">
      <a href={`${path}/best`} download={`${job.id}-best.json`}>
        The best config, JSON
      </a>
      <a href={`${path}/export?format=inc`} download={`${job.id}-tune-cfg.json`}>
        The best config for Intel Neural Compressor
      </a>
      <a href={`${path}/export?format=csv`} download={`${job.id}.csv`}>
        All trials, CSV
      </a>
      <a href={`${path}/export?format=json`} download={`${job.id}.json`}>
        Everything, JSON
      </a>
      <a href={`${path}/spec`} download={`${job.id}-spec.json`}>
        The job as it was submitted
      </a>
      <Copy text={() => words(`${path}/best`)}>Copy the best config</Copy>
      <Copy text={() => Promise.resolve(`narrow best ${job.id}`)}>Copy the command for it</Copy>
    </Menu>
  );
}

function Head(props: { job: Job; onChange: () => void; onClone: () => void }) {
  const { job, onChange } = props;
  const [open, setOpen] = useState<"budget" | "stop" | null>(null);
  const [trouble, setTrouble] = useState<Problem>();
  const final = FINAL.includes(job.state);
  const mayChange = useMayChange();
  const control = (what: string) => async () => {
    await ask("POST", `/v1/jobs/${job.id}/${what}`);
    onChange();
  };
  return (
    <div class="head">
      <div class="head-words">
        <h1>{job.name ?? job.id}</h1>
        <p class="sub">
          <State state={job.state} />
          <span>{job.strategy}</span>
          {job.progress.stage && !final && <span>stage {job.progress.stage.replaceAll("_", " ")}</span>}
          <span>{duration(job.budget.elapsed_s)}</span>
          <Budget job={job} />
          {job.progress.failed > 0 && <span class="error">{plural(job.progress.failed, "failure")}</span>}
          {Object.entries(job.labels).map(([key, value]) => (
            <span class="label" key={key}>
              {key}={value}
            </span>
          ))}
        </p>
      </div>
      <div class="buttons">
        {mayChange && !final && job.state !== "paused" && (
          <Act run={control("pause")} onProblem={setTrouble}>
            Pause
          </Act>
        )}
        {mayChange && job.state === "paused" && (
          <Act kind="primary" run={control("resume")} onProblem={setTrouble}>
            Resume
          </Act>
        )}
        {mayChange && !final && (
          <>
            <button type="button" onClick={() => setOpen("budget")}>
              Budget
            </button>
            <button type="button" onClick={() => setOpen("stop")}>
              Stop
            </button>
          </>
        )}
        {mayChange && (
          <button type="button" onClick={props.onClone}>
            Start again
          </button>
        )}
        <Take job={job} />
      </div>
      <Trouble problem={trouble} />
      {open === "budget" && <BudgetDialog job={job} onChange={onChange} onClose={() => setOpen(null)} />}
      {open === "stop" && <StopDialog job={job} onChange={onChange} onClose={() => setOpen(null)} />}
    </div>
  );
}

function SpacePanel({ job, space }: { job: Job; space: Space | undefined }) {
  const [open, setOpen] = useState(false);
  const warnings = [...(space?.warnings ?? []), ...job.warnings].map((w) => (typeof w === "string" ? w : JSON.stringify(w)));
  return (
    <section class="card" id="space" aria-labelledby="space-title">
      <h2 id="space-title">
        <a href="#space">What may be tried</a>
      </h2>
      {space && (
        <>
          <p class="say">
            {plural(space.ops.length, "operator")}, {space.size.length > 12 ? `about 10^${space.size.length - 1}` : space.size} configs.
          </p>
          {space.entries.length > 0 && (
            <ul>
              {space.entries.map((e) => (
                <li key={e.pointer}>
                  <code>{e.pointer}</code> restricts {e.count}
                </li>
              ))}
            </ul>
          )}
          <details onToggle={(event) => setOpen(event.currentTarget.open)}>
            <summary>Choices of each operator</summary>
            {open && <Table
              caption="Choices of each operator"
              hideCaption
              rows={space.ops}
              rowKey={(op) => op.name}
              columns={[
                { head: "operator", cell: (op) => <span class="op">{op.name}</span> },
                { head: "type", cell: (op) => op.type },
                { head: "modes", cell: (op) => Object.keys(op.modes).join(", ") },
                { head: "choices", number: true, cell: (op) => op.choices ?? "–" },
              ]}
            />}
          </details>
        </>
      )}
      {warnings.length > 0 && (
        <>
          <h3>What to know</h3>
          <ul class="warnings">
            {warnings.map((w) => (
              <li key={w}>{w}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Log({ events }: { events: JobEvent[] }) {
  const said = (event: JobEvent) => {
    const { verdict, state, error, stage, detail } = event.data as Record<string, string | undefined>;
    return verdict ?? error ?? detail ?? state ?? stage ?? "";
  };
  return (
    <section class="card" id="log" aria-labelledby="log-title">
      <h2 id="log-title">
        <a href="#log">What happens</a>
      </h2>
      {events.length === 0 ? (
        <p class="empty">Nothing since this page was opened.</p>
      ) : (
        <ol class="log" tabIndex={0} aria-label="Events, newest first">
          {events.map((event) => (
            <li key={event.seq}>
              <time dateTime={event.at}>{timeOfDay(event.at)}</time> {event.type.replaceAll("_", " ")}
              {event.trial !== null && ` ${event.trial}`} <span class="note">{said(event)}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
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

export function JobPage({ id }: { id: string }) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const [tick, bump] = useTick(150);
  const events = useRef<JobEvent[]>([]);
  const [trial, setTrial] = useState<number | null>(null);
  const [clone, setClone] = useState<{ loss: number | null } | null>(null);
  const { value: job, problem } = useData<Job>(path, tick);
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
  const change = () => {
    touched.all ||= final;
    bump();
  };
  const best = useData<Best>(job?.baseline ? `${path}/best` : null, tick).value;
  const history = useData<Points>(`${path}/charts/history`, tick).value;
  const scatter = useData<Points>(`${path}/charts/scatter`, tick).value;
  const map = useData<PrecisionMap>(`${path}/charts/precision`, tick).value;
  const spans = useData<Spans>(`${path}/charts/timeline`, tick).value;
  const sensitivity = useData<Sensitivity>(`${path}/sensitivity`, tick).value;
  const space = useData<Space>(`${path}/space`, 0).value;
  // What has not changed is not drawn again: of the job, figures show how it is judged and what is best.
  const judged = useSteady(job, (it) => JSON.stringify([it.criterion, it.objective, it.baseline, it.best, it.min_gain]));
  const figures = [
    useMemo(() => judged && <Scatter job={judged} points={scatter} onTrial={setTrial} onClone={(loss) => setClone({ loss })} />, [judged, scatter]),
    useMemo(() => judged && <History job={judged} points={history} onTrial={setTrial} />, [judged, history]),
    useMemo(() => <SensitivityBars data={sensitivity} />, [sensitivity]),
    useMemo(() => judged && <MapOfPrecision job={judged} map={map} onTrial={setTrial} />, [judged, map]),
    useMemo(() => <Timeline spans={spans} onTrial={setTrial} />, [spans]),
  ];
  const head = useMemo(() => job && <Head job={job} onChange={bump} onClone={() => setClone({ loss: null })} />, [job]);
  const table = useMemo(
    () => job && <Trials job={job} space={space} touched={touched} tick={tick} selected={trial} onTrial={setTrial} onChange={change} />,
    [job, space, tick, trial],
  );
  const panels = [useMemo(() => job && <SpacePanel job={job} space={space} />, [job, space]), useMemo(() => <Log events={events.current} />, [tick])];
  useEffect(() => {
    document.title = job ? `${job.name ?? job.id} ${job.state} · narrowd` : "narrowd";
  }, [job?.name, job?.state]);
  return (
    <>
      <Top link={link} final={final}>
        <a href="/">All jobs</a>
        <LogOut />
      </Top>
      <main id="main">
        {problem && (
          <>
            <h1>This job cannot be shown</h1>
            <Trouble problem={problem} />
          </>
        )}
        {job && (
          <>
            {head}
            <Answers job={job} best={best} sensitivity={sensitivity} history={history} />
            <div class="grid">
              {figures}
              {table}
              {panels}
            </div>
            {trial !== null && <Drawer job={job} number={trial} space={space} tick={tick} onClose={() => setTrial(null)} onChange={change} />}
            {clone && <CloneDialog job={job} loss={clone.loss} onClose={() => setClone(null)} />}
          </>
        )}
      </main>
    </>
  );
}
