/** What can be done to several jobs at once. */
import { useState } from "preact/hooks";
import { FINAL, type Job, type Problem, ask } from "./api";
import { Act, Dialog, Trouble } from "./ui";
import { plural } from "./words";

interface Doing {
  title: string;
  say: string;
  button: string;
  jobs: Job[];
  run: (job: Job) => Promise<unknown>;
}

/** Asks once, then does it to one job after the other; what is refused is said, and the rest is done. */
function DoDialog({ doing, onDone, onClose }: { doing: Doing; onDone: () => void; onClose: () => void }) {
  const [trouble, setTrouble] = useState<Problem>();
  const run = async () => {
    const refused: { pointer: string; detail: string }[] = [];
    let first: Problem | undefined;
    for (const job of doing.jobs) {
      await doing.run(job).catch((problem: Problem) => {
        first ??= problem;
        refused.push({ pointer: job.name ?? job.id, detail: problem.detail });
      });
    }
    onDone();
    if (first) throw { ...first, title: `${plural(refused.length, "job")} of ${doing.jobs.length} refused`, errors: refused } satisfies Problem;
    onClose();
  };
  return (
    <Dialog title={doing.title} onClose={onClose}>
      <p>{doing.say}</p>
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="danger" run={run} onProblem={setTrouble}>
          {doing.button}
        </Act>
      </div>
    </Dialog>
  );
}

function LabelDialog({ jobs, onDone, onClose }: { jobs: Job[]; onDone: () => void; onClose: () => void }) {
  const [key, setKey] = useState("");
  const [value, setValue] = useState("");
  const [trouble, setTrouble] = useState<Problem>();
  const run = async () => {
    for (const job of jobs) {
      const labels: Record<string, string> = { ...job.labels, [key]: value };
      if (value === "") delete labels[key];
      await ask("PATCH", `/v1/jobs/${job.id}`, { labels });
    }
    onDone();
    onClose();
  };
  return (
    <Dialog title={`Label ${plural(jobs.length, "job")}`} onClose={onClose}>
      <div class="fields">
        <label>
          Label
          <input value={key} onInput={(event) => setKey(event.currentTarget.value)} />
        </label>
        <label>
          Value; empty takes the label away
          <input value={value} onInput={(event) => setValue(event.currentTarget.value)} />
        </label>
      </div>
      <Trouble problem={trouble} />
      <div class="buttons">
        <Act kind="primary" run={run} onProblem={setTrouble} disabled={key === ""}>
          Label them
        </Act>
      </div>
    </Dialog>
  );
}

export function Bulk({ jobs, onChange, onClear }: { jobs: Job[]; onChange: () => void; onClear: () => void }) {
  const [doing, setDoing] = useState<Doing>();
  const [labelling, setLabelling] = useState(false);
  const open = jobs.filter((job) => !FINAL.includes(job.state));
  const ended = jobs.filter((job) => FINAL.includes(job.state));
  const [a, b] = jobs;
  return (
    <div class="batch" role="group" aria-label="What to do with the chosen jobs">
      <span>{plural(jobs.length, "job")} chosen</span>
      {jobs.length === 2 && a && b && (
        <a class="button" href={`#compare=${a.id},${b.id}`}>
          Compare the two
        </a>
      )}
      {open.length > 0 && (
        <button
          type="button"
          onClick={() =>
            setDoing({
              title: `Stop ${plural(open.length, "job")} for good?`,
              say: "What was measured stays, and clones can go on from it.",
              button: "Stop them",
              jobs: open,
              run: (job) => ask("POST", `/v1/jobs/${job.id}/cancel`),
            })
          }
        >
          Stop {open.length}
        </button>
      )}
      {ended.length > 0 && (
        <button
          type="button"
          onClick={() =>
            setDoing({
              title: `Delete ${plural(ended.length, "job")}?`,
              say: "With all that they measured. This cannot be taken back.",
              button: "Delete them",
              jobs: ended,
              run: (job) => ask("DELETE", `/v1/jobs/${job.id}`),
            })
          }
        >
          Delete {ended.length}
        </button>
      )}
      <button type="button" onClick={() => setLabelling(true)}>
        Label
      </button>
      <button type="button" class="quiet" onClick={onClear}>
        Choose none
      </button>
      {doing && <DoDialog doing={doing} onDone={onChange} onClose={() => setDoing(undefined)} />}
      {labelling && <LabelDialog jobs={jobs} onDone={onChange} onClose={() => setLabelling(false)} />}
    </div>
  );
}
