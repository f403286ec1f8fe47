/** What may be tried, and what happens. */
import { useState } from "preact/hooks";
import type { Job, Space, Stages, Warning } from "./api";
import type { JobEvent } from "./live";
import { memo } from "./memo";
import { Table } from "./ui";
import { plural, stageText, timeOfDay } from "./words";

const NAMED = 8;

export function Warnings({ title, items }: { title: string; items: Warning[] }) {
  if (items.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="warnings">
        {items.map(({ pointer, detail }) => (
          <li key={pointer + detail}>
            {pointer && <code>{pointer}</code>} {detail}
          </li>
        ))}
      </ul>
    </>
  );
}

function names(all: string[], count: number): string {
  const some = all.slice(0, NAMED).join(", ");
  return count > NAMED ? `${some} and ${count - NAMED} more` : some;
}

/** What is tuned besides the operators one by one. */
function beyond(space: Space): string[] {
  const tied = space.ops.filter((op) => op.tied_to !== undefined).length;
  return [
    ...(tied > 0 ? [`${plural(tied, "operator")} tied to another one: one choice for both`] : []),
    ...(space.blocks?.length ? [`${plural(space.blocks.length, "block")} that fall back together`] : []),
    ...(space.uniform ?? []).map(({ mode, option, values }) => `${option} of ${mode}, one for all: ${values.join(" or ")}`),
    ...(space.calibration_sampling_sizes.length > 1 ? [`calibration samples: ${space.calibration_sampling_sizes.join(", ")}`] : []),
    ...((space.smooth_quant_alphas?.length ?? 0) > 1 ? [`alpha of smooth quant: ${space.smooth_quant_alphas?.join(", ")}`] : []),
  ];
}

export function sizeText(space: Space): string {
  return `${plural(space.ops.length, "operator")}, ${space.size.length > 12 ? `about 10^${space.size.length - 1}` : space.size} configs`;
}

export const SpacePanel = memo(function SpacePanel({ job, space }: { job: Job; space: Space | undefined }) {
  const [open, setOpen] = useState(false);
  const dropped = space?.warnings ?? [];
  const others = job.warnings.filter((one) => !dropped.some((it) => it.pointer === one.pointer && it.detail === one.detail));
  const { cached, imported = 0 } = job.progress;
  return (
    <section class="card" id="space" aria-labelledby="space-title">
      <h2 id="space-title">
        <a href="#space">What may be tried</a>
      </h2>
      {space && (
        <>
          <p class="say">
            {sizeText(space)}.{cached > 0 && ` ${plural(cached, "answer")} came from what was known.`}
            {imported > 0 && ` ${plural(imported, "measurement")} imported.`}
          </p>
          <Warnings title="What was dropped, and why" items={dropped} />
          {space.entries.length > 0 && (
            <>
              <h3>What is restricted</h3>
              <ul>
                {space.entries.map((e) => (
                  <li key={e.pointer}>
                    <code>{e.pointer}</code> {e.count === 0 ? "matches nothing" : names(e.matched, e.count)}
                  </li>
                ))}
              </ul>
            </>
          )}
          {beyond(space).length > 0 && (
            <ul>
              {beyond(space).map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          )}
          <details onToggle={(event) => setOpen(event.currentTarget.open)}>
            <summary>Choices of each operator</summary>
            {open && (
              <Table
                caption="Choices of each operator"
                hideCaption
                rows={space.ops}
                rowKey={(op) => op.name}
                columns={[
                  { head: "operator", cell: (op) => <span class="op">{op.name}</span> },
                  { head: "type", cell: (op) => op.type },
                  { head: "modes", cell: (op) => Object.keys(op.modes).join(", ") },
                  { head: "choices", number: true, cell: (op) => op.choices ?? "–" },
                ]}
              />
            )}
          </details>
        </>
      )}
      <Warnings title="What to know" items={others} />
    </section>
  );
});

export const Log = memo(function Log({ events, stages }: { events: JobEvent[]; stages: Stages | undefined }) {
  const said = (event: JobEvent) => {
    const { verdict, state, error, stage, detail } = event.data as Record<string, string | undefined>;
    return verdict ?? error ?? detail ?? state ?? (event.type === "stage_entered" && stage ? stageText(stage, stages?.[stage]) : stage) ?? "";
  };
  return (
    <section class="card" id="log" aria-labelledby="log-title">
      <h2 id="log-title">
        <a href="#log">What happens</a>
      </h2>
      {events.length === 0 ? (
        <p class="empty">Nothing since this page was opened.</p>
      ) : (
        <ol class="log" tabIndex={0} aria-label="Events, newest first">
          {events.map((event) => (
            <li key={event.seq}>
              <time dateTime={event.at}>{timeOfDay(event.at)}</time> {event.type.replaceAll("_", " ")}
              {event.trial !== null && ` ${event.trial}`} <span class="note">{said(event)}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
});
