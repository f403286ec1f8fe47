/** The end game: what was measured again before the job ended, and how far the measurements lie apart. */
import type { Job, Trial } from "./api";
import { memo } from "./memo";
import { Axes, Drawing, MARGIN, scale } from "./svg";
import { Figure } from "./ui";
import { accuracyText, accuracyValue, number, objectiveName, plural } from "./words";

const LANE = 34;
/** What the search itself asks; what else has the same config proves or chooses. */
const SEARCHED = ["baseline", "evaluate"];

interface Subject {
  name: string;
  trials: Trial[];
}

/** The configs that the end game measured, in the order in which the search had met them; the baseline has no hash. */
function subjects(trials: Trial[]): Subject[] {
  const again = new Set(trials.filter((t) => t.kind === "confirm").map((t) => t.hash));
  const found = new Map<string | null, Subject>();
  for (const trial of trials) {
    if (!again.has(trial.hash) || trial.objective_value === null || ![...SEARCHED, "confirm"].includes(trial.kind)) continue;
    const one = found.get(trial.hash);
    if (one) one.trials.push(trial);
    else found.set(trial.hash, { name: trial.number === 0 ? "baseline" : `trial ${trial.number}`, trials: [trial] });
  }
  return [...found.values()];
}

function range(values: (number | null)[], digits: number): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return "–";
  const [low, high] = [number(Math.min(...known), digits), number(Math.max(...known), digits)];
  return low === high ? low : `${low} to ${high}`;
}

/** What the end game is at. */
function going(job: Job): string {
  const out = job.progress.out.find((one) => one.kind === "confirm");
  if (!out) return "";
  const what = out.subject === 0 ? "the baseline" : `trial ${out.subject}`;
  return out.round ? ` Round ${out.round} of the proof is out: ${what}.` : ` The choice is out: ${what} once more.`;
}

export const Confirmed = memo(function Confirmed({ job, trials }: { job: Job; trials: Trial[] }) {
  const all = subjects(trials);
  if (all.length === 0 && going(job) === "") return null;
  const name = objectiveName(job);
  const values = all.flatMap((one) => one.trials.map((t) => t.objective_value as number));
  const height = MARGIN.top + all.length * LANE + MARGIN.bottom;
  const draw = (width: number) => {
    const pad = (Math.max(...values) - Math.min(...values)) * 0.06;
    const x = scale(Math.min(...values) - pad, Math.max(...values) + pad, MARGIN.left + 40, width - MARGIN.right, width / 90);
    const none = scale(0, 1, 0, 0, 0);
    none.ticks = [];
    return (
      <>
        <Axes x={x} y={none} width={width} height={height} xName={name} yName="" />
        {all.map((one, i) => (
          <g key={one.name}>
            <text class="lane" x="8" y={MARGIN.top + i * LANE + 22}>
              {one.name}
            </text>
            {one.trials.map((t) => {
              const again = t.kind === "confirm";
              return (
                <circle key={t.number} class={again ? "mark meets" : "mark baseline"} cx={x(t.objective_value as number)} cy={MARGIN.top + i * LANE + 18} r={again ? 5 : 4}>
                  <title>{`${again ? "measured again" : "in the search"}, trial ${t.number}: ${number(t.objective_value)}, accuracy ${accuracyText(t.accuracy)}`}</title>
                </circle>
              );
            })}
          </g>
        ))}
      </>
    );
  };
  const rounds = (one: Subject) => one.trials.filter((t) => t.kind === "confirm").length;
  const said = all.map((one) => `${one.name} ${plural(rounds(one), "time")}, accuracy ${range(one.trials.map((t) => accuracyValue(t.accuracy)), 5)}`);
  return (
    <Figure
      drawn
      id="confirmed"
      title="What was measured again"
      say={`Filled: to prove what the search found; open: in the search. ${said.join("; ")}.${going(job)}`}
      head={["what", "trial", "asked as", "accuracy", name]}
      rows={() => all.flatMap((one) => one.trials.map((t) => [one.name, t.number, t.kind, typeof t.accuracy === "number" ? t.accuracy : accuracyText(t.accuracy), t.objective_value]))}
    >
      {all.length > 0 && <Drawing height={height} label={`${name} of ${plural(all.length, "config")} that were measured again`} draw={draw} />}
    </Figure>
  );
});
