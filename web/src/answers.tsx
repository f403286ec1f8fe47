/** The first screen of a job: may I ship it, what does it cost, should I go on? */
import type { ComponentChildren } from "preact";
import { type Best, FINAL, type Job, type Points, type Sensitivity } from "./api";
import { useNow } from "./live";
import { type OpCost, costOf } from "./operators";
import { accuracyText, baselineObjective, clock, duration, format, gainText, left, lossText, number, objectiveName, percent, plural, since, weighedText } from "./words";

function Card(props: { question: string; tone: string; mark: string; short: string; children: ComponentChildren }) {
  return (
    <section class={`card answer ${props.tone}`} aria-label={props.question}>
      <h2>{props.question}</h2>
      <p class="short">
        <span class="mark-word" aria-hidden="true">
          {props.mark}
        </span>{" "}
        {props.short}
      </p>
      {props.children}
    </section>
  );
}

const BECAUSE: Record<string, (job: Job) => string> = {
  nothing_measured: () => "Nothing has been measured yet.",
  criterion_missed: () => "No config that was judged at last loses as little as you allow.",
  no_gain: (job) => `What keeps the accuracy gains less than the ${percent(job.min_gain)} that the job asks for (min_gain).`,
  not_accepted: () => "The acceptance data, which is to judge it, was not asked: the trials that failed or a warning say why.",
  not_proved: () => "It looks better, but the measurements scatter too much to be sure.",
};

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** The metrics that several objectives weigh, as measured; of the accuracy it is said anyway. */
function weighed(job: Job, best: Best & { metrics?: Record<string, number> }) {
  const several = job.objective.length > 1 ? job.objective : [];
  return several
    .filter(({ metric }) => metric !== "accuracy")
    .map(({ metric }) => ({ metric, value: best.metrics?.[metric], base: best.baseline?.metrics?.[metric] ?? baselineObjective(job, { objective: metric }) }));
}

/** How much of what may be lost is used, and how sure the gain is. */
function Evidence({ job, best }: { job: Job; best: Best }) {
  const allowed = job.criterion.tolerable_loss;
  const used = allowed > 0 && typeof best.accuracy_loss === "number" ? Math.max(0, best.accuracy_loss) / allowed : null;
  const base = best.baseline?.objective_value ?? baselineObjective(job);
  return (
    <dl class="facts">
      {used !== null && (
        <div>
          <dt>accuracy lost</dt>
          <dd>
            <svg class="bar" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
              <rect class="track" y="3" width="100" height="8" />
              <rect class={used > 1 ? "loss" : "saved"} y="3" width={Math.min(100, 100 * used)} height="8" />
            </svg>
            {lossText(job, Math.max(0, best.accuracy_loss ?? 0))} where {lossText(job, allowed)} is allowed
          </dd>
        </div>
      )}
      <div>
        <dt>accuracy</dt>
        <dd>
          {accuracyText(best.accuracy)} <span class="note">baseline {accuracyText(best.baseline?.accuracy ?? job.baseline?.accuracy ?? null)}</span>
        </dd>
      </div>
      {weighed(job, best).map(({ metric, value, base: from }) => (
        <div key={metric}>
          <dt>{objectiveName(job, { objective: metric })}</dt>
          <dd>
            {number(value)} <span class="note">baseline {number(from)}</span>
          </dd>
        </div>
      ))}
      <div>
        <dt>{objectiveName(job)}</dt>
        <dd>
          {number(best.objective_value)} <span class="note">{weighedText(job) || `baseline ${number(base)}`}</span>
        </dd>
      </div>
      <div>
        <dt>how sure</dt>
        <dd>
          {best.gain_interval
            ? `gain ${gainText(best.gain_interval)} (90 %)`
            : "nothing was measured again: the noise is not known"}
        </dd>
      </div>
    </dl>
  );
}

