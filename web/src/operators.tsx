/** What each operator costs and gains, and what the best configs do to it. */
import { useState } from "preact/hooks";
import type { Job, OpSensitivity, PrecisionMap, Sensitivity } from "./api";
import { Drawing } from "./svg";
import { memo } from "./memo";
import { Figure } from "./ui";
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
  words: string;
}

/** Of its options in lower precision the one that is believed to lose least. */
export function costOf(item: OpSensitivity): OpCost | undefined {
  const best = item.options?.[item.least ?? -1];
  if (best === undefined) return undefined;
  return {
    op: item.op,
    type: item.type,
    into: format(best),
    loss: best.loss.mean,
    lossSpread: best.loss.spread,
    saved: best.latency_change_ms === null ? null : -best.latency_change_ms.mean,
    savedSpread: best.latency_change_ms?.spread ?? 0,
    words: item.lowered ?? "",
  };
}

/** The end of a long name says which operator it is. */
function short(name: string, pixels: number): string {
  const most = Math.max(4, Math.floor(pixels / 7.4));
  return name.length > most ? `…${name.slice(1 - most)}` : name;
}

const LINE = 24;
const TOP = 22;
/** What a number behind a bar takes, and the gap behind that. */
const NUMBER = 58;
const GAP = 10;

/** How wide a column has to be for a name of what is in it that says what it is a share of. */
const WIDE = 190;

/** A bar from `from` on, its spread as a thin line, and its value as a number behind it. */
function Bar(props: { value: number; spread: number; most: number; from: number; width: number; y: number; tone: string; text: string }) {
  const at = (v: number) => props.from + Math.max(0, Math.min(1, v / props.most)) * props.width;
  const [low, high] = [at(props.value - props.spread), at(props.value + props.spread)];
  return (
    <>
      <rect class="track" x={props.from} width={props.width} y={props.y + 8} height="8" />
      <rect class={props.tone} x={props.from} width={at(props.value) - props.from} y={props.y + 8} height="8" />
      <rect class="spread" x={low} width={high - low} y={props.y + 11} height="2" />
      <text x={props.from + props.width + NUMBER} y={props.y + 16} text-anchor="end">
        {props.text}
      </text>
    </>
  );
}

export const SensitivityBars = memo(function SensitivityBars({ data }: { data: Sensitivity | undefined }) {
  const [all, setAll] = useState(false);
  const costs = (data?.items ?? []).map(costOf).filter((c) => c !== undefined);
  costs.sort((a, b) => b.loss - a.loss);
  const shown = all ? costs : costs.slice(0, FEW);
  // One operator that ruins the model would leave the others no room: the bars end at three times of what may be lost.
  const mostLoss = Math.min(3, Math.max(0.01, ...costs.map((c) => c.loss + c.lossSpread)));
  const mostSaved = Math.max(1e-9, ...costs.map((c) => (c.saved ?? 0) + c.savedSpread));
  const trials = data?.model?.trials;
  const draw = (width: number) => {
    const names = Math.min(260, width * 0.36);
    const bar = Math.max(10, (width - names - GAP) / 2 - NUMBER);
    const saves = names + bar + NUMBER + GAP;
    return (
      <g class="bars">
        <text class="axis-name" x={names} y="12">
          {bar + NUMBER > WIDE ? "loses, of what may be lost" : "loses"}
        </text>
        <text class="axis-name" x={saves} y="12">
          saves, ms
        </text>
        {shown.map((c, i) => (
          <g key={c.op}>
            <text class="op" y={TOP + i * LINE + 16}>
              {short(`${c.op} → ${c.into}`, names)}
              <title>{`${c.op} to ${c.into}`}</title>
            </text>
            <Bar value={c.loss} spread={c.lossSpread} most={mostLoss} from={names} width={bar} y={TOP + i * LINE} tone="loss" text={c.loss > 0 ? `${number(100 * c.loss, 2)} %` : "nothing"} />
            <Bar value={c.saved ?? 0} spread={c.savedSpread} most={mostSaved} from={saves} width={bar} y={TOP + i * LINE} tone="saved" text={number(c.saved, 2)} />
          </g>
        ))}
      </g>
    );
  };
  return (
    <Figure
      drawn
      id="sensitivity"
      title="Which operators hurt"
      say={
        trials === undefined
          ? "From the first measured config on, a model says here what each operator loses and saves."
          : `What lowering one operator is believed to lose, as a share of what may be lost, and to save; learnt from ${trials} trials. The thin line is the spread.`
      }
      head={["operator", "type", "lowered to", "loss, as a share of what may be lost", "spread", "saves, ms", "spread of it"]}
      rows={() => costs.map((c) => [c.op, c.type, c.into, c.loss, c.lossSpread, c.saved, c.savedSpread])}
    >
      {costs.length === 0 ? (
        <p class="empty">Nothing is known yet.</p>
      ) : (
        <>
          <Drawing height={TOP + shown.length * LINE} label={`What ${shown.length} operators lose and save, the most harmful first`} draw={draw} />
          {costs.length > FEW && (
            <button type="button" class="quiet" onClick={() => setAll(!all)}>
              {all ? "Only the most harmful" : `All ${costs.length} operators`}
            </button>
          )}
        </>
      )}
    </Figure>
  );
});

