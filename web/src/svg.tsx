/** Scales and axes of the charts, which are SVG: at most 500 points, colours and print by CSS. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { number } from "./words";

export interface Scale {
  (value: number): number;
  invert: (pixel: number) => number;
  ticks: number[];
}

function step(span: number, count: number): number {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const lead = rough / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

export function scale(low: number, high: number, from: number, to: number, count: number): Scale {
  if (!(high > low)) {
    const pad = Math.abs(low) * 0.05 || 1;
    low -= pad;
    high += pad;
  }
  const f = ((value: number) => from + ((value - low) / (high - low)) * (to - from)) as Scale;
  const by = step(high - low, count);
  f.invert = (pixel) => low + ((pixel - from) / (to - from)) * (high - low);
  f.ticks = [];
  for (let tick = Math.ceil(low / by) * by; tick <= high + by * 1e-9; tick += by) {
    f.ticks.push(Math.abs(tick) < by * 1e-9 ? 0 : tick);
  }
  return f;
}

/** Half of what the longest number below an axis needs. */
export const ROOM = 30;
export const MARGIN = { left: 64, right: 16, top: 12, bottom: 38 };

/** A drawing as wide as its place; `draw` gets the size in pixels. */
export function Drawing(props: {
  height: number;
  label: string;
  draw: (width: number, height: number) => ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    let timer = 0;
    const observer = new ResizeObserver(([entry]) => {
      clearTimeout(timer);
      // In a task of its own: the frame that tells the width has the rest of the page to lay out.
      timer = window.setTimeout(() => entry && setWidth(Math.max(240, Math.floor(entry.contentRect.width))));
    });
    if (box.current) observer.observe(box.current);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, []);
  return (
    <div ref={box} class="drawing">
      <svg class="chart" role="group" aria-label={props.label} width={width} height={props.height} viewBox={`0 0 ${width} ${props.height}`}>
        {props.draw(width, props.height)}
      </svg>
    </div>
  );
}

const LARGE: [number, string][] = [
  [1e9, "G"],
  [1e6, "M"],
  [1e5, "k"],
];

/** A number beside an axis: there is room for eight characters. */
function mark(value: number): string {
  const [from, letter] = LARGE.find(([least]) => Math.abs(value) >= least) ?? [1, ""];
  return `${number(value / (letter === "k" ? 1e3 : from), 6)}${letter}`;
}

export function Axes(props: { x: Scale; y: Scale; width: number; height: number; xName: string; yName: string }) {
  const { x, y, width, height } = props;
  const bottom = height - MARGIN.bottom;
  return (
    <g class="axes" aria-hidden="true">
      {y.ticks.map((tick) => (
        <g key={tick}>
          <line class="gridline" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(tick)} y2={y(tick)} />
          <text x={MARGIN.left - 8} y={y(tick) + 4} text-anchor="end">
            {mark(tick)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <g key={tick}>
          <line class="tick" x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} />
          <text x={x(tick)} y={bottom + 17} text-anchor={width - x(tick) < ROOM ? "end" : "middle"}>
            {mark(tick)}
          </text>
        </g>
      ))}
      <line class="axis" x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} />
      <text class="axis-name" x={width - MARGIN.right} y={height - 5} text-anchor="end">
        {props.xName} →
      </text>
      {props.yName && (
        <text class="axis-name" x={MARGIN.left} y={MARGIN.top - 1}>
          ↑ {props.yName}
        </text>
      )}
    </g>
  );
}

export interface Dot {
  x: number;
  y: number;
  /** Whose trial it is. */
  trial: number;
  kind: string;
  feasible: boolean | null;
  title: string;
  /** A second line. */
  more?: string;
}

const CIRCLE = "m-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0";
const CROSS = "m-3.5-3.5l7 7m0-7l-7 7";
const SQUARE = "m-5-5h10v10h-10z";
const NEAR = 14;

function shape(dots: Dot[], form: string): string {
  return dots.map((dot) => `M${dot.x.toFixed(1)} ${dot.y.toFixed(1)}${form}`).join("");
}

/**
 * Marks whose shape says what their colour says: filled meets the criterion, a cross misses it. Those of a kind
 * are one path, because hundreds of elements take longer than a frame; the one that is pointed at is told by
 * its distance.
 */
export function Marks({ dots, width, onTrial }: { dots: Dot[]; width: number; onTrial: (trial: number) => void }) {
  const [at, setAt] = useState<Dot>();
  const near = (event: PointerEvent | MouseEvent): Dot | undefined => {
    const box = (event.currentTarget as SVGElement).ownerSVGElement?.getBoundingClientRect();
    if (!box) return undefined;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let found: Dot | undefined;
    let nearest = NEAR;
    for (const dot of dots) {
      const away = Math.hypot(dot.x - x, dot.y - y);
      if (away < nearest) [found, nearest] = [dot, away];
    }
    return found;
  };
  const baseline = dots.filter((dot) => dot.kind === "baseline");
  const others = dots.filter((dot) => dot.kind !== "baseline");
  const right = at !== undefined && at.x > width / 2;
  const beside = at && at.x + (right ? -12 : 12);
  return (
    <g
      class="marks"
      data-count={dots.length}
      onPointerMove={(event) => setAt(near(event))}
      onPointerLeave={() => setAt(undefined)}
      onClick={(event) => {
        const dot = near(event);
        if (dot) onTrial(dot.trial);
      }}
    >
      <path class="mark misses reach" d={shape(others.filter((dot) => !dot.feasible), CROSS)} />
      <path class="mark meets" d={shape(others.filter((dot) => dot.feasible), CIRCLE)} />
      <path class="mark baseline" d={shape(baseline, SQUARE)} />
      {at && (
        <g class="pointed" aria-hidden="true">
          <circle cx={at.x} cy={at.y} r="8" />
          <text y={Math.max(24, at.y - (at.more ? 26 : 10))} text-anchor={right ? "end" : "start"}>
            <tspan x={beside}>{at.title}</tspan>
            {at.more && (
              <tspan x={beside} dy="1.3em">
                {at.more}
              </tspan>
            )}
          </text>
        </g>
      )}
    </g>
  );
}

export function Star({ x, y }: { x: number; y: number }) {
  const points = Array.from({ length: 10 }, (_, i) => {
    const r = i % 2 === 0 ? 10 : 4.4;
    const angle = (Math.PI * i) / 5 - Math.PI / 2;
    return `${(x + r * Math.cos(angle)).toFixed(1)},${(y + r * Math.sin(angle)).toFixed(1)}`;
  });
  return <polygon class="star" points={points.join(" ")} />;
}
