/** The table of trials: all of them, of which those in sight are drawn; looked for by a language of filters, sorted, chosen, changed. */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { FINAL, type Job, type Problem, type Space, type Stages, type Trial, ask } from "./api";
import { complete, filterOf, lossOf, meets, took } from "./filter";
import { FilterField } from "./filterfield";
import { type Rows, useLowered } from "./rows";
import { useMayChange } from "./session";
import { afterFrame } from "./live";
import { memo } from "./memo";
import { Act, Dialog, Trouble } from "./ui";
import { accuracyText, accuracyValue, duration, lossText, number, objectiveName, plural, stageName } from "./words";

/** Pixels; the sheet has the same number. */
const ROW = 34;
const BEYOND = 8;
const MOST_CHANGED = 2500;

type Key = string | number | null | undefined;

interface Column {
  head: string;
  kind?: "number" | "word" | "cut" | "cut error";
  key: (trial: Trial) => Key;
  cell: (trial: Trial) => ComponentChildren;
}

function columnsOf(job: Job, stages: Stages | undefined): Column[] {
  const only = job.objective.length === 1 ? job.objective[0]?.metric : undefined;
  return [
    { head: "stage", kind: "word", key: (t) => t.stage ?? t.kind, cell: (t) => <span title={stages?.[t.stage ?? ""]}>{t.kind !== "evaluate" ? t.kind : t.stage ? stageName(t.stage) : "–"}</span> },
    {
      head: "state",
      kind: "word",
      key: (t) => t.state,
      cell: (t) => t.state + (t.excluded ? ", excluded" : t.source === "cache" ? ", known" : t.attempts > 1 ? `, ${t.attempts} attempts` : ""),
    },
    { head: "accuracy", kind: "number", key: (t) => accuracyValue(t.accuracy), cell: (t) => accuracyText(t.accuracy) },
    { head: "loss", kind: "number", key: (t) => lossOf(t, job), cell: (t) => lossText(job, lossOf(t, job)) },
    ...(only === "accuracy" ? [] : [{ head: objectiveName(job), kind: "number" as const, key: (t: Trial) => t.objective_value, cell: (t: Trial) => number(t.objective_value) }]),
    { head: "criterion", key: (t) => (meets(t) === null ? null : Number(meets(t))), cell: (t) => (t.rejected ? "✕ rejected" : t.feasible === null ? "–" : t.feasible ? "✓ meets" : "✕ misses") },
    { head: "took", kind: "number", key: took, cell: (t) => duration(took(t)) },
    { head: "measured by", kind: "cut", key: (t) => t.worker, cell: (t) => t.worker ?? "–" },
    { head: "error", kind: "cut error", key: (t) => t.error, cell: (t) => t.error },
  ];
}

/** A number for each trial by which it is sorted: of words, where they stand among all. Without a key: last. */
function ranks(trials: Trial[], key: (trial: Trial) => Key, sign: number): Float64Array {
  const keys = trials.map(key);
  const words = [...new Set(keys.filter((one) => typeof one === "string"))].sort();
  const places = new Map<Key, number>(words.map((word, i) => [word, i]));
  const rank = new Float64Array(keys.length);
  keys.forEach((one, i) => {
    rank[i] = one === null || one === undefined ? Infinity : sign * (typeof one === "number" ? one : (places.get(one) ?? 0));
  });
  return rank;
}

/** By the browser's own sorting of numbers, because ten thousand rows are sorted within a frame; of equals the newest first. */
function sorted(trials: Trial[], key: (trial: Trial) => Key, down: boolean): Trial[] {
  const rank = ranks(trials, key, down ? -1 : 1);
  // Where the next trial of a rank goes.
  const places = new Map<number, number>();
  rank.slice().sort().forEach((one, i) => places.has(one) || places.set(one, i));
  const found = new Array<Trial>(trials.length);
  for (let i = trials.length - 1; i >= 0; i -= 1) {
    const place = places.get(rank[i] as number) as number;
    found[place] = trials[i] as Trial;
    places.set(rank[i] as number, place + 1);
  }
  return found;
}

