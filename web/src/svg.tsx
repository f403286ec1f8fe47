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

export const MARGIN = { left: 56, right: 16, top: 12, bottom: 38 };

/** A drawing as wide as its place; `draw` gets the size in pixels. */
export function Drawing(props: {
  height: number;
  label: string;
  draw: (width: number, height: number) => ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.max(240, Math.floor(entry.contentRect.width)));
    });
    if (box.current) observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return (
    <div ref={box} class="drawing">
      <svg class="chart" role="group" aria-label={props.label} width={width} height={props.height} viewBox={`0 0 ${width} ${props.height}`}>
        {props.draw(width, props.height)}
      </svg>
    </div>
  );
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
            {number(tick, 6)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <g key={tick}>
          <line class="tick" x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} />
          <text x={x(tick)} y={bottom + 17} text-anchor="middle">
            {number(tick, 6)}
          </text>
        </g>
      ))}
      <line class="axis" x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} />
      <text class="axis-name" x={width - MARGIN.right} y={height - 5} text-anchor="end">
        {props.xName} →
      </text>
      <text class="axis-name" x={MARGIN.left} y={MARGIN.top - 1}>
        ↑ {props.yName}
      </text>
    </g>
  );
}

/** A mark whose shape says what its colour says: filled meets the criterion, hollow misses it. */
export function Mark(props: { x: number; y: number; kind: string; feasible: boolean | null; title: string; onClick?: () => void }) {
  const { x, y } = props;
  const title = <title>{props.title}</title>;
  if (props.kind === "baseline") {
    return (
      <rect class="mark baseline" x={x - 5} y={y - 5} width="10" height="10" onClick={props.onClick}>
        {title}
      </rect>
    );
  }
  return props.feasible ? (
    <circle class="mark meets" cx={x} cy={y} r="4.2" onClick={props.onClick}>
      {title}
    </circle>
  ) : (
    <path class="mark misses" d={`M${x - 3.5} ${y - 3.5}l7 7m0-7l-7 7`} onClick={props.onClick}>
      {title}
    </path>
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