const SHORT = 40;
const CELL_HEIGHT = 15;
const LABELS = 46;
const PATTERNS = 5;

/** One for each format beyond fp32, so that none is told by its colour alone. */
const STROKES = ["", "M-1 7L7-1M3 11L11 3M-5 3L3-5", "M0 2H8M0 6H8", "M2 0V8M6 0V8", "M-1 1L7 9M3-3L11 5M-5 5L3 13"];

function Patterns() {
  return (
    <defs>
      {STROKES.map((d, i) => (
        <pattern key={d} id={`format-${i + 1}`} class={`format f${i + 1}`} width="8" height="8" patternUnits="userSpaceOnUse">
          <rect width="8" height="8" />
          <path d={d} />
        </pattern>
      ))}
    </defs>
  );
}

const fill = (format_: number) => (format_ === 0 ? "none" : `url(#format-${1 + ((format_ - 1) % PATTERNS)})`);

export const MapOfPrecision = memo(function MapOfPrecision({ job, map, onTrial }: { job: Job; map: PrecisionMap | undefined; onTrial: (trial: number) => void }) {
  const [all, setAll] = useState(false);
  const rows = (map?.items ?? []).filter((row) => row.formats.length > 0);
  const ops = map?.ops ?? [];
  const formats = map?.formats ?? [];
  const differs = (op: number) => rows.some((row) => row.formats[op] !== rows[0]?.formats[op]);
  const everyOp = ops.map((_, op) => op);
  const shown = all || ops.length <= SHORT ? everyOp : everyOp.filter(differs).slice(0, SHORT);
  const name = (index: number | undefined) => formats[index ?? 0] ?? "";
  const draw = (width: number) => {
    const names = Math.min(240, width * 0.34);
    const cell = Math.min(48, (width - names) / Math.max(1, rows.length));
    const cells = (index: number) =>
      rows
        .flatMap((row, i) =>
          shown.map((op, j) => (row.formats[op] === index ? `M${(names + i * cell + 1).toFixed(1)} ${LABELS + j * CELL_HEIGHT + 1}h${(cell - 2).toFixed(1)}v${CELL_HEIGHT - 2}h-${(cell - 2).toFixed(1)}z` : "")),
        )
        .join("");
    return (
      <g class="map">
        <Patterns />
        {rows.map((row, i) => {
          const best = row.trial === job.best?.trial;
          const x = names + (i + 0.5) * cell;
          return (
            <g
              key={row.trial}
              class={best ? "trial best" : "trial"}
              role="button"
              tabindex={0}
              aria-label={`Trial ${row.trial}${best ? ", the best" : row.feasible ? "" : ", misses the criterion"}`}
              onClick={() => onTrial(row.trial)}
              onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), onTrial(row.trial))}
            >
              <rect x={x - cell / 2} y="0" width={cell} height={LABELS} />
              <text transform={`translate(${x + 4} ${LABELS - 5}) rotate(-90)`}>
                {row.trial}
                {best ? " ★" : row.feasible ? "" : " ×"}
              </text>
            </g>
          );
        })}
        {shown.map((op, j) => (
          <text key={op} class="op" y={LABELS + j * CELL_HEIGHT + 11}>
            {short(ops[op] ?? "", names)}
            <title>{ops[op]}</title>
          </text>
        ))}
        <path class="cells empty-cells" d={cells(0)} />
        {formats.map((one, i) => i > 0 && <path key={one} class={`cells f${1 + ((i - 1) % PATTERNS)}`} fill={fill(i)} d={cells(i)} />)}
      </g>
    );
  };
  return (
    <Figure
      drawn
      id="precision"
      title="What the best configs do"
      say="Operators in graph order, the best configs from left to right. A pattern and a colour say the format; fp32 is empty."
      head={["operator", ...rows.map((row) => `trial ${row.trial}`)]}
      rows={() => ops.map((op, i) => [op, ...rows.map((row) => name(row.formats[i]))])}
    >
      {rows.length === 0 ? (
        <p class="empty">No config has been measured yet.</p>
      ) : (
        <>
          <p class="legend">
            {formats.map((f, i) => (
              <span key={f}>
                <svg class="cell" viewBox="0 0 24 16" width="24" height="16" aria-hidden="true">
                  <rect class={i > 0 ? `cells f${1 + ((i - 1) % PATTERNS)}` : "cells empty-cells"} width="24" height="16" fill={fill(i)} />
                </svg>{" "}
                {f}
              </span>
            ))}
          </p>
          <div class="scroll map-box" tabIndex={0} role="region" aria-label="Formats of operators in the best configs">
            <Drawing height={LABELS + shown.length * CELL_HEIGHT + 4} label={`Formats of ${shown.length} operators in ${rows.length} configs`} draw={draw} />
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
});
