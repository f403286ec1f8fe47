/** All jobs, who measures them, and the way to a new one. */
import { useEffect, useState } from "preact/hooks";
import { type Evaluator, FINAL, type Health, type Job, type Page, type Points, type Pool, type Problem, type Worker, askAll, root, useData } from "./api";
import { Bulk } from "./bulk";
import { useEvents, useNow, useTick } from "./live";
import { LogOut, useMayChange } from "./session";
import { Budget, State, Top, Trouble } from "./ui";
import { ago, duration, left, ownLabels, plural } from "./words";

const ROWS = 25;
const SEARCHED = 2000;
const QUIET_MS = 30_000;
const GONE_MS = 60_000;
const FILTERS: [string, string][] = [
  ["", "All"],
  ["queued,baseline,running,paused", "Open"],
  ["completed", "Completed"],
  ["failed,cancelled", "Failed or stopped"],
];

/** The best so far of a job, drawn small. */
function Spark({ job, tick }: { job: Job; tick: number }) {
  const final = FINAL.includes(job.state);
  const { value } = useData<Points>(`/v1/jobs/${job.id}/charts/history`, final ? 0 : tick);
  const bests = (value?.items ?? []).filter((p) => p.best && p.objective_value !== null);
  const last = Math.max(1, ...(value?.items ?? []).map((p) => p.trial));
  const first = bests[0];
  // An empty one keeps what is behind it in its column.
  if (!first) return <svg class="spark" viewBox="0 0 80 22" width="80" height="22" aria-hidden="true" />;
  const values = bests.map((p) => p.objective_value as number);
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const y = (v: number) => 2 + 18 * (1 - (v - low) / span);
  const path = bests.map((p, i) => (i === 0 ? `M${(80 * p.trial) / last} ${y(values[0] as number)}` : `H${(80 * p.trial) / last}V${y(values[i] as number)}`));
  return (
    <svg class="spark" viewBox="0 0 80 22" width="80" height="22" aria-hidden="true">
      <path d={`${path.join("")}H80`} />
    </svg>
  );
}

function timeLeft(job: Job): string {
  if (FINAL.includes(job.state)) return `took ${duration(job.budget.elapsed_s)}`;
  if (job.progress.waiting) return job.progress.waiting.reason.replaceAll("_", " ");
  if (job.state === "paused") return "paused";
  const rest = left(job);
  return rest === null ? "–" : `about ${duration(rest)} left`;
}

function verdict(job: Job): string {
  if (job.pause && job.pause.reason !== "requested") return job.pause.detail;
  return job.best?.verdict ?? job.exit?.detail ?? (job.progress.waiting ? job.progress.waiting.detail : "nothing measured yet");
}

function Row(props: { job: Job; tick: number; now: number; chosen: boolean; onChoose: ((on: boolean) => void) | undefined }) {
  const { job, tick, now, onChoose } = props;
  const keep = job.best?.keep_baseline;
  return (
    <li class="job">
      <div class="job-name">
        {onChoose && (
          <input type="checkbox" aria-label={`Choose ${job.name ?? job.id}`} checked={props.chosen} onChange={(event) => onChoose(event.currentTarget.checked)} />
        )}
        <a href={`${root}/jobs/${job.id}`}>{job.name ?? job.id}</a>
        <span class="note">
          <State state={job.state} /> {ago(job.created_at, now)}
          {ownLabels(job).map(([key, value]) => (
            <span class="label" key={key}>
              {key}={value}
            </span>
          ))}
        </span>
      </div>
      <p class={`job-verdict${keep ? " keep" : ""}`}>{verdict(job)}</p>
      <Spark job={job} tick={tick} />
      <div class="job-budget">
        <Budget job={job} />
        <span class="note">{timeLeft(job)}</span>
      </div>
    </li>
  );
}