function Ship({ job, best }: { job: Job; best: Best | undefined }) {
  const question = "May I ship it?";
  const final = FINAL.includes(job.state);
  if (!best || best.trial === 0 || best.keep_baseline_because === "nothing_measured") {
    const failed = job.state === "failed" || (final && !best);
    return (
      <Card question={question} tone={failed ? "bad" : "quiet"} mark={failed ? "✕" : "…"} short={failed ? "No." : final ? "Keep the baseline." : "Not yet."}>
        <p>{failed ? capital(job.exit?.detail ?? "the job ended without a result") : (best?.verdict && capital(best.verdict)) || "No config has been measured yet."}</p>
      </Card>
    );
  }
  const keep = best.keep_baseline === true;
  // What is measured again may be judged otherwise with each answer.
  const proving = !final && job.progress.stage === "confirm";
  // Nor was it measured again by a job that failed, was cancelled or ran out of time.
  const cut = final && (job.state !== "completed" || job.exit?.reason === "timeout") && !keep;
  const short = proving
    ? `Soon: trial ${best.trial} is measured again.`
    : keep
      ? "Keep the baseline."
      : cut
        ? `Trial ${best.trial}, but not proved.`
        : final
          ? `Yes, trial ${best.trial}.`
          : `So far yes, trial ${best.trial}.`;
  return (
    <Card question={question} tone={proving ? "quiet" : keep || cut ? "warn" : "good"} mark={proving ? "…" : keep || cut ? "▲" : "✓"} short={short}>
      <p class="verdict">{capital(best.verdict ?? "")}</p>
      {keep && (
        <p class="note">
          {BECAUSE[best.keep_baseline_because ?? ""]?.(job)} What trial {best.trial} measured instead:
        </p>
      )}
      {cut && <p class="note">The job ended before it measured its choice again: the luckiest of many measurements promises too much.</p>}
      <Evidence job={job} best={best} />
    </Card>
  );
}

function Cost({ final, best, sensitivity }: { final: boolean; best: Best | undefined; sensitivity: Sensitivity | undefined }) {
  const question = "What does it cost me?";
  const ops = Object.entries(best?.config?.ops ?? {});
  if (final && best?.keep_baseline && best.keep_baseline_because !== "nothing_measured") {
    return (
      <Card question={question} tone="quiet" mark="⚖" short="Nothing.">
        <p>The baseline stays as it is: no operator is lowered.</p>
      </Card>
    );
  }
  if (!best || best.trial === 0 || ops.length === 0) {
    return (
      <Card question={question} tone="quiet" mark={final ? "–" : "…"} short={final ? "Not known." : "Not known yet."}>
        <p>{final ? "No config was measured." : "Once a config was measured, this names the operators that stay in high precision, and why."}</p>
      </Card>
    );
  }
  const kept = ops.filter(([, op]) => ["fp32", "fp16", "bf16"].includes(op.mode));
  const known = new Map<string, OpCost>();
  for (const item of sensitivity?.items ?? []) {
    const cost = costOf(item);
    if (cost) known.set(item.op, cost);
  }
  // What cannot be lowered is known once it is known of any that it can.
  const choices = kept.filter(([name]) => known.size === 0 || known.has(name));
  const fixed = kept.length - choices.length;
  const open = ops.length - fixed;
  const rows = choices.map(([name, op]) => ({ name, op, cost: known.get(name) }));
  rows.sort((a, b) => (b.cost?.loss ?? -1) - (a.cost?.loss ?? -1));
  const shown = rows.slice(0, 6);
  return (
    <Card
      question={question}
      tone="plain"
      mark="⚖"
      short={choices.length === 0 ? `All ${open} operators are lowered.` : `${plural(choices.length, "operator")} of ${open} kept back.`}
    >
      {rows.length > 0 && (
        <ul class="kept">
          {shown.map(({ name, op, cost }) => (
            <li key={name}>
              <span class="op">{name}</span> <span class="note">{format(op)}</span>
              <br />
              <span class="why">{cost ? cost.words : "cannot be lowered"}</span>
            </li>
          ))}
        </ul>
      )}
      {fixed > 0 && <p class="note">{plural(fixed, "other operator")} cannot be lowered.</p>}
      {rows.length > shown.length && (
        <p class="note">
          and {rows.length - shown.length} more: <a href="#precision">what the best configs do</a>
        </p>
      )}
    </Card>
  );
}