function ExcludeDialog(props: { numbers: number[]; onExclude: (reason: string) => Promise<void>; onClose: () => void }) {
  const [reason, setReason] = useState("");
  const [trouble, setTrouble] = useState<Problem>();
  return (
    <Dialog title={`Exclude ${plural(props.numbers.length, "measurement")}?`} onClose={props.onClose}>
      <p>They are not the best any more, not on the front, and nothing that later jobs start from. This can be taken back.</p>
      <div class="fields">
        <label>
          Why they are wrong
          <input value={reason} maxLength={256} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
      </div>
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="danger" run={() => props.onExclude(reason)} onProblem={setTrouble} disabled={reason === ""}>
          Exclude them
        </Act>
      </div>
    </Dialog>
  );
}

/** What can be done to the trials that are chosen. */
function Batch(props: { job: Job; chosen: Trial[]; onClear: () => void; onChange: () => void; onProblem: (problem: Problem | undefined) => void }) {
  const { job, chosen } = props;
  const [asking, setAsking] = useState(false);
  const numbers = (test: (trial: Trial) => boolean) => chosen.filter((t) => t.source !== "cache" && test(t)).map((t) => t.number);
  const open = !FINAL.includes(job.state);
  const retry = open ? numbers((t) => t.state === "failed" || (t.excluded !== null && t.source !== "imported")) : [];
  const exclude = numbers((t) => !t.excluded && t.number > 0 && ["evaluate", "score"].includes(t.kind) && ["told", "pruned"].includes(t.state));
  const include = numbers((t) => t.excluded !== null);
  const change = async (what: string, trials: number[], more: object = {}) => {
    for (let from = 0; from < trials.length; from += MOST_CHANGED) {
      await ask("POST", `/v1/jobs/${job.id}/${what}`, { trials: trials.slice(from, from + MOST_CHANGED), ...more });
    }
    props.onChange();
    props.onClear();
  };
  return (
    <div class="batch" role="group" aria-label="What to do with the chosen trials">
      <span>{plural(chosen.length, "trial")} chosen</span>
      {retry.length > 0 && (
        <Act run={() => change("retry", retry)} onProblem={props.onProblem}>
          Measure {retry.length} again
        </Act>
      )}
      {exclude.length > 0 && (
        <button type="button" onClick={() => setAsking(true)}>
          Exclude {exclude.length}
        </button>
      )}
      {include.length > 0 && (
        <Act run={() => change("include", include)} onProblem={props.onProblem}>
          Let {include.length} count again
        </Act>
      )}
      <button type="button" class="quiet" onClick={props.onClear}>
        Choose none
      </button>
      {asking && <ExcludeDialog numbers={exclude} onExclude={(reason) => change("exclude", exclude, { reason })} onClose={() => setAsking(false)} />}
    </div>
  );
}

interface Shown {
  job: Job;
  trials: Trial[];
  columns: Column[];
  selected: number | null;
  chosen: Set<number>;
  sort: { head: string; down: boolean };
  onSort: (head: string) => void;
  onChoose: (numbers: number[], on: boolean) => void;
  onTrial: (trial: number) => void;
}

/** What is in sight now. After a jump all rows are others: those beyond come a frame later, as they do when the order is another. */
function moved(old: { top: number }, box: HTMLElement) {
  const { scrollTop: top, clientHeight: height } = box;
  return { top, height, beyond: Math.abs(top - old.top) < height ? BEYOND : 0 };
}

