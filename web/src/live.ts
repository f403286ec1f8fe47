/** Server-sent events: what happens is on the page at once, and a lost connection shows. */
import { useEffect, useRef, useState } from "preact/hooks";
import { root } from "./api";
import { useCalled } from "./memo";

export interface JobEvent {
  seq: number;
  job: string;
  type: string;
  at: string;
  trial: number | null;
  data: Record<string, unknown>;
}
export type Link = "connecting" | "live" | "lost" | "resting";

const TYPES = [
  "job_submitted", "state_changed", "job_edited", "stage_entered", "question_asked", "question_leased",
  "lease_accepted", "lease_expired", "lease_returned", "attempt_failed", "late_answer", "trial_told",
  "trial_imported", "trial_judged", "trial_failed", "trial_pruned", "trial_cancelled", "trial_retried",
  "trial_revised", "baseline_measured", "new_best", "trials_ranked", "no_gain_so_far",
  "measurement_disagrees", "warning", "timeout", "trial_excluded", "trial_included",
  "scores_told", "scores_taken",
];
const RETRY_MS = 1000;
const DOUBT_MS = 400;

/**
 * Follows a stream of events from now on; a path of null is not followed. `onOpen` is called whenever
 * the stream begins or ends: what was read before may be old. A page in the background rests, because browsers
 * keep few connections to one server.
 */
export function useEvents(
  path: string | null,
  onEvent: (event: JobEvent) => void,
  onOpen: () => void,
): Link {
  const [link, setLink] = useState<Link>("connecting");
  const handlers = useRef({ onEvent, onOpen });
  handlers.current = { onEvent, onOpen };
  useEffect(() => {
    if (path === null) {
      setLink("resting");
      return;
    }
    let source: EventSource | undefined;
    let last = "now";
    let timer = 0;
    let doubt = 0;
    const separator = path.includes("?") ? "&" : "?";
    const stop = () => {
      clearTimeout(timer);
      clearTimeout(doubt);
      source?.close();
      source = undefined;
    };
    const start = () => {
      stop();
      source = new EventSource(`${root}${path}${separator}after=${last}`);
      source.onopen = () => {
        clearTimeout(doubt);
        setLink("live");
        handlers.current.onOpen();
      };
      source.onerror = () => {
        // The stream of a job that has ended ends, too: that is known in a moment, and no loss.
        clearTimeout(doubt);
        doubt = window.setTimeout(() => setLink("lost"), DOUBT_MS);
        handlers.current.onOpen();
        // While it is connecting the browser goes on by itself, with the Last-Event-ID.
        if (source?.readyState === EventSource.CLOSED) {
          stop();
          timer = window.setTimeout(start, RETRY_MS);
        }
      };
      for (const type of TYPES) {
        source.addEventListener(type, (message) => {
          const event = JSON.parse((message as MessageEvent<string>).data) as JobEvent;
          last = String(event.seq);
          handlers.current.onEvent(event);
        });
      }
    };
    const look = () => {
      if (document.hidden) {
        stop();
        setLink("resting");
      } else if (source === undefined) {
        start();
      }
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      stop();
    };
  }, [path]);
  return link;
}

/** A counter that goes up for many calls at once, at most every `ms`; the first call is not kept waiting. */
export function useTick(ms: number): [number, () => void] {
  const [tick, setTick] = useState(0);
  const timer = useRef(0);
  const wanted = useRef(false);
  const bump = useCalled(() => {
    if (timer.current !== 0) {
      wanted.current = true;
      return;
    }
    setTick((n) => n + 1);
    timer.current = window.setTimeout(() => {
      timer.current = 0;
      if (wanted.current) {
        wanted.current = false;
        bump();
      }
    }, ms);
  });
  return [tick, bump];
}

/** Does it in a task of its own after the next frame, or soon where none is drawn; returns what takes it back. */
export function afterFrame(then: () => void): () => void {
  let timer = 0;
  const soon = () => {
    timer = window.setTimeout(then);
  };
  if (document.hidden) soon();
  const frame = document.hidden ? 0 : requestAnimationFrame(soon);
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

/** The time, for what is said of times that go by. */
export function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}
