/** The pieces that every view is made of. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type Job, type Problem, root } from "./api";
import type { Link } from "./live";
import { type Cell, csv, save, savePng, saveSvg } from "./take";

const STATES: Record<string, [string, string]> = {
  queued: ["○", "quiet"],
  baseline: ["◔", "busy"],
  running: ["◑", "busy"],
  paused: ["‖", "warn"],
  completed: ["●", "good"],
  failed: ["✕", "bad"],
  cancelled: ["–", "quiet"],
};

export function State({ state }: { state: string }) {
  const [mark, tone] = STATES[state] ?? ["", "quiet"];
  return (
    <span class={`state ${tone}`}>
      <span aria-hidden="true">{mark}</span> {state}
    </span>
  );
}

const LINKS: Record<Link, string> = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
  resting: "resting",
};

export function Connection({ link, final }: { link: Link; final?: boolean }) {
  const text = final && link !== "lost" ? "ended" : LINKS[link];
  return (
    <span class={`link ${final && link !== "lost" ? "ended" : link}`} role="status">
      <span class="dot" aria-hidden="true" /> {text}
    </span>
  );
}

export function Top({ children, link, final }: { children?: ComponentChildren; link?: Link; final?: boolean }) {
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="top">
        <a class="brand" href={`${root}/`} aria-label="narrowd, all jobs">
          <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
            <rect width="32" height="32" rx="8" class="brand-ground" />
            <path
              d="M6 8c5 0 6 8 10 8s5-8 10-8M6 24c5 0 6-8 10-8s5 8 10 8"
              class="brand-line"
            />
            <circle cx="16" cy="16" r="3.5" class="brand-dot" />
          </svg>
          <span>narrowd</span>
        </a>
        <nav aria-label="Where to go">{children}</nav>
        {link && <Connection link={link} final={final} />}
      </header>
    </>
  );
}

/** What stands where a page will be. */
export function Reading() {
  return (
    <>
      <Top />
      <main id="main" aria-busy={true}>
        <h1 class="note">Reading …</h1>
      </main>
    </>
  );
}

