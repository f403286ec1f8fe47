/** The table of trials, and one of them in a drawer. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Config, FINAL, type Job, type Page, type Problem, type Space, type Trial, ask, askAll, useData } from "./api";
import { useMayChange } from "./session";
import { Act, Table, Trouble } from "./ui";
import { accuracyText, changed, clock, duration, number, objectiveName } from "./words";

const ROWS = 50;
const ORDERS: [string, string][] = [
  ["-number", "newest first"],
  ["number", "oldest first"],
  ["-accuracy", "most accurate first"],
  ["latency_ms", "fastest first"],
];
const FILTERS: [string, string][] = [
  ["", "all"],
  ["feasible=true", "meets the criterion"],
  ["feasible=false", "misses the criterion"],
  ["state=failed", "failed"],
  ["state=asked,leased", "out now"],
  ["kind=score", "scores"],
  ["kind=confirm", "confirmations"],
];

/** What a config does otherwise than the space's default: each operator, and what is other. */
function difference(config: Config, space: Space | undefined): [string, string][] {
  const rows: [string, string][] = [];
  for (const op of space?.ops ?? []) {
    const own = config.ops[op.name];
    const changes = own ? changed(own, op.default) : "";
    if (changes !== "") rows.push([op.name, changes]);
  }
  for (const [name, value] of Object.entries(config.recipes ?? {})) rows.push([name, JSON.stringify(value)]);
  return rows;
}

export function Drawer(props: { job: Job; number: number; space: Space | undefined; tick: number; onClose: () => void; onChange: () => void }) {
  const { job } = props;
  const path = `/v1/jobs/${job.id}/trials/${props.number}`;
  const { value: trial, problem } = useData<Trial>(path, props.tick);
  const [trouble, setTrouble] = useState<Problem>();
  const [reason, setReason] = useState("");
  const mayChange = useMayChange();
  const box = useRef<HTMLElement>(null);
  const from = useRef(document.activeElement as HTMLElement | null);
  useEffect(() => {
    box.current?.focus();
  }, [props.number]);
  useEffect(() => () => from.current?.focus(), []);
  const change = (what: string, body?: unknown) => async () => {
    await ask("POST", `${path}/${what}`, body);
    props.onChange();
  };
  const differences = trial?.config ? difference(trial.config, props.space) : [];
  const seconds = trial?.told_at ? (Date.parse(trial.told_at) - Date.parse(trial.asked_at)) / 1000 : null;
  return (
    <aside
      class="drawer"
      ref={box}
      tabIndex={-1}
      aria-label={`Trial ${props.number}`}
      onKeyDown={(event) => event.key === "Escape" && props.onClose()}
    >
      <div class="dialog-head">
        <h2>Trial {props.number}</h2>
        <button type="button" class="quiet" aria-label="Close the trial" onClick={props.onClose}>
          ✕
        </button>
      </div>
      <Trouble problem={problem ?? trouble} />
      {trial && (
        <>
          <dl class="facts">
            <div>
              <dt>measured by</dt>
              <dd>{trial.worker ?? (trial.source === "cache" ? "nobody: it was known" : "nobody yet")}</dd>
            </div>
            <div>
              <dt>state</dt>
              <dd>
                {trial.kind}, {trial.state}
                {trial.excluded && `, excluded: ${trial.excluded.reason}`}
              </dd>
            </div>
            <div>
              <dt>accuracy</dt>
              <dd>
                {accuracyText(trial.accuracy)}{" "}
                {trial.feasible !== null && <span class="note">{trial.feasible ? "meets the criterion" : "misses the criterion"}</span>}
              </dd>
            </div>
            {Object.entries(trial.metrics ?? {}).map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{number(value, 6)}</dd>
              </div>
            ))}
            <div>
              <dt>asked</dt>
              <dd>
                {clock(trial.asked_at)}, {trial.attempts === 1 ? "once" : `${trial.attempts} times`}
                {seconds !== null && `, took ${duration(seconds)}`}
              </dd>
            </div>
            {trial.error && (
              <div>
                <dt>error</dt>
                <dd class="error">{trial.error}</dd>
              </div>
            )}
          </dl>
          {trial.config && (
            <Table
              caption={`What is other than the default: ${differences.length} of ${props.space?.ops.length ?? 0} operators`}
              rows={differences}
              rowKey={(row) => row[0]}
              columns={[
                { head: "operator", cell: (row) => <span class="op">{row[0]}</span> },
                { head: "here", cell: (row) => row[1] },
              ]}
            />
          )}
          <div class="buttons">
            <a class="button" href={path}>
              As JSON
            </a>
            {mayChange && trial.state === "failed" && !FINAL.includes(job.state) && (
              <Act run={change("retry")} onProblem={setTrouble}>
                Measure again
              </Act>
            )}
            {mayChange && (trial.state === "asked" || trial.state === "leased") && (
              <Act run={change("cancel")} onProblem={setTrouble}>
                Give it up
              </Act>
            )}
            {mayChange && trial.excluded && (
              <Act run={change("include")} onProblem={setTrouble}>
                Let it count again
              </Act>
            )}
          </div>
          {mayChange && trial.state === "told" && !trial.excluded && trial.number > 0 && (
            <form class="inline" onSubmit={(event) => event.preventDefault()}>
              <label>
                Wrong measurement? Why{" "}
                <input value={reason} maxLength={256} onInput={(event) => setReason(event.currentTarget.value)} />
              </label>
              <Act run={change("exclude", { reason })} onProblem={setTrouble} disabled={reason === ""}>
                Exclude it
              </Act>
            </form>
          )}
        </>
      )}
    </aside>
  );
}

