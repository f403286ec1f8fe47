/** What each operator costs and gains, and what the best configs do to it. */
import { useState } from "preact/hooks";
import type { Job, OpSensitivity, PrecisionMap, Sensitivity } from "./api";
import { Figure, Table } from "./ui";
import { format, number } from "./words";

const FEW = 16;

export interface OpCost {
  op: string;
  type: string;
  into: string;
  loss: number;
  lossSpread: number;
  saved: number | null;
  savedSpread: number;
}

/** Of its options in lower precision the one that is believed to lose least. */
export function costOf(item: OpSensitivity): OpCost | undefined {
  const lowered = (item.options ?? []).filter((option) => option.mode !== "fp32");
  const [best] = lowered.sort((a, b) => a.loss.mean - b.loss.mean);
  if (best === undefined) return undefined;
  return {
    op: item.op,
    type: item.type,
    into: format(best),
    loss: best.loss.mean,
    lossSpread: best.loss.spread,
    saved: best.latency_change_ms === null ? null : -best.latency_change_ms.mean,
    savedSpread: best.latency_change_ms?.spread ?? 0,
  };
}

function Bar({ value, spread, most, tone }: { value: number; spread: number; most: number; tone: string }) {
  const at = (v: number) => Math.max(0, Math.min(100, (100 * v) / most));
  const [low, high] = [at(value - spread), at(value + spread)];
  return (
    <svg class="bar" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" y="3" width="100" height="8" />
      <rect class={tone} y="3" width={at(value)} height="8" />
      <rect class="spread" x={low} width={high - low} y="6" height="2" />
    </svg>
  );
}

export function SensitivityBars({ data }: { data: Sensitivity | undefined }) {
  const [all, setAll] = useState(false);
  const costs = (data?.items ?? []).map(costOf).filter((c) => c !== undefined);
  costs.sort((a, b) => b.loss - a.loss);
  const shown = all ? costs : costs.slice(0, FEW);
  // One operator that ruins the model would leave the others no room: the bars end at three times of what may be lost.
  const mostLoss = Math.min(3, Math.max(0.01, ...costs.map((c) => c.loss + c.lossSpread)));
  const mostSaved = Math.max(1e-9, ...costs.map((c) => (c.saved ?? 0) + c.savedSpread));
  const trials = data?.model?.trials;
  return (
    <Figure
      id="sensitivity"
      title="Which operators hurt"
      say={
        trials === undefined
          ? "From the first measured config on, a model says here what each operator loses and saves."
          : `What lowering one operator is believed to lose, in units of what may be lost, and to save; learnt from ${trials} trials. The thin line is the spread.`
      }
      head={["operator", "type", "lowered to", "loss, of 1 allowed", "spread", "saves, ms", "spread of it"]}
      rows={() => costs.map((c) => [c.op, c.type, c.into, c.loss, c.lossSpread, c.saved, c.savedSpread])}
    >
      {costs.length === 0 ? (
        <p class="empty">Nothing is known yet.</p>
      ) : (
        <>
          <Table
            caption="Operators, the most harmful first"
            hideCaption
            rows={shown}
            rowKey={(c) => c.op}
            columns={[
              {
                head: "operator",
                cell: (c) => (
                  <>
                    <span class="op">{c.op}</span> <span class="note">to {c.into}</span>
                  </>
                ),
              },
              { head: "loses", cell: (c) => <Bar value={c.loss} spread={c.lossSpread} most={mostLoss} tone="loss" /> },
              { head: "of 1 allowed", number: true, cell: (c) => (c.loss > 0 ? number(c.loss, 2) : "nothing") },
              { head: "saves", cell: (c) => <Bar value={c.saved ?? 0} spread={c.savedSpread} most={mostSaved} tone="saved" /> },
              { head: "ms", number: true, cell: (c) => number(c.saved, 2) },
            ]}
          />
          {costs.length > FEW && (
            <button type="button" class="quiet" onClick={() => setAll(!all)}>
              {all ? "Only the most harmful" : `All ${costs.length} operators`}
            </button>
          )}
        </>
      )}
    </Figure>
  );
}

const SHORT = 40;

export function MapOfPrecision({ job, map, onTrial }: { job: Job; map: PrecisionMap | undefined; onTrial: (trial: number) => void }) {
  const [all, setAll] = useState(false);
  const rows = (map?.items ?? []).filter((row) => row.formats.length > 0);
  const ops = map?.ops ?? [];
  const differs = (op: number) => rows.some((row) => row.formats[op] !== rows[0]?.formats[op]);
  const everyOp = ops.map((_, op) => op);
  const shown = all || ops.length <= SHORT ? everyOp : everyOp.filter(differs).slice(0, SHORT);
  const name = (index: number | undefined) => map?.formats[index ?? 0] ?? "";
  return (
    <Figure
      id="precision"
      title="What the best configs do"
      say="Operators in graph order, the best configs from left to right. A letter, a pattern and a colour say the format; fp32 is empty."
      head={["operator", ...rows.map((row) => `trial ${row.trial}`)]}
      rows={() => ops.map((op, i) => [op, ...rows.map((row) => name(row.formats[i]))])}
    >
      {rows.length === 0 ? (
        <p class="empty">No config has been measured yet.</p>
      ) : (
        <>
          <p class="legend">
            {map?.formats.map((f, i) => (
              <span key={f}>
                <span class={`cell f${i % 6}`} aria-hidden="true">
                  {i === 0 ? "" : i}
                </span>{" "}
                {f}
              </span>
            ))}
          </p>
          <div class="scroll map" tabIndex={0} role="region" aria-label="Formats of operators in the best configs">
            <table>
              <thead>
                <tr>
                  <th scope="col">operator</th>
                  {rows.map((row) => (
                    <th scope="col" key={row.trial} class={row.trial === job.best?.trial ? "chosen" : undefined}>
                      <button type="button" class="bare" onClick={() => onTrial(row.trial)} aria-label={`Trial ${row.trial}${row.feasible ? "" : ", misses the criterion"}`}>
                        {row.trial}
                        {row.trial === job.best?.trial ? "★" : row.feasible ? "" : "×"}
                      </button>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {shown.map((op) => (
                  <tr key={op}>
                    <th scope="row">{ops[op]}</th>
                    {rows.map((row) => (
                      <td key={row.trial}>
                        <span class={`cell f${(row.formats[op] ?? 0) % 6}`} role="img" aria-label={name(row.formats[op])} title={name(row.formats[op])}>
                          {row.formats[op] || ""}
                        </span>
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {ops.length > SHORT && (
            <button type="button" class="quiet" onClick={() => setAll(!all)}>
              {all ? "Only a few that differ" : `All ${ops.length} operators`}
            </button>
          )}
        </>
      )}
    </Figure>
  );
}
