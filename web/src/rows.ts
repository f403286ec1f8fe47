/** All trials of a job in memory, read page by page and again where something has happened. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ASK_AGAIN, type Page, type Problem, type Trial, ask, nextTask, passes } from "./api";

const PAGE = 500;
const NEWEST = 100;

/** What has happened since it was last looked at. */
export class Touched {
  trials = new Set<number>();
  /** Something may have been missed. */
  all = true;
}

export interface Rows {
  /** By number; without holes once all were read. */
  trials: Trial[];
  reading: boolean;
  problem: Problem | undefined;
}

/** Reads one thing at a time; trials have numbers without gaps, so a page's place says which it has. */
class Reader {
  known: (Trial | undefined)[] = [];
  private cursors: string[] = [""];
  private dirty = new Set<number>();
  busy = false;
  gone = false;

  constructor(
    private path: string,
    private touched: Touched,
  ) {}

  private merge(items: Trial[]) {
    for (const trial of items) this.known[trial.number] = trial;
  }

  /** The newest tell how many there are; what lies between them and those that are known is to be read. */
  private async newest() {
    const had = this.known.length;
    const { items } = await ask<Page<Trial>>("GET", `${this.path}?order=-number&limit=${NEWEST}`);
    await nextTask();
    const first = items[items.length - 1]?.number ?? 0;
    this.merge(items);
    for (let number = had; number < first; number += 1) this.dirty.add(Math.floor(number / PAGE));
    return first;
  }

  private async page(index: number) {
    // Cursors are found one after the other.
    for (let i = Math.min(index, this.cursors.length - 1); i <= index; i += 1) {
      const cursor = this.cursors[i];
      if (cursor === undefined) return;
      const page: Page<Trial> = await ask("GET", `${this.path}?order=number&limit=${PAGE}${cursor && `&cursor=${cursor}`}`);
      await nextTask();
      this.merge(page.items);
      this.dirty.delete(i);
      if (page.next !== null) this.cursors[i + 1] = page.next;
    }
  }

  /** Calls `show` whenever there is more to see. */
  async read(show: (reading: boolean) => void) {
    const { touched } = this;
    const { trials, all } = touched;
    touched.trials = new Set();
    touched.all = false;
    try {
      if (all) for (let page = 0; page * PAGE < this.known.length; page += 1) this.dirty.add(page);
      const first = await this.newest();
      for (const number of trials) if (number < first) this.dirty.add(Math.floor(number / PAGE));
      show(this.dirty.size > 0);
      for (const page of [...this.dirty].sort((a, b) => a - b)) {
        if (this.gone) return;
        await this.page(page);
        this.dirty.delete(page);
        show(this.dirty.size > 0);
      }
    } catch (problem) {
      touched.all = true;
      throw problem;
    }
  }
}

/** The trials of a job, looked at again when `tick` changes. */
export function useTrials(job: string, touched: Touched, tick: number): Rows {
  const reader = useRef<Reader | undefined>(undefined);
  reader.current ??= new Reader(`/v1/jobs/${job}/trials`, touched);
  const again = useRef(false);
  const [rows, setRows] = useState<Rows>({ trials: [], reading: true, problem: undefined });
  const look = async () => {
    const me = reader.current as Reader;
    if (me.busy) {
      again.current = true;
      return;
    }
    me.busy = true;
    again.current = false;
    const began = performance.now();
    const show = (reading: boolean) =>
      me.gone || setRows({ trials: me.known.filter((t) => t !== undefined), reading, problem: undefined });
    let unanswered = false;
    await me.read(show).catch((problem: Problem) => {
      unanswered = passes(problem);
      if (problem.status !== 0) setRows((old) => ({ ...old, problem }));
    });
    setTimeout(
      () => {
        me.busy = false;
        if ((again.current || unanswered) && !me.gone) void look();
      },
      unanswered ? ASK_AGAIN : Math.min(2000, 4 * (performance.now() - began)),
    );
  };
  useEffect(() => void look(), [tick]);
  useEffect(
    () => () => {
      (reader.current as Reader).gone = true;
    },
    [],
  );
  return rows;
}

/** Which trials have these operators in these formats; undefined while nobody is asked. Configs do not change,
 * so only what came since is read again. */
export function useLowered(job: string, wanted: [string, string][], tick: number): { numbers: Set<number> | undefined; problem: Problem | undefined } {
  const query = wanted.map(([name, format]) => `&op.${encodeURIComponent(name)}=${encodeURIComponent(format)}`).join("");
  const [found, setFound] = useState<{ query: string; numbers: Set<number>; problem?: Problem }>();
  const [again, setAgain] = useState(0);
  const self = useRef({ query: "", cursor: "", numbers: new Set<number>(), busy: false });
  useEffect(() => {
    const me = self.current;
    if (query === "" || (me.busy && me.query === query)) return;
    if (me.query !== query) Object.assign(me, { query, cursor: "", numbers: new Set<number>() });
    me.busy = true;
    const read = async () => {
      for (;;) {
        const page: Page<Trial> = await ask("GET", `/v1/jobs/${job}/trials?limit=1000${query}${me.cursor && `&cursor=${me.cursor}`}`);
        if (me.query !== query) return;
        for (const trial of page.items) me.numbers.add(trial.number);
        if (page.next === null) break;
        me.cursor = page.next;
      }
      setFound({ query, numbers: new Set(me.numbers) });
    };
    void read()
      .catch((problem: Problem) => {
        setFound({ query, numbers: new Set(), problem });
        if (passes(problem)) setTimeout(() => setAgain((n) => n + 1), ASK_AGAIN);
      })
      .finally(() => {
        if (me.query === query) me.busy = false;
      });
  }, [query, tick, again]);
  if (query === "") return { numbers: undefined, problem: undefined };
  return found?.query === query ? { numbers: found.numbers, problem: found.problem } : { numbers: new Set(), problem: undefined };
}