export function Trials(props: { job: Job; tick: number; selected: number | null; onTrial: (trial: number) => void; onChange: () => void }) {
  const { job } = props;
  const [order, setOrder] = useState("-number");
  const [filter, setFilter] = useState("");
  const [rows, setRows] = useState(ROWS);
  const [goto, setGoto] = useState("");
  const mayChange = useMayChange();
  const [trouble, setTrouble] = useState<Problem>();
  const query = [`limit=${Math.min(1000, rows)}`, `order=${order}`, filter].filter(Boolean).join("&");
  const { value, problem } = useData<Page<Trial>>(`/v1/jobs/${job.id}/trials?${query}`, props.tick);
  const kept = useRef<Trial[]>([]);
  if (value) kept.current = value.items;
  const items = kept.current;
  const body = useRef<HTMLTableSectionElement>(null);
  const keys = (event: KeyboardEvent) => {
    const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const buttons = [...(body.current?.querySelectorAll<HTMLElement>("button.row") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + by))]?.focus();
  };
  const retryAll = async () => {
    const failed = await askAll<Trial>(`/v1/jobs/${job.id}/trials?state=failed`, 1000);
    for (const trial of failed) await ask("POST", `/v1/jobs/${job.id}/trials/${trial.number}/retry`);
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
        <label>
          Show{" "}
          <select value={filter} onChange={(event) => setFilter(event.currentTarget.value)}>
            {FILTERS.map(([key, text]) => (
              <option key={key} value={key}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <label>
          Order{" "}
          <select value={order} onChange={(event) => setOrder(event.currentTarget.value)}>
            {ORDERS.map(([key, text]) => (
              <option key={key} value={key}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <label>
          Trial number <input class="short" inputMode="numeric" value={goto} onInput={(event) => setGoto(event.currentTarget.value)} />
        </label>
        <button type="submit">Show trial</button>
      </form>
      <Trouble problem={problem ?? trouble} />
      <div class="scroll tall" tabIndex={0} role="region" aria-label="Table of trials">
        <table onKeyDown={keys}>
          <caption class="hidden">Trials; j and k move, Enter opens</caption>
          <thead>
            <tr>
              <th scope="col">trial</th>
              <th scope="col">stage</th>
              <th scope="col">state</th>
              <th scope="col" class="number">
                accuracy
              </th>
              <th scope="col" class="number">
                {objectiveName(job)}
              </th>
              <th scope="col">criterion</th>
              <th scope="col">measured by</th>
              <th scope="col">error</th>
            </tr>
          </thead>
          <tbody ref={body}>
            {items.map((trial) => (
              <tr key={trial.number} class={`${trial.number === job.best?.trial ? "chosen " : ""}${trial.number === props.selected ? "selected" : ""}`}>
                <th scope="row">
                  <button type="button" class="bare row" onClick={() => props.onTrial(trial.number)} aria-label={`Trial ${trial.number}`}>
                    {trial.number}
                    {trial.number === job.best?.trial && " ★"}
                  </button>
                </th>
                <td>{trial.kind === "evaluate" ? (trial.stage ?? "–") : trial.kind}</td>
                <td>
                  {trial.state}
                  {trial.excluded ? ", excluded" : trial.source === "cache" ? ", known" : ""}
                </td>
                <td class="number">{accuracyText(trial.accuracy)}</td>
                <td class="number">{number(trial.objective_value)}</td>
                <td>{trial.feasible === null ? "–" : trial.feasible ? "✓ meets" : "✕ misses"}</td>
                <td class="cut">{trial.worker ?? "–"}</td>
                <td class="cut error">{trial.error ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {value?.next && rows < 1000 && (
        <button type="button" class="quiet" onClick={() => setRows(rows * 2)}>
          More trials
        </button>
      )}
      {value?.next && rows >= 1000 && (
        <p class="note">
          More than a thousand: <a href={`/v1/jobs/${job.id}/export?format=csv`}>all of them as CSV</a>.
        </p>
      )}
    </section>
  );
}
