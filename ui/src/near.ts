// Whether something is on the screen or close to it, so that what nobody sees
// yet need not be drawn in full.

import { useEffect, useRef, useState } from "preact/hooks";

/** So far beyond the screen things are drawn already, in CSS pixels. */
const margin = 250;

const waiting = new Map<Element, () => void>();
let observer: IntersectionObserver | undefined;

function whenNear(el: Element, f: () => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const e of entries) if (e.isIntersecting) waiting.get(e.target)?.();
    },
    { rootMargin: `${margin}px` },
  );
  waiting.set(el, f);
  observer.observe(el);
  return () => {
    waiting.delete(el);
    observer?.unobserve(el);
  };
}

/** useNear is true from the start, or once the element was near the screen, or when the page is printed. It stays true. */
export function useNear<T extends Element>(start: boolean): [boolean, { current: T | null }] {
  const [near, set] = useState(start);
  const ref = useRef<T>(null);
  useEffect(() => {
    if (near || !ref.current) return;
    const draw = () => set(true);
    addEventListener("beforeprint", draw);
    const stop = whenNear(ref.current, draw);
    return () => {
      removeEventListener("beforeprint", draw);
      stop();
    };
  }, [near]);
  return [near, ref];
}
