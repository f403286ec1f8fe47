/** Accuracy against the objective, with the criterion as a line that can be moved. */
import { useRef, useState } from "preact/hooks";
import { type Best, type Job, type Point, type Points, useData } from "./api";
import { Axes, Drawing, MARGIN, Marks, type Scale, Star, scale } from "./svg";
import { useMayChange } from "./session";
import { memo } from "./memo";
import { Figure } from "./ui";
import {
  accuracyText,
  accuracyValue,
  baselineObjective,
  bestAccuracy,
  boundAt,
  lossAt,
  lossText,
  number,
  objectiveName,
  objectiveSign,
  openMetric,
} from "./words";

interface Place {
  point: Point;
  x: number;
  y: number;
}

function places(points: Points): Place[] {
  return points.items.flatMap((point) => {
    const y = accuracyValue(point.accuracy);
    const x = point.value ?? point.objective_value;
    return y === null || x === null ? [] : [{ point, x, y }];
  });
}

/** Where the best is on the axis of the points: a number that weighs several metrics is not of that axis. */
function bestX(job: Job, best: Best, all: Place[]): number | null {
  if (job.objective.length === 1) return best.objective_value;
  return all.find((place) => place.point.trial === best.trial)?.x ?? null;
}

function lossOf(job: Job, point: Point): number | null {
  const y = accuracyValue(point.accuracy);
  return y === null ? null : lossAt(job, y);
}

/** How many times as good a value is as the baseline's, where that means something. */
function timesOf(job: Job, value: number): number | null {
  const by = openMetric(job);
  const base = baselineObjective(job, by);
  const means = base !== null && base > 0 && value > 0 && objectiveSign(job, by) > 0 && (job.objective.length === 1 || by.objective !== undefined);
  return means ? Number((base / value).toPrecision(3)) : null;
}

/** What a point says when it is pointed at: what it is worth, and what it costs. */
function told(job: Job, { point, x, y }: Place): { title: string; more: string } {
  const own = point.kind !== "baseline";
  const times = own ? timesOf(job, x) : null;
  const loss = own ? lossAt(job, y) : null;
  const lost = loss === null ? "" : loss > 0 ? `, loses ${lossText(job, loss)}` : ", loses nothing";
  return {
    title: `${own ? `trial ${point.trial}` : "baseline"}: ${objectiveName(job, openMetric(job))} ${number(x)}${times === null ? "" : `, ${times} times as good`}`,
    more: `accuracy ${number(y, 5)}${lost}`,
  };
}

/** Of the baseline's accuracy: nearer than this to each other they are hardly told apart on an axis, though nothing may be lost. */
const LEAST_SHARE = 0.001;

/** From well beyond what may be lost to a little above the best; what is further off is at the edge. */
function range(job: Job, all: Place[]): [number, number] {
  const ys = all.map((place) => place.y);
  const base = job.baseline === null ? null : accuracyValue(job.baseline.accuracy);
  const { bound } = job.criterion;
  let low = Math.min(...ys, bound ?? Infinity);
  let high = Math.max(...ys, bound ?? -Infinity);
  if (base !== null && bound !== null) {
    const reach = 5 * Math.max(Math.abs(base - bound), LEAST_SHARE * Math.abs(base));
    if (job.criterion.higher_is_better) low = Math.max(low, bound - reach);
    else high = Math.min(high, bound + reach);
  }
  const pad = (high - low) * 0.08 || Math.abs(high) * 0.01 || 1;
  return [low - pad, high + pad];
}

function Line(props: { job: Job; y: Scale; bound: number; width: number; height: number; onMove: (bound: number | null) => void }) {
  const { job, y, bound } = props;
  const holding = useRef(false);
  const loss = lossAt(job, bound) ?? 0;
  const bottom = props.height - MARGIN.bottom;
  const at = Math.min(bottom, Math.max(MARGIN.top, y(bound)));
  const move = (event: PointerEvent) => {
    if (!holding.current) return;
    const box = (event.currentTarget as SVGElement).ownerSVGElement?.getBoundingClientRect();
    const pixel = Math.min(bottom, Math.max(MARGIN.top, event.clientY - (box?.top ?? 0)));
    props.onMove(y.invert(pixel));
  };
  const key = (event: KeyboardEvent) => {
    const by = { ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined && event.key !== "Escape") return;
    event.preventDefault();
    const step = Math.abs(job.criterion.tolerable_loss) / 10 || 0.001;
    props.onMove(by === undefined ? null : boundAt(job, loss + by * step));
  };
  return (
    <g
      class="criterion"
      role="slider"
      tabindex={0}
      aria-label="Accuracy that may be lost"
      aria-valuenow={Number((100 * loss).toPrecision(4))}
      aria-valuetext={`${lossText(job, loss)} may be lost`}
      aria-orientation="vertical"
      onPointerDown={(event) => {
        holding.current = true;
        (event.currentTarget as SVGElement).setPointerCapture(event.pointerId);
      }}
      onPointerMove={move}
      onPointerUp={() => (holding.current = false)}
      onKeyDown={key}
    >
      <rect class="grip" x={MARGIN.left} width={props.width - MARGIN.left - MARGIN.right} y={at - 12} height="24" />
      <line x1={MARGIN.left} x2={props.width - MARGIN.right} y1={at} y2={at} />
      <text x={props.width - MARGIN.right - 4} y={at - 7} text-anchor="end">
        ⇕ may lose {lossText(job, loss)}
      </text>
    </g>
  );
}