function still(points: Points | undefined, best: Best | null): string | null {
  const items = points?.items ?? [];
  const bests = items.filter((p) => p.best);
  const last = bests[bests.length - 1];
  // Measured again, or by what a strategy believes, another one may be the best.
  if (last && best && best.trial !== last.trial) return `By single measurements trial ${last.trial} is the best, by all that is known trial ${best.trial}.`;
  const newest = items[items.length - 1];
  if (!last || !newest) return null;
  const since = newest.trial - last.trial;
  const before = bests[bests.length - 2];
  const by =
    before?.objective_value && last.objective_value !== null
      ? Math.abs(1 - last.objective_value / before.objective_value)
      : null;
  const step = by === null ? "" : `, which was better by ${number(100 * by, 2)} %`;
  return since === 0
    ? `The newest trial is the best so far${step}.`
    : `The best has not changed for ${plural(since, "trial")}; the last step was trial ${last.trial}${step}.`;
}

const WAITS: Record<string, string> = {
  evaluator_down: "It waits for an evaluator.",
  places_taken: "It waits for its turn.",
  no_worker: "It waits for a worker.",
};

function GoOn({ job, history }: { job: Job; history: Points | undefined }) {
  const now = useNow(!FINAL.includes(job.state));
  const question = "Should I go on?";
  const { waiting, waits_for, out, hint } = job.progress;
  if (FINAL.includes(job.state)) {
    const more = job.exit?.reason === "max_trials" || job.exit?.reason === "timeout";
    return (
      <Card question={question} tone="quiet" mark={job.state === "completed" ? "●" : "–"} short={job.state === "completed" ? "It has ended." : job.state === "failed" ? "It failed." : "It was cancelled."}>
        <p>{capital(job.exit?.detail ?? "")}</p>
        <p class="note">
          {plural(job.budget.trials_measured, "trial")} in {duration(job.budget.elapsed_s)}, until {clock(job.finished_at)}.
          {more && " A clone with a larger budget goes on from what was measured."}
        </p>
        {still(history, job.best) && <p class="note">{still(history, job.best)}</p>}
      </Card>
    );
  }
  const rest = left(job);
  const paused = job.state === "paused";
  const down = waiting !== null;
  const short = waiting
    ? (WAITS[waiting.reason] ?? "It waits.")
    : paused
      ? "It is paused."
      : rest === null
        ? job.progress.stage === "confirm"
          ? "The choice is measured again."
          : "It has just begun."
        : `About ${duration(rest)} left.`;
  return (
    <Card question={question} tone={down || paused ? "warn" : "plain"} mark={down || paused ? "▲" : "▶"} short={short}>
      {waiting && (
        <p>
          {waiting.reason === "evaluator_down" && `Evaluator down: ${waiting.evaluator ?? "its name is not known"}. `}
          {capital(waiting.detail)}
          {waiting.since && ` It has waited for ${since(waiting.since, now)}.`}
        </p>
      )}
      {job.pause && <p>{capital(job.pause.detail)}</p>}
      {hint && <p>{capital(hint)}</p>}
      {waits_for && <p>Places stand idle until trial {waits_for.trial} is answered{waits_for.worker ? ` by ${waits_for.worker}` : ""}.</p>}
      {still(history, job.best) && <p>{still(history, job.best)}</p>}
      {out.length > 0 && (
        <ul class="out">
          {out.slice(0, 4).map((o) => (
            <li key={o.trial}>
              trial {o.trial} ({o.kind}) is with {o.worker ?? o.evaluator ?? "nobody yet"}
              {o.since && ` for ${since(o.since, now)}`}
              {o.seen !== undefined && `, ${o.seen}${o.total === undefined ? "" : ` of ${o.total}`}`}
              {o.last_error && <span class="why">; last attempt: {o.last_error}</span>}
            </li>
          ))}
          {out.length > 4 && <li>and {out.length - 4} more</li>}
        </ul>
      )}
    </Card>
  );
}

export function Answers(props: { job: Job; best: Best | undefined; sensitivity: Sensitivity | undefined; history: Points | undefined }) {
  return (
    <div class="answers">
      <Ship job={props.job} best={props.best} />
      <Cost final={FINAL.includes(props.job.state)} best={props.best} sensitivity={props.sensitivity} />
      <GoOn job={props.job} history={props.history} />
    </div>
  );
}
