/** A new job: a form made of what the daemon says about itself, or JSON; its messages stand beside the fields. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useState } from "preact/hooks";
import { type Evaluator, type Job, type Kwarg, type Page, type Problem, type Space, type Strategy, ask, root, useData } from "./api";
import { AskWhat, type Offer, reach } from "./offer";
import { Warnings, sizeText } from "./panels";
import { Act, Top } from "./ui";

type Body = Record<string, unknown>;

interface Fields {
  name: string;
  where: string; // "url", "pool" or the id of an evaluator
  target: string;
  approach: string;
  strategy: string;
  kwargs: Record<string, string>;
  objective: string;
  stopOn: string;
  trials: string;
  timeout: string;
  criterion: string;
  loss: string;
  aim: string; // "one" loss, or the whole "front"
  parallel: string;
  keptTypes: string[];
  keptOps: string;
}

const FIRST: Fields = {
  name: "",
  where: "url",
  target: "",
  approach: "auto",
  strategy: "sgp",
  kwargs: {},
  objective: "latency_ms",
  stopOn: "budget",
  trials: "100",
  timeout: "0",
  criterion: "relative",
  loss: "0.01",
  aim: "one",
  parallel: "1",
  keptTypes: [],
  keptOps: "",
};
const IN_FP32 = { weight: { dtype: ["fp32"] }, activation: { dtype: ["fp32"] } };
const METRICS: Record<string, string> = { latency_ms: "latency", model_size_bytes: "model size", peak_memory_bytes: "memory" };

const AT_EVERY_LOSS = "Up to five times the loss above, by sgp, until the budget is used up. The job's page shows what each loss would be worth.";
const FRONT: Partial<Fields> = { aim: "front", strategy: "sgp", stopOn: "budget" };
/** Whether how much may be lost is open: what else it takes may have been changed since it was chosen. */
const isFront = (f: Fields) => f.objective !== "accuracy" && (Object.keys(FRONT) as (keyof Fields)[]).every((name) => f[name] === FRONT[name]);

const inFp32 = (names: string[]) => Object.fromEntries(names.map((name) => [name, IN_FP32]));

function kwarg(schema: Kwarg | undefined, text: string): unknown {
  if (schema?.type === "integer" || schema?.type === "number") return Number(text);
  return schema?.type === "boolean" ? text === "true" : text;
}

function bodyOf(f: Fields, strategy: Strategy | undefined): Body {
  const evaluator = f.where === "url" ? { url: f.target } : f.where === "pool" ? { pool: f.target } : { id: f.where };
  const kwargs = Object.entries(f.kwargs)
    .filter(([, text]) => text !== "")
    .map(([name, text]) => [name, kwarg(strategy?.strategy_kwargs.properties[name], text)]);
  return {
    ...(f.name ? { name: f.name } : {}),
    approach: f.approach,
    tuning_criterion: {
      ...(f.strategy ? { strategy: f.strategy } : {}),
      ...(kwargs.length > 0 ? { strategy_kwargs: Object.fromEntries(kwargs) as Body } : {}),
      objective: isFront(f) ? [f.objective, "accuracy"] : f.objective,
      max_trials: Number(f.trials),
      timeout: Number(f.timeout),
      stop_on: f.stopOn,
    },
    accuracy_criterion: { criterion: f.criterion, tolerable_loss: Number(f.loss) },
    ...(f.keptTypes.length > 0 ? { op_type_dict: inFp32(f.keptTypes) } : {}),
    ...(f.keptOps.trim() ? { op_name_dict: inFp32(f.keptOps.trim().split(/[\s,]+/)) } : {}),
    evaluator,
    parallel: Number(f.parallel),
  };
}

function faultsAt(problem: Problem | undefined, pointer: string): string {
  return (problem?.errors ?? [])
    .filter((e) => e.pointer === pointer || e.pointer.startsWith(`${pointer}/`))
    .map((e) => e.detail)
    .join("; ");
}