const HEAD = 7;

/** How far the best may be off; an arrow's head stands at the edge beyond which that goes on. */
function Whiskers({ job, best, x, cy, width }: { job: Job; best: Best; x: Scale; cy: number; width: number }) {
  // The gain is one on the baseline as it was measured beside the best.
  const base = best.baseline?.objective_value ?? baselineObjective(job);
  const gain = best.gain_interval;
  if (base === null || !gain || objectiveSign(job) < 0 || job.objective.length > 1) return null;
  const ends = gain.map((share) => x(base * (1 - share)));
  const [left, right] = [MARGIN.left, width - MARGIN.right];
  const [from, to] = [Math.max(left, Math.min(...ends)), Math.min(right, Math.max(...ends))];
  if (from > to) return null;
  const heads = (["left", "right"] as const).filter((side) => (side === "left" ? Math.min(...ends) < left : Math.max(...ends) > right));
  return (
    <>
      <line class="whisker" x1={from} x2={to} y1={cy} y2={cy} />
      {heads.map((side) => (
        <path key={side} class="goes-on" d={side === "left" ? `M${left} ${cy}l${HEAD}-${HEAD}v${2 * HEAD}z` : `M${right} ${cy}l-${HEAD}-${HEAD}v${2 * HEAD}z`}>
          <title>It goes on beyond the figure</title>
        </path>
      ))}
    </>
  );
}

function Plot(props: { job: Job; points: Points; bound: number | null; best: Best | null; onMove: (bound: number | null) => void; onTrial: (trial: number) => void }) {
  const { job, bound, best } = props;
  const all = places(props.points);
  const name = objectiveName(job, openMetric(job));
  const draw = (width: number, height: number) => {
    const xs = all.map((place) => place.x);
    const pad = (Math.max(...xs) - Math.min(...xs)) * 0.05;
    const [low, high] = range(job, all);
    const x = scale(Math.min(...xs) - pad, Math.max(...xs) + pad, MARGIN.left, width - MARGIN.right, width / 90);
    const y = scale(low, high, height - MARGIN.bottom, MARGIN.top + 6, 6);
    const inside = (place: Place) => Math.min(height - MARGIN.bottom - 2, Math.max(MARGIN.top, y(place.y)));
    const front = all
      .filter((place) => place.point.front && place.y >= low && place.y <= high)
      .sort((a, b) => a.x - b.x);
    const starX = best ? bestX(job, best, all) : null;
    const bestY = best ? bestAccuracy(job, best) : null;
    const starY = bestY === null ? null : y(Math.min(high, Math.max(low, bestY)));
    return (
      <>
        <Axes x={x} y={y} width={width} height={height} xName={name} yName="accuracy" />
        <polyline class="front" points={front.map((place) => `${x(place.x)},${y(place.y)}`).join(" ")} />
        <Marks
          width={width}
          onTrial={props.onTrial}
          dots={all.map((place) => ({
            x: x(place.x),
            y: inside(place),
            trial: place.point.trial,
            kind: place.point.kind,
            feasible: place.point.feasible,
            ...told(job, place),
          }))}
        />
        {best && starY !== null && <Whiskers job={job} best={best} x={x} cy={starY} width={width} />}
        {starX !== null && starY !== null && <Star x={Math.min(width - MARGIN.right, Math.max(MARGIN.left, x(starX)))} y={starY} />}
        {bound !== null && <Line job={job} y={y} bound={bound} width={width} height={height} onMove={props.onMove} />}
      </>
    );
  };
  return <Drawing height={340} label={`${all.length} trials by ${name} and accuracy`} draw={draw} />;
}

