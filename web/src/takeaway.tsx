/** What a job found, to take away or to paste somewhere else. */
import { useState } from "preact/hooks";
import { type Job, type Problem, askText, root } from "./api";
import { save } from "./take";
import { Act, Menu, Trouble } from "./ui";

interface Form {
  name: string;
  path: string;
  file: string;
  /** Whether the daemon may refuse it, with words that are worth reading. */
  refusable?: boolean;
}

/** Every format that the daemon has, the first ones those of the best config. */
function forms(job: Job): Form[] {
  const path = `/v1/jobs/${job.id}`;
  return [
    { name: "The best config, JSON", path: `${path}/best`, file: `${job.id}-best.json` },
    { name: "The best config for Intel Neural Compressor", path: `${path}/export?format=inc`, file: `${job.id}-tune-cfg.json`, refusable: true },
    { name: "The best config for ONNX Runtime", path: `${path}/export?format=onnxruntime`, file: `${job.id}-onnxruntime.json`, refusable: true },
    { name: "The best config for OpenVINO", path: `${path}/export?format=openvino`, file: `${job.id}-openvino.json`, refusable: true },
    { name: "The best config for torchao", path: `${path}/export?format=torchao`, file: `${job.id}-torchao.json`, refusable: true },
    { name: "The best config for AutoRound", path: `${path}/export?format=autoround`, file: `${job.id}-autoround.json`, refusable: true },
    { name: "The best config for Model Optimizer", path: `${path}/export?format=modelopt`, file: `${job.id}-modelopt.json`, refusable: true },
    { name: "The best config for LLM Compressor", path: `${path}/export?format=llmcompressor`, file: `${job.id}-llmcompressor.yaml`, refusable: true },
    { name: "The best config for Quark", path: `${path}/export?format=quark`, file: `${job.id}-quark.json`, refusable: true },
    { name: "All trials, CSV", path: `${path}/export?format=csv`, file: `${job.id}.csv` },
    { name: "Everything, JSON", path: `${path}/export?format=json`, file: `${job.id}.json` },
    { name: "The job as it was submitted", path: `${path}/spec`, file: `${job.id}-spec.json` },
  ];
}

function Copy(props: { name: string; text: () => Promise<string>; onProblem: (problem: Problem | undefined) => void }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(await props.text());
    setDone(true);
  };
  return (
    <Act run={copy} onProblem={props.onProblem}>
      {done ? "Copied" : "Copy"}
      <span class="hidden"> {props.name}</span>
    </Act>
  );
}

export function TakeAway({ job }: { job: Job }) {
  const [problem, setProblem] = useState<Problem>();
  const commands: [string, string][] = [
    ["The command for the best config", `narrow best ${job.id}`],
    ["The call of curl for it", `curl --fail-with-body -sS ${location.origin}${root}/v1/jobs/${job.id}/best`],
  ];
  return (
    <Menu label="Take it away">
      {forms(job).map(({ name, path, file, refusable }) => (
        <p key={name} class="take">
          {refusable ? (
            <Act kind="quiet" run={async () => save(file, new Blob([await askText(path)], { type: "application/json" }))} onProblem={setProblem}>
              {name}
            </Act>
          ) : (
            <a href={root + path} download={file}>
              {name}
            </a>
          )}
          <Copy name={name} text={() => askText(path)} onProblem={setProblem} />
        </p>
      ))}
      {commands.map(([name, command]) => (
        <p key={name} class="take">
          <span>{name}</span>
          <Copy name={name} text={() => Promise.resolve(command)} onProblem={setProblem} />
        </p>
      ))}
      <Trouble problem={problem} />
    </Menu>
  );
}