function Field(props: { label: string; pointer: string; problem: Problem | undefined; hint?: string; children: (id: string, described: string | undefined) => ComponentChildren }) {
  const id = useId();
  const fault = faultsAt(props.problem, props.pointer);
  const described = fault || props.hint ? `${id}-note` : undefined;
  return (
    <div class={fault ? "field faulty" : "field"}>
      <label for={id}>{props.label}</label>
      {props.children(id, described)}
      {described && (
        <p id={described} class={fault ? "error" : "note"}>
          {fault || props.hint}
        </p>
      )}
    </div>
  );
}

export function NewPage({ like }: { like?: string }) {
  const strategies = useData<Page<Strategy>>("/v1/strategies", 0).value?.items ?? [];
  const evaluators = useData<Page<Evaluator>>("/v1/evaluators?limit=1000", 0).value?.items ?? [];
  const [f, setF] = useState(FIRST);
  const [json, setJson] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem>();
  const [space, setSpace] = useState<Space>();
  const [offer, setOffer] = useState<Offer>();
  const strategy = strategies.find((s) => s.name === f.strategy);
  useEffect(() => {
    document.title = "New job · narrowd";
    if (like === undefined) return;
    // A job like another one: what was submitted, to change anything of it.
    ask<Body>("GET", `/v1/jobs/${encodeURIComponent(like)}/spec`).then((body) => setJson(JSON.stringify(body, null, 2)), setProblem);
  }, []);
  const set = (more: Partial<Fields>) => setF({ ...f, ...more });
  const input = (name: keyof Fields, pointer: string, label: string, hint?: string, mode?: "numeric" | "decimal") => (
    <Field label={label} pointer={pointer} problem={problem} hint={hint}>
      {(id, described) => (
        <input id={id} aria-describedby={described} inputMode={mode} value={f[name] as string} onInput={(event) => set({ [name]: event.currentTarget.value })} />
      )}
    </Field>
  );
  const select = (name: keyof Fields, pointer: string, label: string, options: [string, string][], hint?: string) => (
    <Field label={label} pointer={pointer} problem={problem} hint={hint}>
      {(id, described) => (
        <select id={id} aria-describedby={described} value={f[name] as string} onChange={(event) => set({ [name]: event.currentTarget.value })}>
          {options.map(([key, text]) => (
            <option key={key} value={key}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
  const body = (): Body => {
    if (json === null) return bodyOf(f, strategy);
    try {
      return JSON.parse(json) as Body;
    } catch (error) {
      throw { status: 0, title: "This is not JSON", detail: String(error) } satisfies Problem;
    }
  };
  const check = async () => {
    setSpace(undefined);
    setSpace(await ask<Space>("POST", "/v1/spaces", body()));
  };
  const start = async () => {
    const job = await ask<Job>("POST", "/v1/jobs", body());
    location.assign(`${root}/jobs/${job.id}`);
  };
  const metrics = offer ? offer.metrics.filter((m) => m !== "accuracy") : Object.keys(METRICS);
  const faults = problem?.errors?.map((e) => e.pointer) ?? [];
  return (
    <>
      <Top>
        <a href={`${root}/`}>All jobs</a>
      </Top>
      <main id="main" class="narrow">
        <div class="head">
          <h1>New job</h1>
          <div class="buttons">
            <button type="button" aria-pressed={json !== null} onClick={() => setJson(json === null ? JSON.stringify(bodyOf(f, strategy), null, 2) : null)}>
              As JSON
            </button>
          </div>
        </div>
        <form class="card" onSubmit={(event) => event.preventDefault()}>
          {json !== null ? (
            <Field label="The job" pointer="" problem={undefined}>
              {(id) => <textarea id={id} rows={24} spellcheck={false} value={json} onInput={(event) => setJson(event.currentTarget.value)} />}
            </Field>
          ) : (
            <div class="form">
              {input("name", "/name", "Name", "For people; need not be unique.")}
              {select("where", "/evaluator/id", "Who measures", [["url", "an evaluator at a URL"], ["pool", "the workers of a pool"], ...evaluators.map((e): [string, string] => [e.id, e.name ?? e.url])])}
              {(f.where === "url" || f.where === "pool") && input("target", `/evaluator/${f.where}`, f.where === "url" ? "URL of the evaluator" : "Pool")}
              <AskWhat where={f.where} target={f.target} offer={offer} kept={f.keptTypes} onOffer={setOffer} onKept={(keptTypes) => set({ keptTypes })} />
              {select("approach", "/approach", "Approach", ["auto", "static", "dynamic", "weight_only", "qat"].map((a) => [a, a.replace("_", " ") + reach(offer, a)]))}
              {select("strategy", "/tuning_criterion/strategy", "Strategy", strategies.length === 0 ? [["sgp", "sgp"]] : strategies.map((s): [string, string] => [s.name, s.name]), strategy ? `${strategy.summary} ${strategy.when}` : undefined)}
              {Object.entries(strategy?.strategy_kwargs.properties ?? {}).map(([name, schema]) => (
                <Field key={name} label={name} pointer={`/tuning_criterion/strategy_kwargs/${name}`} problem={problem} hint={schema.description}>
                  {(id, described) =>
                    schema.enum || schema.type === "boolean" ? (
                      <select id={id} aria-describedby={described} value={f.kwargs[name] ?? ""} onChange={(event) => set({ kwargs: { ...f.kwargs, [name]: event.currentTarget.value } })}>
                        <option value="">default{schema.default === undefined ? "" : `: ${String(schema.default)}`}</option>
                        {(schema.enum ?? ["true", "false"]).map((v) => (
                          <option key={v}>{v}</option>
                        ))}
                      </select>
                    ) : (
                      <input
                        id={id}
                        aria-describedby={described}
                        placeholder={schema.default === undefined ? "" : String(schema.default)}
                        value={f.kwargs[name] ?? ""}
                        onInput={(event) => set({ kwargs: { ...f.kwargs, [name]: event.currentTarget.value } })}
                      />
                    )
                  }
                </Field>
              ))}
              {select("objective", "/tuning_criterion/objective", "Improve", [...metrics.map((m): [string, string] => [m, METRICS[m] ?? m]), ["accuracy", "accuracy"]])}
              {select("stopOn", "/tuning_criterion/stop_on", "Stop", [["budget", "when the budget is used up"], ["first_gain", "at the first that is better"], ["first_feasible", "at the first that keeps the accuracy"]])}
              {input("loss", "/accuracy_criterion/tolerable_loss", "Loss that is allowed", "0.01 relative is 1 % of the baseline's accuracy.", "decimal")}
              {select("criterion", "/accuracy_criterion/criterion", "The loss is", [["relative", "relative to the baseline"], ["absolute", "absolute"]])}
              <Field label="Search for" pointer="/tuning_criterion/objective" problem={problem} hint={isFront(f) ? AT_EVERY_LOSS : undefined}>
                {(id, described) => (
                  <select id={id} aria-describedby={described} value={isFront(f) ? "front" : "one"} onChange={(event) => set(event.currentTarget.value === "front" ? { ...FRONT, objective: f.objective === "accuracy" ? (metrics[0] ?? "latency_ms") : f.objective } : { aim: "one" })}>
                    <option value="one">the best at this loss</option>
                    <option value="front">the whole front: the best at every loss</option>
                  </select>
                )}
              </Field>
              {input("trials", "/tuning_criterion/max_trials", "Trials at most", undefined, "numeric")}
              {input("timeout", "/tuning_criterion/timeout", "Seconds at most", "0: no limit", "decimal")}
              {input("parallel", "/parallel", "Questions at a time", undefined, "numeric")}
              {input("keptOps", "/op_name_dict", "Operators that stay in fp32", "Names or regular expressions, between commas.")}
            </div>
          )}
          {problem && (
            <div class="trouble" role="alert">
              <strong>{problem.title}</strong>
              {faults.length === 0 ? (
                <p>{problem.detail}</p>
              ) : (
                <ul>
                  {problem.errors?.map((e) => (
                    <li key={e.pointer + e.detail}>
                      <code>{e.pointer}</code> {e.detail}
                    </li>
                  ))}
                </ul>
              )}
            </div>
          )}
          {space && (
            <div class="fine" role="status">
              Fine: {sizeText(space)}.
              <Warnings title="What was dropped, and why" items={space.warnings} />
            </div>
          )}
          <div class="buttons">
            <Act kind="primary" run={start} onProblem={setProblem}>
              Start the job
            </Act>
            <Act run={check} onProblem={setProblem}>
              Only check it
            </Act>
          </div>
        </form>
      </main>
    </>
  );
}