function matches(job: Job, words: string[]): boolean {
  const text = `${job.name ?? ""} ${job.id} ${job.strategy} ${ownLabels(job).map(([k, v]) => `${k}=${v}`).join(" ")} ${new Date(job.created_at).toDateString()}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Names are compared here: all jobs are read, up to a limit that is told. */
function useSearch(text: string, filter: string, tick: number): { found: Job[] | undefined; trouble: Problem | undefined } {
  const [items, setItems] = useState<Job[]>();
  const [trouble, setTrouble] = useState<Problem>();
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const active = words.length > 0;
  useEffect(() => {
    if (!active) {
      setItems(undefined);
      return;
    }
    let gone = false;
    askAll<Job>(`/v1/jobs${filter && `?state=${filter}`}`, SEARCHED).then(
      (all) => {
        if (gone) return;
        setItems(all);
        setTrouble(undefined);
      },
      (problem: Problem) => gone || setTrouble(problem),
    );
    return () => {
      gone = true;
    };
  }, [active, filter, tick]);
  return { found: active ? items?.filter((job) => matches(job, words)) : undefined, trouble };
}

const MARKS = { good: "●", bad: "✕", quiet: "–" };

function Mark({ tone, says }: { tone: keyof typeof MARKS; says: string }) {
  return (
    <span class={`state ${tone}`}>
      <span aria-hidden="true">{MARKS[tone]}</span> {says}
    </span>
  );
}

function EvaluatorRow({ evaluator, tick }: { evaluator: Evaluator; tick: number }) {
  const { value: health } = useData<Health>(`/v1/evaluators/${evaluator.id}/health`, tick);
  const down = health !== undefined && health.state !== "closed";
  return (
    <li>
      <Mark tone={down ? "bad" : "good"} says={down ? "down" : "well"} /> <span class="op">{evaluator.name ?? evaluator.url}</span>
      <br />
      <span class="note">
        {health ? `${health.statistics.answered} answered, ${health.statistics.out} out` : ""}
        {health?.last_error && down ? `; ${health.last_error}` : ""}
      </span>
    </li>
  );
}

/** A pool whose questions wait is well as long as somebody comes for them. */
function PoolRow({ pool }: { pool: Pool }) {
  const left_ = pool.waiting > 0 && pool.workers === 0 && pool.out === 0;
  return (
    <li>
      <Mark tone={left_ ? "bad" : "good"} says={left_ ? "nobody comes" : "well"} /> <span class="op">{pool.name}</span>
      <br />
      <span class="note">{`${pool.waiting} waiting, ${pool.out} out, ${plural(pool.workers, "worker")} within a minute`}</span>
    </li>
  );
}

function WorkerRow({ worker, now }: { worker: Worker; now: number }) {
  const here = worker.leases.length > 0 || now - Date.parse(worker.last_seen) < GONE_MS;
  const holds = worker.leases.map((lease) => `trial ${lease.trial}`).join(", ") || "nothing";
  return (
    <li>
      <Mark tone={here ? "good" : "quiet"} says={here ? "here" : "away"} /> <span class="op">{worker.name}</span> <span class="note">({worker.pool})</span>
      <br />
      <span class="note">{`holds ${holds}, ${plural(worker.trials_per_hour, "trial")} an hour, seen ${ago(worker.last_seen, now)}`}</span>
    </li>
  );
}

function Measuring({ tick, now }: { tick: number; now: number }) {
  // That nobody came for a while is no event.
  const again = tick + Math.floor(now / QUIET_MS);
  const evaluators = useData<Page<Evaluator>>("/v1/evaluators?limit=50", again).value?.items ?? [];
  const pools = useData<Page<Pool>>("/v1/pools", again).value?.items ?? [];
  const workers = useData<Page<Worker>>("/v1/workers", again).value?.items ?? [];
  return (
    <aside class="card measuring" aria-labelledby="measuring-title">
      <h2 id="measuring-title">Who measures</h2>
      <h3>Evaluators</h3>
      {evaluators.length === 0 ? (
        <p class="empty">None is registered. A job may name one by its URL.</p>
      ) : (
        <ul class="plain-list" aria-label="Evaluators">
          {evaluators.map((e) => (
            <EvaluatorRow key={e.id} evaluator={e} tick={again} />
          ))}
        </ul>
      )}
      {pools.length > 0 && (
        <>
          <h3>Pools</h3>
          <ul class="plain-list" aria-label="Pools">
            {pools.map((p) => (
              <PoolRow key={p.name} pool={p} />
            ))}
          </ul>
        </>
      )}
      <h3>Workers</h3>
      {workers.length === 0 ? (
        <p class="empty">Nobody came for questions within a day, or since this daemon was started.</p>
      ) : (
        <ul class="plain-list" aria-label="Workers">
          {workers.map((w) => (
            <WorkerRow key={`${w.pool} ${w.name}`} worker={w} now={now} />
          ))}
        </ul>
      )}
    </aside>
  );
}

export function HomePage() {
  const mayChange = useMayChange();
  const [filter, setFilter] = useState("");
  const [text, setText] = useState("");
  const [cursors, setCursors] = useState<string[]>([]);
  const [chosen, setChosen] = useState(new Set<string>());
  const [tick, bump] = useTick(500);
  const now = useNow(true);
  const link = useEvents("/v1/events", bump, bump);
  const cursor = cursors[cursors.length - 1];
  const query = [`limit=${ROWS}`, filter && `state=${filter}`, cursor && `cursor=${cursor}`].filter(Boolean).join("&");
  const { value, problem } = useData<Page<Job>>(`/v1/jobs?${query}`, tick);
  const { found, trouble } = useSearch(text, filter, tick);
  const jobs = found ?? value?.items;
  // In the order of the list; those that are not in it any more are chosen no longer.
  const chosenJobs = (jobs ?? []).filter((job) => chosen.has(job.id));
  const choose = (id: string, on: boolean) => {
    const now_ = new Set(chosen);
    if (on) now_.add(id);
    else now_.delete(id);
    setChosen(now_);
  };
  useEffect(() => {
    document.title = "narrowd";
  }, []);
  return (
    <>
      <Top link={link}>
        <a href={`${root}/openapi.json`}>API</a>
        <LogOut />
      </Top>
      <main id="main">
        <div class="head">
          <h1>Jobs</h1>
          <div class="buttons">
            {mayChange && (
              <a class="button primary" href="#new">
                New job
              </a>
            )}
          </div>
        </div>
        <div class="home">
          <section class="card jobs" aria-label="Jobs">
            <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
              <fieldset class="chips">
                <legend class="hidden">Which jobs</legend>
                {FILTERS.map(([key, name]) => (
                  <label key={key} class={filter === key ? "chip on" : "chip"}>
                    <input
                      type="radio"
                      name="state"
                      checked={filter === key}
                      onChange={() => {
                        setFilter(key);
                        setCursors([]);
                      }}
                    />
                    {name}
                  </label>
                ))}
              </fieldset>
              <label class="search">
                <span class="hidden">Search for a name, a label, a strategy or a day</span>
                <input type="search" placeholder="name, label, strategy, day" value={text} onInput={(event) => setText(event.currentTarget.value)} />
              </label>
            </form>
            <Trouble problem={problem ?? trouble} />
            {jobs && jobs.length === 0 && (
              <p class="empty">
                {text || filter ? "No job is like this." : "No jobs yet. "}
                {!text && !filter && mayChange && <a href="#new">Start the first one</a>}
              </p>
            )}
            {chosenJobs.length > 0 && <Bulk jobs={chosenJobs} onChange={bump} onClear={() => setChosen(new Set())} />}
            <ul class="job-list">
              {(jobs ?? []).map((job) => (
                <Row key={job.id} job={job} tick={tick} now={now} chosen={chosen.has(job.id)} onChoose={mayChange ? (on) => choose(job.id, on) : undefined} />
              ))}
            </ul>
            {found === undefined && (cursors.length > 0 || value?.next) && (
              <nav class="buttons" aria-label="Pages">
                <button type="button" disabled={cursors.length === 0} onClick={() => setCursors(cursors.slice(0, -1))}>
                  Newer
                </button>
                <button type="button" disabled={!value?.next} onClick={() => value?.next && setCursors([...cursors, value.next])}>
                  Older
                </button>
              </nav>
            )}
          </section>
          <Measuring tick={tick} now={now} />
        </div>
      </main>
    </>
  );
}
