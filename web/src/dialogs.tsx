/** What is asked before a job is changed: its budget, its end, and another one like it. */
import { useState } from "preact/hooks";
import { type Job, type Page, type Problem, type Strategy, ask, root, useData } from "./api";
import { Act, Dialog, Trouble } from "./ui";

export function CloneDialog(props: { job: Job; loss: number | null; onClose: () => void }) {
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
    location.assign(`${root}/jobs/${made.id}`);
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
      {"start" in job.evaluator && <p class="note">It is measured once a worker has been started: {job.evaluator.start}.</p>}
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="primary" run={start} onProblem={setTrouble}>
          Start the job
        </Act>
        <a class="button" href={`${root}/#new=${job.id}`}>
          Change anything, as JSON
        </a>
      </div>
    </Dialog>
  );
}

export function BudgetDialog({ job, onClose, onChange }: { job: Job; onClose: () => void; onChange: () => void }) {
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

export function StopDialog({ job, onClose, onChange }: { job: Job; onClose: () => void; onChange: () => void }) {
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
