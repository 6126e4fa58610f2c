// Small things that every page uses: marks of state, times, links to targets.

import { useEffect, useState } from "preact/hooks";
import type { State } from "./api";
import { clock, span, utc } from "./format";
import { targetPath } from "./path";

/** Mark is a state by shape and colour; its name is for those who see neither. */
export function Mark({ state, quiet }: { state: State; quiet?: boolean }) {
  return (
    <svg class={`mark ${state}`} viewBox="0 0 16 16" width="14" height="14" role={quiet ? undefined : "img"} aria-hidden={quiet} aria-label={quiet ? undefined : state}>
      <Shape state={state} />
    </svg>
  );
}

function Shape({ state }: { state: State }) {
  switch (state) {
    case "healthy":
      return <circle cx="8" cy="8" r="4" />;
    case "recovering": // a ring, half filled
      return (
        <>
          <circle cx="8" cy="8" r="5" class="line" />
          <path d="M8 3a5 5 0 0 1 0 10z" />
        </>
      );
    case "degraded":
      return <path d="M8 2.2 14.4 13.4H1.6z" />;
    case "failing":
      return <path d="M8 1.2 14.8 8 8 14.8 1.2 8z" />;
    case "down":
      return (
        <>
          <rect x="1.8" y="1.8" width="12.4" height="12.4" rx="1.5" />
          <path d="m5.2 5.2 5.6 5.6m0-5.6-5.6 5.6" class="cut" />
        </>
      );
    case "unknown":
      return <circle cx="8" cy="8" r="4.6" class="line dashed" />;
  }
}

/** StateWord is the mark with its word beside it. */
export function StateWord({ state }: { state: State }) {
  return (
    <span class={`state ${state}`}>
      <Mark state={state} quiet />
      {state}
    </span>
  );
}

/** When is a time of day, local, with UTC on hover. */
export function When({ t, withSeconds }: { t: number; withSeconds?: boolean }) {
  if (Number.isNaN(t)) return <span>–</span>;
  return (
    <time class="num" dateTime={new Date(t).toISOString()} title={utc(t)}>
      {clock(t, Date.now(), withSeconds)}
    </time>
  );
}

/** Age is how long ago something was, kept true while it is shown. */
export function Age({ t, suffix = "" }: { t: number; suffix?: string }) {
  const now = useNow(t);
  if (Number.isNaN(t)) return <span>–</span>;
  return (
    <time class="num" dateTime={new Date(t).toISOString()} title={utc(t)}>
      {span((now - t) / 1000)}
      {suffix}
    </time>
  );
}

/** useNow ticks every second for things younger than a minute, else every 20 s. */
export function useNow(since: number): number {
  const [now, set] = useState(Date.now);
  const young = now - since < 90_000;
  useEffect(() => {
    const timer = setInterval(() => document.hidden || set(Date.now()), young ? 1_000 : 20_000);
    return () => clearInterval(timer);
  }, [young]);
  return Math.max(now, since);
}

export function TargetLink({ id }: { id: string }) {
  return (
    <a class="target" href={targetPath(id)}>
      {id}
    </a>
  );
}
