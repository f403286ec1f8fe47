/** A job's name, what it is at, and what can be done to it. */
import { useState } from "preact/hooks";
import { FINAL, type Job, type Problem, ask } from "./api";
import { BudgetDialog, StopDialog } from "./dialogs";
import { memo } from "./memo";
import { useMayChange } from "./session";
import { TakeAway } from "./takeaway";
import { Act, Budget, State, Trouble } from "./ui";
import { duration, ownLabels, plural, stageText } from "./words";

export const Head = memo(function Head(props: { job: Job; onChange: () => void; onClone: (asked: { loss: number | null }) => void }) {
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
          {job.progress.stage && !final && <span>stage {stageText(job.progress.stage, job.progress.stage_words)}</span>}
          <span>{duration(job.budget.elapsed_s)}</span>
          <Budget job={job} />
          {job.progress.failed > 0 && <span class="error">{plural(job.progress.failed, "failure")}</span>}
          {ownLabels(job).map(([key, value]) => (
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
          <button type="button" onClick={() => props.onClone({ loss: null })}>
            Start again
          </button>
        )}
        <TakeAway job={job} />
      </div>
      <Trouble problem={trouble} />
      {open === "budget" && <BudgetDialog job={job} onChange={onChange} onClose={() => setOpen(null)} />}
      {open === "stop" && <StopDialog job={job} onChange={onChange} onClose={() => setOpen(null)} />}
    </div>
  );
});
