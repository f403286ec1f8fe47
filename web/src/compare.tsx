/** Two jobs side by side: what each found, how fast, and in what their best configs differ. */
import { useEffect } from "preact/hooks";
import { type Best, type Job, type Points, root, useData } from "./api";
import { useEvents, useTick } from "./live";
import { Axes, Drawing, MARGIN, scale } from "./svg";
import { Figure, State, Table, Top, Trouble } from "./ui";
import { accuracyText, changed, duration, format, gainText, lossText, number, objectiveName, weighedText } from "./words";

interface Side {
  job: Job | undefined;
  best: Best | undefined;
  history: Points | undefined;
  letter: string;
}

const nameOf = (side: Side) => `${side.letter}: ${side.job?.name ?? side.job?.id ?? ""}`;

const FACTS: [string, (job: Job, best: Best | undefined) => string][] = [
  ["verdict", (job, best) => best?.verdict ?? job.exit?.detail ?? "–"],
  ["strategy", (job) => job.strategy],
  ["may lose", (job) => `${lossText(job, job.criterion.tolerable_loss)} ${job.criterion.criterion}`],
  ["accuracy", (_, best) => accuracyText(best?.accuracy ?? null)],
  ["objective", (job, best) => `${objectiveName(job)} ${number(best?.objective_value)}${weighedText(job) && `, ${weighedText(job)}`}`],
  ["gain", (_, best) => (best?.gain_interval ? gainText(best.gain_interval) : best?.gain ? `${number(100 * best.gain, 3)} %` : "–")],
  ["best found at trial", (_, best) => String(best?.trial ?? "–")],
  ["trials measured", (job) => `${job.budget.trials_measured} of ${job.budget.max_trials}`],
  ["time", (job) => duration(job.budget.elapsed_s)],
];

/** The best so far of both, as steps. */
function Race({ sides }: { sides: Side[] }) {
  const lines = sides.map((side) => ({
    side,
    bests: (side.history?.items ?? []).filter((p) => p.best && p.objective_value !== null),
    last: Math.max(1, ...(side.history?.items ?? []).map((p) => p.trial)),
  }));
  const all = lines.flatMap((line) => line.bests.map((p) => p.objective_value as number));
  const names = sides.flatMap((side) => (side.job ? [objectiveName(side.job)] : []));
  const name = names[0] ?? "";
  const alike = names.every((one) => one === name);
  const draw = (width: number, height: number) => {
    const pad = (Math.max(...all) - Math.min(...all)) * 0.06;
    const x = scale(0, Math.max(...lines.map((line) => line.last)), MARGIN.left, width - MARGIN.right, width / 90);
    const y = scale(Math.min(...all) - pad, Math.max(...all) + pad, height - MARGIN.bottom, MARGIN.top + 6, 6);
    return (
      <>
        <Axes x={x} y={y} width={width} height={height} xName="trial" yName={name} />
        {lines.map(({ side, bests, last }, i) => {
          const end = bests[bests.length - 1];
          if (!end) return null;
          const steps = bests.map((p, n) => (n === 0 ? `M${x(p.trial)} ${y(p.objective_value as number)}` : `H${x(p.trial)}V${y(p.objective_value as number)}`));
          return (
            <g key={side.letter} class={`race race-${i}`}>
              <path d={`${steps.join("")}H${x(last)}`} />
              <text x={x(last) - 4} y={y(end.objective_value as number) - 6} text-anchor="end">
                {side.letter}
              </text>
            </g>
          );
        })}
      </>
    );
  };
  return (
    <Figure
      drawn={alike}
      wide
      id="race"
      title="How fast each found it"
      say="The best so far among trials that meet each job's criterion."
      head={["job", "trial", alike ? name : "objective"]}
      rows={() => lines.flatMap(({ side, bests }) => bests.map((p) => [nameOf(side), p.trial, p.objective_value]))}
    >
      {all.length === 0 ? (
        <p class="empty">Neither has a config that meets the criterion.</p>
      ) : !alike ? (
        <p class="empty">They go by different things, {names.join(" and ")}: no axis has room for both.</p>
      ) : (
        <Drawing height={260} label={`The best ${name} so far of both`} draw={draw} />
      )}
    </Figure>
  );
}

function Differences({ sides }: { sides: Side[] }) {
  const [a, b] = sides.map((side) => side.best?.config?.ops ?? {}) as [Record<string, never>, Record<string, never>];
  const ops = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const rows = ops.flatMap((op) => {
    const [mine, other] = [a[op], b[op]];
    if (!mine || !other) return [[op, mine ? format(mine) : "not there", other ? format(other) : "not there", ""]];
    const what = changed(mine, other);
    return what === "" ? [] : [[op, format(mine), format(other), what]];
  });
  return (
    <section class="card wide" id="differences" aria-labelledby="differences-title">
      <h2 id="differences-title">
        <a href="#differences">In what the best configs differ</a>
      </h2>
      <p class="say">
        {rows.length} of {ops.length} operators.
      </p>
      {rows.length > 0 && (
        <Table
          caption="Operators that differ"
          hideCaption
          rows={rows}
          rowKey={(row) => row[0] ?? ""}
          columns={[
            { head: "operator", cell: (row) => <span class="op">{row[0]}</span> },
            { head: "A", cell: (row) => row[1] },
            { head: "B", cell: (row) => row[2] },
            { head: "A against B", cell: (row) => row[3] },
          ]}
        />
      )}
    </section>
  );
}

function useSide(id: string, letter: string, tick: number) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const { value: job, problem } = useData<Job>(path, tick);
  const best = useData<Best>(job?.baseline ? `${path}/best` : null, tick).value;
  const history = useData<Points>(`${path}/charts/history`, tick).value;
  return { side: { job, best, history, letter }, problem };
}

export function ComparePage({ ids }: { ids: [string, string] }) {
  const [tick, bump] = useTick(500);
  const link = useEvents("/v1/events", (event) => ids.includes(event.job) && bump(), bump);
  const first = useSide(ids[0], "A", tick);
  const second = useSide(ids[1], "B", tick);
  const sides: Side[] = [first.side, second.side];
  useEffect(() => {
    document.title = "Two jobs · narrowd";
  }, []);
  return (
    <>
      <Top link={link}>
        <a href={`${root}/`}>All jobs</a>
      </Top>
      <main id="main">
        <div class="head">
          <h1>Two jobs</h1>
        </div>
        <Trouble problem={first.problem ?? second.problem} />
        <div class="grid">
          <section class="card wide" aria-label="What each found">
            <div class="scroll" tabIndex={0} role="region" aria-label="Figures of both jobs">
              <table class="facing">
                <thead>
                  <tr>
                    <th scope="col">what</th>
                    {sides.map((side) => (
                      <th scope="col" key={side.letter}>
                        <a href={`${root}/jobs/${side.job?.id}`}>{nameOf(side)}</a> {side.job && <State state={side.job.state} />}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {FACTS.map(([what, of]) => (
                    <tr key={what}>
                      <th scope="row">{what}</th>
                      {sides.map((side) => (
                        <td key={side.letter}>{side.job ? of(side.job, side.best) : "–"}</td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </section>
          <Race sides={sides} />
          <Differences sides={sides} />
        </div>
      </main>
    </>
  );
}
