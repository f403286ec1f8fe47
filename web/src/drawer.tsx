/** One trial in a drawer: who measured it, in what its config differs, and what can be done about it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Config, FINAL, type Job, type Problem, type Space, type Stages, type Trial, ask, root, useData } from "./api";
import { useMayChange } from "./session";
import { Act, Table, Trouble } from "./ui";
import { accuracyText, changed, clock, duration, number, stageText } from "./words";

/** What a config does otherwise than another one, or than the space's default: each operator, and what is other. */
function difference(config: Config, from: Config | undefined, space: Space | undefined): [string, string][] {
  const rows: [string, string][] = [];
  for (const op of space?.ops ?? []) {
    const own = config.ops[op.name];
    const changes = own ? changed(own, from?.ops[op.name] ?? op.default) : "";
    if (changes !== "") rows.push([op.name, changes]);
  }
  for (const [name, value] of Object.entries(config.recipes ?? {})) {
    const old = JSON.stringify(from?.recipes?.[name]);
    if (JSON.stringify(value) !== old) rows.push([name, JSON.stringify(value) + (from ? ` instead of ${old ?? "none"}` : "")]);
  }
  return rows;
}

export function Drawer(props: { job: Job; number: number; space: Space | undefined; stages: Stages | undefined; tick: number; onClose: () => void; onChange: () => void }) {
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
  const [against, setAgainst] = useState("default");
  const otherNumber = against === "best" ? job.best?.trial : undefined;
  const other = useData<Trial>(otherNumber === undefined ? null : `/v1/jobs/${job.id}/trials/${otherNumber}`, 0).value;
  const differences = trial?.config ? difference(trial.config, other?.config, props.space) : [];
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
            {trial.stage && (
              <div>
                <dt>stage</dt>
                <dd>{stageText(trial.stage, props.stages?.[trial.stage])}</dd>
              </div>
            )}
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
                {trial.rejected && <span class="note">, but was rejected: {trial.rejected.reason}</span>}
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
            <label class="inline">
              Compared with{" "}
              <select value={against} onChange={(event) => setAgainst(event.currentTarget.value)}>
                <option value="default">the default</option>
                {job.best && job.best.trial !== props.number && <option value="best">the best, trial {job.best.trial}</option>}
              </select>
            </label>
          )}
          {trial.config && (
            <Table
              caption={`What is other: ${differences.length} of ${props.space?.ops.length ?? 0} operators`}
              rows={differences}
              rowKey={(row) => row[0]}
              columns={[
                { head: "operator", cell: (row) => <span class="op">{row[0]}</span> },
                { head: "here", cell: (row) => row[1] },
              ]}
            />
          )}
          <div class="buttons">
            <a class="button" href={root + path}>
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