/** As many rows as are in sight, and a few beyond. */
function InSight(props: Shown) {
  const { trials, columns, chosen } = props;
  const mayChange = useMayChange();
  const region = useRef<HTMLDivElement>(null);
  const [window_, setWindow] = useState({ top: 0, height: 500, beyond: 0 });
  const [at, setAt] = useState(0);
  const wanted = useRef(false);
  const last = useRef<number | undefined>(undefined);
  useLayoutEffect(() => {
    const box = region.current;
    if (!box) return;
    let frame = 0;
    const look = () => {
      frame = 0;
      setWindow((old) => moved(old, box));
    };
    const later = () => (frame ||= requestAnimationFrame(look));
    const observer = new ResizeObserver(later);
    observer.observe(box);
    box.addEventListener("scroll", later, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      box.removeEventListener("scroll", later);
    };
  }, []);
  useEffect(() => {
    if (window_.beyond > 0) return;
    return afterFrame(() => setWindow((old) => ({ ...old, beyond: BEYOND })));
  }, [window_]);
  const first = Math.max(0, Math.min(trials.length - 1, Math.floor(window_.top / ROW) - window_.beyond));
  const end = Math.min(trials.length, Math.ceil((window_.top + window_.height) / ROW) + window_.beyond);
  const move = (to: number) => {
    const box = region.current;
    const index = Math.max(0, Math.min(trials.length - 1, to));
    if (!box || trials.length === 0) return;
    const head = box.querySelector("thead")?.clientHeight ?? ROW;
    const top = index * ROW;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW + head > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW + head - box.clientHeight;
    wanted.current = true;
    setAt(index);
    setWindow((old) => moved(old, box));
  };
  useLayoutEffect(() => {
    if (!wanted.current) return;
    const button = region.current?.querySelector<HTMLElement>(`button.row[data-index="${at}"]`);
    button?.focus({ preventScroll: true });
    wanted.current = button === null;
  });
  const page = Math.max(1, Math.floor(window_.height / ROW) - 2);
  const keys = (event: KeyboardEvent) => {
    const to: Record<string, number> = { j: at + 1, ArrowDown: at + 1, k: at - 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: trials.length - 1 };
    const trial = trials[at];
    if (event.key === "x" && trial && mayChange) props.onChoose([trial.number], !chosen.has(trial.number));
    else if (to[event.key] !== undefined && !event.ctrlKey && !event.metaKey) move(to[event.key] as number);
    else return;
    event.preventDefault();
  };
  const choose = (index: number, on: boolean, range: boolean) => {
    const from = range && last.current !== undefined ? last.current : index;
    last.current = index;
    props.onChoose(trials.slice(Math.min(from, index), Math.max(from, index) + 1).map((t) => t.number), on);
  };
  const all = trials.length > 0 && trials.every((t) => chosen.has(t.number));
  const sortBy = (head: string) => {
    setWindow((old) => ({ ...old, beyond: 0 }));
    props.onSort(head);
  };
  const heading = (head: string, kind: Column["kind"]) => {
    const sort = props.sort.head === head ? props.sort : undefined;
    return (
      <th key={head} scope="col" class={kind} aria-sort={sort ? (sort.down ? "descending" : "ascending") : "none"}>
        <button type="button" class="bare" onClick={() => sortBy(head)}>
          {head}
          <span aria-hidden="true">{sort ? (sort.down ? " ▼" : " ▲") : ""}</span>
        </button>
      </th>
    );
  };
  const spacer = (rows: number) =>
    rows > 0 && (
      <tr aria-hidden="true" class="spacer">
        <td colSpan={columns.length + 2} style={{ height: `${rows * ROW}px` }} />
      </tr>
    );
  return (
    <div class="scroll tall virtual" ref={region} tabIndex={0} role="region" aria-label="Table of trials" onKeyDown={keys}>
      <table aria-rowcount={trials.length + 1}>
        <caption class="hidden">Trials; j and k move, x chooses, Enter opens</caption>
        <thead>
          <tr aria-rowindex={1}>
            {mayChange && (
              <th scope="col" class="check">
                <input type="checkbox" aria-label="Choose all that are shown" checked={all} onChange={(event) => props.onChoose(trials.map((t) => t.number), event.currentTarget.checked)} />
              </th>
            )}
            {heading("trial", undefined)}
            {columns.map((c) => heading(c.head, c.kind))}
          </tr>
        </thead>
        <tbody>
          {spacer(first)}
          {trials.slice(first, end).map((trial, i) => (
            <tr
              key={trial.number}
              aria-rowindex={first + i + 2}
              class={`${trial.number === props.job.best?.trial ? "chosen " : ""}${trial.number === props.selected || chosen.has(trial.number) ? "selected" : ""}`}
            >
              {mayChange && (
                <td class="check">
                  <input
                    type="checkbox"
                    aria-label={`Choose trial ${trial.number}`}
                    checked={chosen.has(trial.number)}
                    onClick={(event) => choose(first + i, event.currentTarget.checked, event.shiftKey)}
                  />
                </td>
              )}
              <th scope="row">
                <button type="button" class="bare row" data-index={first + i} onFocus={() => setAt(first + i)} onClick={() => props.onTrial(trial.number)} aria-label={`Trial ${trial.number}`}>
                  {trial.number}
                  {trial.number === props.job.best?.trial && " ★"}
                </button>
              </th>
              {columns.map((c) => (
                <td key={c.head} class={c.kind} title={c.kind?.startsWith("cut") ? String(c.key(trial) ?? "") : undefined}>
                  {c.cell(trial)}
                </td>
              ))}
            </tr>
          ))}
          {spacer(trials.length - end)}
        </tbody>
      </table>
    </div>
  );
}

