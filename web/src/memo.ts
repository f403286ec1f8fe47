/** Views that are drawn again only when what they show is another. */
import { type ComponentChild, type FunctionComponent, h } from "preact";
import { useRef } from "preact/hooks";

interface Kept<P> {
  props: P;
  shouldComponentUpdate: (next: P) => boolean;
}

function differ<P extends object>(a: P, b: P): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof P>;
  return [...keys].some((key) => !Object.is(a[key], b[key]));
}

/**
 * A view that is drawn again when one of its properties is another. Elements kept by useMemo would do the same, but keep
 * the trees that they stood in: an open page grew with every event.
 */
export function memo<P extends object>(view: (props: P) => ComponentChild): FunctionComponent<P> {
  const drawn = view as FunctionComponent<P>;
  return function Memo(this: Kept<P>, props: P) {
    this.shouldComponentUpdate = (next) => differ(this.props, next);
    return h(drawn, props);
  } as FunctionComponent<P>;
}

/** A function that stays the same object and does what the newest one does. */
export function useCalled<A extends unknown[]>(does: (...args: A) => void): (...args: A) => void {
  const newest = useRef(does);
  newest.current = does;
  return useRef((...args: A) => newest.current(...args)).current;
}
