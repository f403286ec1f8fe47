/** Who measured what, and when. */
import type { Spans } from "./api";
import { useState } from "preact/hooks";
import { Drawing, MARGIN, ROOM, type Scale, scale } from "./svg";
import { memo } from "./memo";
import { Figure } from "./ui";
import { clock, duration, moment } from "./words";

const LANE = 30;

interface Bar {
  x: number;
  y: number;
  width: number;
  trial: number;
  kind: string;
  title: string;
}

/** Hundreds of questions as one path for each kind; the one that is pointed at is told by its place. */
function Spans({ bars, width, onTrial }: { bars: Bar[]; width: number; onTrial: (trial: number) => void }) {
  const [at, setAt] = useState<Bar>();
  const under = (event: PointerEvent | MouseEvent): Bar | undefined => {
    const box = (event.currentTarget as SVGElement).ownerSVGElement?.getBoundingClientRect();
    const [x, y] = [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
    return bars.find((bar) => x >= bar.x - 1 && x <= bar.x + bar.width + 1 && y >= bar.y && y <= bar.y + LANE - 16);
  };
  const kinds = [...new Set(bars.map((bar) => bar.kind))].sort();
  const right = at !== undefined && at.x > width / 2;
  return (
    <g
      data-count={bars.length}
      onPointerMove={(event) => setAt(under(event))}
      onPointerLeave={() => setAt(undefined)}
      onClick={(event) => {
        const bar = under(event);
        if (bar) onTrial(bar.trial);
      }}
    >
      {kinds.map((kind) => (
        <path
          key={kind}
          class={`span ${kind}`}
          d={bars
            .filter((bar) => bar.kind === kind)
            .map((bar) => `M${bar.x.toFixed(1)} ${bar.y}h${bar.width.toFixed(1)}v${LANE - 16}h-${bar.width.toFixed(1)}z`)
            .join("")}
        />
      ))}
      {at && (
        <g class="pointed" aria-hidden="true">
          <text x={right ? at.x + at.width : at.x} y={at.y - 4} text-anchor={right ? "end" : "start"}>
            {at.title}
          </text>
        </g>
      )}
    </g>
  );
}

export const Timeline = memo(function Timeline({ spans, onTrial }: { spans: Spans | undefined; onTrial: (trial: number) => void }) {
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
  const bars = (x: Scale): Bar[] =>
    items.map((s) => ({
      x: x((s.from - start) / 1000),
      y: MARGIN.top + lanes.indexOf(s.who) * LANE + 13,
      width: Math.max(1.5, x((s.to - start) / 1000) - x((s.from - start) / 1000) - 1),
      trial: s.trial,
      kind: `${s.kind} ${s.state}`,
      title: `trial ${s.trial}, ${s.kind}, ${s.state}: ${duration((s.to - s.from) / 1000)}`,
    }));
  const draw = (width: number) => {
    const x = scale(0, (end - start) / 1000, 8, width - 8, width / 110);
    return (
      <>
        {x.ticks.map((tick) => (
          <g key={tick} class="axes" aria-hidden="true">
            <line class="gridline" x1={x(tick)} x2={x(tick)} y1={MARGIN.top} y2={height - 26} />
            <text x={x(tick)} y={height - 10} text-anchor={tick === 0 ? "start" : width - x(tick) < ROOM ? "end" : "middle"}>
              {moment(tick)}
            </text>
          </g>
        ))}
        {lanes.map((lane, i) => (
          <text key={lane} class="lane" x="8" y={MARGIN.top + i * LANE + 9}>
            {lane}
          </text>
        ))}
        <Spans bars={bars(x)} width={width} onTrial={onTrial} />
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
});