export const Trials = memo(function Trials(props: {
  job: Job;
  space: Space | undefined;
  stages: Stages | undefined;
  rows: Rows;
  tick: number;
  selected: number | null;
  onTrial: (trial: number) => void;
  onChange: () => void;
}) {
  const { job, space } = props;
  const mayChange = useMayChange();
  const [text, setText] = useState("");
  const [sort, setSort] = useState({ head: "trial", down: true });
  const [chosen, setChosen] = useState(new Set<number>());
  const [goto, setGoto] = useState("");
  const [trouble, setTrouble] = useState<Problem>();
  const { trials, reading, problem } = props.rows;
  const columns = useMemo(() => columnsOf(job, props.stages), [job.baseline, job.objective, props.stages]);
  const metrics = useMemo(() => [...new Set(trials.slice(0, 50).flatMap((t) => Object.keys(t.metrics ?? {})))].sort(), [trials.length > 0]);
  const filter = useMemo(() => filterOf(text, job, space, metrics), [text, job.baseline, space, metrics]);
  const lowered = useLowered(job.id, filter.ops, props.tick);
  const shown = useMemo(() => {
    const { numbers } = lowered;
    const found = trials.filter((t) => filter.test(t) && (numbers === undefined || numbers.has(t.number)));
    if (sort.head === "trial") return sort.down ? found.reverse() : found;
    const key = columns.find((c) => c.head === sort.head)?.key ?? ((t: Trial) => t.number);
    return sorted(found, key, sort.down);
  }, [trials, filter, lowered.numbers, sort, columns]);
  const choose = (numbers: number[], on: boolean) =>
    setChosen((old) => {
      const now = new Set(old);
      for (const one of numbers) if (on) now.add(one); else now.delete(one);
      return now;
    });
  const retryAll = async () => {
    await ask("POST", `/v1/jobs/${job.id}/retry`);
    props.onChange();
  };
  return (
    <section class="card wide" id="trials" aria-labelledby="trials-title">
      <div class="figure-head">
        <h2 id="trials-title">
          <a href="#trials">Trials</a>
        </h2>
        <div class="tools">
          {mayChange && job.progress.failed > 0 && !FINAL.includes(job.state) && (
            <Act run={retryAll} onProblem={setTrouble}>
              Retry {job.progress.failed === 1 ? "the failure" : `all ${job.progress.failed} failures`}
            </Act>
          )}
        </div>
      </div>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          if (/^\d+$/.test(goto)) props.onTrial(Number(goto));
        }}
      >
        <FilterField value={text} onChange={setText} options={(typed, caret) => complete(typed, caret, trials, space, metrics)} faults={filter.faults} />
        <label>
          Trial number <input class="short" inputMode="numeric" value={goto} onInput={(event) => setGoto(event.currentTarget.value)} />
        </label>
        <button type="submit">Show trial</button>
      </form>
      <p class="note" role="status">
        {shown.length === trials.length ? plural(trials.length, "trial") : `${shown.length} of ${plural(trials.length, "trial")}`}
        {reading && ", reading the rest"}
      </p>
      {chosen.size > 0 && (
        <Batch job={job} chosen={trials.filter((t) => chosen.has(t.number))} onClear={() => setChosen(new Set())} onChange={props.onChange} onProblem={setTrouble} />
      )}
      <Trouble problem={problem ?? lowered.problem ?? trouble} />
      <InSight
        job={job}
        trials={shown}
        columns={columns}
        selected={props.selected}
        chosen={chosen}
        sort={sort}
        onSort={(head) => setSort({ head, down: sort.head === head ? !sort.down : head === "trial" })}
        onChoose={choose}
        onTrial={props.onTrial}
      />
    </section>
  );
});