/** What the daemon says of another loss, as `narrow best --tolerable-loss` does. */
function answer(job: Job, loss: number, best: Best): string {
  const begin = `With ${lossText(job, loss)} to lose: `;
  if (!best.feasible) return `${begin}nothing that was measured would do.`;
  if (best.keep_baseline) return `${begin}the baseline is the best that was measured.`;
  const base = best.baseline?.objective_value ?? baselineObjective(job, best);
  const value = best.objective_value;
  const times = base !== null && value !== null && value > 0 && objectiveSign(job, best) > 0 ? `${number(base / value, 3)} times as good as the baseline, ` : "";
  const count = best.measurements ?? 1;
  return `${begin}trial ${best.trial}, ${times}${objectiveName(job, best)} ${number(value)}, loses ${lossText(job, Math.max(0, best.accuracy_loss ?? 0))}. Measured ${count === 1 ? "once" : `${count} times`}; nothing was asked.`;
}

export const Scatter = memo(function Scatter(props: { job: Job; points: Points | undefined; onTrial: (trial: number) => void; onClone: (loss: number) => void }) {
  const { job, points } = props;
  const mayChange = useMayChange();
  const [moved, move] = useState<number | null>(null);
  /** Nothing can be lost that is less than nothing, or more than all of an accuracy. */
  const most = job.criterion.criterion !== "absolute" && job.criterion.higher_is_better ? 1 : Infinity;
  const setMoved = (to: number | null) => {
    const lost = to === null ? 0 : (lossAt(job, to) ?? 0);
    move(lost < 0 ? boundAt(job, 0) : lost > most ? boundAt(job, most) : to);
  };
  const bound = moved ?? job.criterion.bound;
  const loss = bound === null ? null : lossAt(job, bound);
  const path = `/v1/jobs/${job.id}/best?tolerable_loss=${Math.min(most, Math.max(0, Number((loss ?? 0).toPrecision(12))))}`;
  const other = useData<Best>(moved !== null && loss !== null ? path : null, points?.items.length ?? 0).value;
  const asked = other !== undefined && other.feasible && !other.keep_baseline ? other : null;
  /** The last answer stays until the next one is there: a line that is dragged asks many times, and the figure is not to jump. */
  const said = useRef("");
  if (moved === null) said.current = "";
  else if (loss !== null && other !== undefined) said.current = answer(job, loss, other);
  const relative = job.criterion.criterion !== "absolute";
  const empty = !points || places(points).length === 0;
  return (
    <Figure
      drawn
      id="scatter"
      title="What accuracy costs"
      say={
        moved !== null
          ? said.current || `With ${lossText(job, loss)} to lose: …`
          : "Every trial by accuracy and objective. Filled: meets the criterion; cross: misses it; square: the baseline; star: the best, at what it loses where it was judged, on the line where it lies with 90 % confidence. Those far below are at the edge. Drag the line to ask what if."
      }
      head={["trial", "kind", "accuracy", "accuracy lost", objectiveName(job, openMetric(job)), "times as good", "meets the criterion", "on the front"]}
      rows={(read) =>
        (points?.items ?? []).map((p) => [
          p.trial,
          p.kind,
          typeof p.accuracy === "number" ? p.accuracy : accuracyText(p.accuracy),
          read ? lossText(job, lossOf(job, p)) : lossOf(job, p),
          p.value ?? p.objective_value,
          timesOf(job, p.value ?? p.objective_value ?? 0),
          p.feasible ? "yes" : "no",
          p.front ? "yes" : "no",
        ])
      }
    >
      {empty ? (
        <p class="empty">No trial has a result yet.</p>
      ) : (
        <>
          <Plot job={job} points={points} bound={bound} best={moved !== null ? asked : job.best} onMove={setMoved} onTrial={props.onTrial} />
          {bound !== null && (
            <form class="what-if" onSubmit={(event) => event.preventDefault()}>
              <label>
                What if this may be lost{relative ? ", in %" : ""}?{" "}
                <input
                  type="number"
                  step="any"
                  value={loss === null ? "" : Number(((relative ? 100 : 1) * loss).toPrecision(4))}
                  onInput={(event) => {
                    const value = Number(event.currentTarget.value);
                    if (event.currentTarget.value !== "") setMoved(boundAt(job, value / (relative ? 100 : 1)));
                  }}
                />
              </label>
              {moved !== null && (
                <>
                  <button type="button" onClick={() => setMoved(null)}>
                    Back to {lossText(job, job.criterion.tolerable_loss)}
                  </button>
                  {mayChange && (
                    <button type="button" onClick={() => props.onClone(Number((loss ?? 0).toPrecision(4)))}>
                      Start a job with this
                    </button>
                  )}
                </>
              )}
            </form>
          )}
        </>
      )}
    </Figure>
  );
});
