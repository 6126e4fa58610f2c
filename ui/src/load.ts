// Loading for one view: what was good stays until something better is there.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { explain } from "./world";

export interface Loaded<T> {
  data?: T;
  error?: string;
  missing: boolean; // the server says there is no such thing
  at: number; // when data was fetched, ms; 0 before
}

/**
 * useLoad calls load when key changes and when again is called; calls never
 * overlap, and one asked for meanwhile follows. Data of another key is dropped.
 */
export function useLoad<T>(key: string, load: () => Promise<T>): [Loaded<T>, () => void] {
  const [state, set] = useState<Loaded<T> & { key: string }>({ key, missing: false, at: 0 });
  const run = useRef({ key: "", busy: false, wanted: false, alive: true });
  const loader = useRef(load);
  loader.current = load;
  const again = useCallback(() => {
    const r = run.current;
    if (r.busy) {
      r.wanted = true;
      return;
    }
    r.busy = true;
    const asked = r.key;
    loader
      .current()
      .then(
        (data) => r.alive && asked === r.key && set({ key: asked, data, missing: false, at: Date.now() }),
        (err: unknown) => {
          const missing = err instanceof ApiError && err.status === 404;
          if (r.alive && asked === r.key) set((old) => ({ ...(old.key === asked ? old : { at: 0 }), key: asked, missing, error: explain(err) }));
        },
      )
      .finally(() => {
        r.busy = false;
        if (r.alive && (r.wanted || asked !== r.key)) {
          r.wanted = false;
          again();
        }
      });
  }, []);
  useEffect(() => {
    run.current.key = key;
    again();
  }, [key]);
  useEffect(() => {
    run.current.alive = true;
    return () => void (run.current.alive = false);
  }, []);
  const shown = state.key === key ? state : { missing: false, at: 0 };
  return [shown, again];
}

/** useEvery calls f each so many milliseconds while the page is seen. */
export function useEvery(ms: number, f: () => void): void {
  const latest = useRef(f);
  latest.current = f;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || latest.current(), ms);
    return () => clearInterval(timer);
  }, [ms]);
}