export function Trouble({ problem }: { problem: Problem | undefined }) {
  if (!problem) return null;
  return (
    <div class="trouble" role="alert">
      <strong>{problem.title}</strong>
      <p>{problem.detail}</p>
      {problem.errors && problem.errors.length > 1 && (
        <ul>
          {problem.errors.map((e) => (
            <li key={e.pointer}>
              <code>{e.pointer}</code> {e.detail}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** A modal dialog; opens with the component, `onClose` is called once it is closed. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={props.onClose}>
      <div class="dialog-head">
        <h2 id={id}>{props.title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </div>
      {props.children}
    </dialog>
  );
}

/** A button whose work may fail; what went wrong is said by `onProblem`. */
export function Act(props: {
  children: ComponentChildren;
  run: () => Promise<unknown>;
  onProblem: (problem: Problem | undefined) => void;
  kind?: string;
  disabled?: boolean;
  /** Whether Enter in a field of its form does the same. */
  submit?: boolean;
}) {
  const [busy, setBusy] = useState(false);
  const click = async () => {
    setBusy(true);
    try {
      await props.run();
      props.onProblem(undefined);
    } catch (problem) {
      props.onProblem(problem as Problem);
    }
    setBusy(false);
  };
  return (
    <button
      type={props.submit ? "submit" : "button"}
      class={props.kind}
      disabled={busy || props.disabled}
      onClick={() => void click()}
    >
      {props.children}
    </button>
  );
}

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  number?: boolean;
}

export function Table<T>(props: {
  caption: string;
  columns: Column<T>[];
  rows: T[];
  hideCaption?: boolean;
  rowKey: (row: T) => string | number;
}) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Table: ${props.caption}`}>
      <table>
        <caption class={props.hideCaption ? "hidden" : undefined}>{props.caption}</caption>
        <thead>
          <tr>
            {props.columns.map((c) => (
              <th key={c.head} scope="col" class={c.number ? "number" : undefined}>
                {c.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => (
            <tr key={props.rowKey(row)}>
              {props.columns.map((c) => (
                <td key={c.head} class={c.number ? "number" : undefined}>
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A figure: its own address, a table with the same content, and both to take away. */
export function Figure(props: {
  id: string;
  title: string;
  say: string;
  children: ComponentChildren;
  head?: string[];
  /** `read`: for people, not for programs. */
  rows?: (read: boolean) => Cell[][];
  wide?: boolean;
  /** Whether it is a drawing that can be saved as one. */
  drawn?: boolean;
}) {
  const [asTable, setAsTable] = useState(false);
  const figure = useRef<HTMLElement>(null);
  const rows = asTable && props.rows ? props.rows(true) : [];
  const draw = (take: (name: string, svg: SVGSVGElement) => unknown) => () => {
    const svg = figure.current?.querySelector<SVGSVGElement>("svg.chart");
    if (svg) void take(props.id, svg);
  };
  return (
    <section ref={figure} class={`card figure${props.wide ? " wide" : ""}`} id={props.id} aria-labelledby={`${props.id}-title`}>
      <div class="figure-head">
        <h2 id={`${props.id}-title`}>
          <a href={`#${props.id}`}>{props.title}</a>
        </h2>
        {props.rows && (
          <div class="tools">
            <button type="button" class="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
              Table<span class="hidden"> of {props.title}</span>
            </button>
            <button type="button" class="quiet" onClick={() => save(`${props.id}.csv`, csv([props.head ?? [], ...(props.rows?.(false) ?? [])]))}>
              CSV<span class="hidden"> of {props.title}</span>
            </button>
            {!asTable && props.drawn && (
              <>
                <button type="button" class="quiet" onClick={draw(saveSvg)}>
                  SVG<span class="hidden"> of {props.title}</span>
                </button>
                <button type="button" class="quiet" onClick={draw(savePng)}>
                  PNG<span class="hidden"> of {props.title}</span>
                </button>
              </>
            )}
          </div>
        )}
      </div>
      <p class="say">{props.say}</p>
      {asTable ? (
        <div class="twin">
          <Table
            caption={props.title}
            hideCaption
            columns={(props.head ?? []).map((head, i) => ({
              head,
              cell: (row: Cell[]) => row[i] ?? "–",
              number: typeof rows[0]?.[i] === "number",
            }))}
            rows={rows}
            rowKey={(row) => row.join("|")}
          />
        </div>
      ) : (
        props.children
      )}
    </section>
  );
}

/** A menu that opens under its button and closes when something else is clicked or Escape is pressed. */
export function Menu({ label, children }: { label: string; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const click = (event: Event) => menu.current?.contains(event.target as Node) || setOpen(false);
    const key = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      setOpen(false);
      menu.current?.querySelector("button")?.focus();
    };
    document.addEventListener("click", click);
    document.addEventListener("keydown", key);
    return () => {
      document.removeEventListener("click", click);
      document.removeEventListener("keydown", key);
    };
  }, [open]);
  return (
    <div class="menu" ref={menu}>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        {label}
        <span aria-hidden="true"> ▾</span>
      </button>
      {open && <div class="menu-items">{children}</div>}
    </div>
  );
}

/** How much of a job's budget is used. */
export function Budget({ job }: { job: Job }) {
  const { trials_measured, max_trials, timeout, elapsed_s } = job.budget;
  const share = Math.max(trials_measured / max_trials, timeout > 0 ? elapsed_s / timeout : 0);
  return (
    <span class="budget">
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="6" />
        <rect class="fill" width={Math.min(100, 100 * share)} height="6" />
      </svg>
      <span class="nowrap">
        {trials_measured} of {max_trials}
      </span>
    </span>
  );
}
