/** Who measured what, and when. */
import type { Spans } from "./api";
import { Drawing, MARGIN, scale } from "./svg";
import { Figure } from "./ui";
import { clock, duration } from "./words";

const LANE = 30;

export function Timeline({ spans, onTrial }: { spans: Spans | undefined; onTrial: (trial: number) => void }) {
  const now = Date.now();
  const items = (spans?.items ?? []).map((s) => ({
    ...s,
    who: s.worker ?? "nobody yet",
    from: Date.parse(s.asked_at),
    to: s.told_at === null ? (s.state === "asked" || s.state === "leased" ? now : Date.parse(s.asked_at)) : Date.parse(s.told_at),
  }));
  const lanes = [...new Set(items.map((s) => s.who))].sort();
  const height = MARGIN.top + lanes.length * LANE + 30;
  const start = Math.min(...items.map((s) => s.from));
  const end = Math.max(...items.map((s) => s.to), start + 1);
  const draw = (width: number) => {
    const x = scale(0, (end - start) / 1000, 8, width - 8, width / 110);
    return (
      <>
        {x.ticks.map((tick) => (
          <g key={tick} class="axes" aria-hidden="true">
            <line class="gridline" x1={x(tick)} x2={x(tick)} y1={MARGIN.top} y2={height - 26} />
            <text x={x(tick)} y={height - 10} text-anchor={tick === 0 ? "start" : "middle"}>
              {tick === 0 ? "0 s" : duration(tick)}
            </text>
          </g>
        ))}
        {lanes.map((lane, i) => (
          <g key={lane}>
            {items
              .filter((s) => s.who === lane)
              .map((s) => (
                <rect
                  key={s.trial}
                  class={`span ${s.kind} ${s.state}`}
                  x={x((s.from - start) / 1000)}
                  y={MARGIN.top + i * LANE + 13}
                  width={Math.max(1.5, x((s.to - start) / 1000) - x((s.from - start) / 1000) - 1)}
                  height={LANE - 16}
                  rx="2"
                  onClick={() => onTrial(s.trial)}
                >
                  <title>{`trial ${s.trial}, ${s.kind}, ${s.state}: ${duration((s.to - s.from) / 1000)}`}</title>
                </rect>
              ))}
            <text class="lane" x="8" y={MARGIN.top + i * LANE + 9}>
              {lane}
            </text>
          </g>
        ))}
      </>
    );
  };
  return (
    <Figure
      drawn
      id="timeline"
      title="Who measured, and when"
      say={`The newest ${items.length} of ${spans?.total ?? 0} questions, one line for each who answers. Gaps are time in which nobody measured.`}
      head={["trial", "kind", "state", "who", "asked", "answered", "seconds"]}
      rows={() => items.map((s) => [s.trial, s.kind, s.state, s.who, clock(s.asked_at), clock(s.told_at), (s.to - s.from) / 1000])}
      wide
    >
      {items.length === 0 ? <p class="empty">Nothing was asked yet.</p> : <Drawing height={height} label={`Questions of ${lanes.join(", ")}`} draw={draw} />}
    </Figure>
  );
}
