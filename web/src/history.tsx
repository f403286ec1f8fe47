/** The search over time: every trial's objective and the best so far. */
import type { Job, Points, Stages } from "./api";
import { Axes, Drawing, MARGIN, Marks, scale } from "./svg";
import { memo } from "./memo";
import { Figure } from "./ui";
import { accuracyText, baselineObjective, number, objectiveName, objectiveSign, plural, stageText } from "./words";

export const History = memo(function History({ job, points, stages, onTrial }: { job: Job; points: Points | undefined; stages: Stages | undefined; onTrial: (trial: number) => void }) {
  const items = (points?.items ?? []).filter((p) => p.objective_value !== null);
  const name = objectiveName(job);
  const base = baselineObjective(job);
  const draw = (width: number, height: number) => {
    const values = items.map((p) => p.objective_value as number);
    const low = Math.min(...values, base ?? Infinity);
    const high = Math.max(...values, base ?? -Infinity);
    const pad = (high - low) * 0.06;
    const last = Math.max(...items.map((p) => p.trial), 1);
    const x = scale(0, last, MARGIN.left, width - MARGIN.right, Math.min(last, width / 90));
    const y = scale(low - pad, high + pad, height - MARGIN.bottom, MARGIN.top + 6, 6);
    let path = "";
    for (const p of items) {
      if (!p.best) continue;
      const at = y(p.objective_value as number);
      path += path === "" ? `M${x(p.trial)} ${at}` : `H${x(p.trial)}V${at}`;
    }
    if (path !== "") path += `H${x(last)}`;
    return (
      <>
        <Axes x={x} y={y} width={width} height={height} xName="trial" yName={name} />
        {base !== null && (
          <g class="baseline-line">
            <line x1={MARGIN.left} x2={width - MARGIN.right} y1={y(base)} y2={y(base)} />
            <text x={width - MARGIN.right - 4} y={y(base) - 5} text-anchor="end">
              baseline {number(base)}
            </text>
          </g>
        )}
        <Marks
          width={width}
          onTrial={onTrial}
          dots={items.map((p) => ({
            x: x(p.trial),
            y: y(p.objective_value as number),
            trial: p.trial,
            kind: p.kind,
            feasible: p.feasible,
            title: `trial ${p.trial}: ${name} ${number(p.objective_value)}, accuracy ${accuracyText(p.accuracy)}`,
          }))}
        />
        <path class="best-line" d={path} />
      </>
    );
  };
  const improved = items.filter((p) => p.best).length;
  const shown = points && points.total > points.items.length ? ` ${points.items.length} of ${points.total} trials stand for all.` : "";
  return (
    <Figure
      drawn
      id="history"
      title="How the search went"
      say={`The line is the best so far among trials that meet the criterion${objectiveSign(job) < 0 ? ", more is better" : ", less is better"}: ${plural(improved, "improvement")}.${shown}`}
      head={["trial", "stage", name, "accuracy", "meets the criterion", "best so far"]}
      rows={(read) =>
        items.map((p) => [
          p.trial,
          read && p.stage !== null ? stageText(p.stage, stages?.[p.stage]) : p.stage,
          p.objective_value,
          typeof p.accuracy === "number" ? p.accuracy : accuracyText(p.accuracy),
          p.feasible ? "yes" : "no",
          p.best ? "yes" : "no",
        ])
      }
    >
      {items.length === 0 ? (
        <p class="empty">No config has been measured yet.</p>
      ) : (
        <Drawing height={340} label={`${name} of ${items.length} trials in their order`} draw={draw} />
      )}
    </Figure>
  );
});
