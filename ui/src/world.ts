// The world as this page knows it: fetched whole once, kept fresh by events, and
// shared by every view. One instance, started by main; views read it by useWorld.

import { useEffect, useReducer, useRef } from "preact/hooks";
import { ApiError, type Change, type Incident, type Route, type Session, type Target, type Weights, get, may, noReading } from "./api";
import { share } from "./share";
import { type Event, Refused, backoff, stream } from "./sse";

export interface World {
  targets?: Target[];
  routes?: Route[];
  revision: number;
  incidents?: Incident[]; // open ones
  changes?: Change[]; // the latest, newest first
  simulated: boolean; // some history was invented, by the demo
  version: string;
  session?: Session; // undefined until the server has said
  signedOut: boolean;
  locked?: string; // why the session that there is shows nothing
  error?: string; // of the last refresh; what is shown is then older
  at: number; // when what is shown was true, ms; 0 before the first answer
  link: "connecting" | "live" | "lost";
}

/** The parts of the world, with the seconds between refreshes that nobody asked for. */
const parts = { targets: 60, routes: 120, incidents: 120, changes: 120, session: 600 } as const;
type Part = keyof typeof parts;
const all = Object.keys(parts) as Part[];

/** The server speaks at least every 10 s; silent for longer than this, it is gone. */
const silence = 25_000;

/** While the link is lost, the world is asked for this often, in milliseconds. */
const whileLost = 10_000;

/**
 * A page that nobody looks at lets go of its stream after this long, in
 * milliseconds: over HTTP/1.1 a browser grants six connections to one host, and
 * six forgotten tabs would starve the seventh.
 */
const forgotten = 20_000;

/** Events that come close together are drawn together, in milliseconds. */
const gather = 200;

const keepChanges = 30;

export class Watcher {
  world: World = { simulated: false, version: "", revision: 0, signedOut: false, at: 0, link: "connecting" };
  #listeners = new Set<() => void>();
  #eventListeners = new Set<(e: Event) => void>();
  #due = new Set<Part>();
  #busy = false;
  #events: Event[] = [];
  #drawing: ReturnType<typeof setTimeout> | undefined;
  #stop = new AbortController();

  subscribe(f: () => void): () => void {
    this.#listeners.add(f);
    return () => void this.#listeners.delete(f);
  }

  /** onEvent hears every event of the server as it comes. */
  onEvent(f: (e: Event) => void): () => void {
    this.#eventListeners.add(f);
    return () => void this.#eventListeners.delete(f);
  }

  /** start fetches everything and follows the server for the life of the page. */
  start(): void {
    this.refresh(all);
    void this.#follow();
    const { signal } = this.#stop;
    for (const part of all) {
      const timer = setInterval(() => document.hidden || this.refresh([part]), parts[part] * 1000);
      signal.addEventListener("abort", () => clearInterval(timer));
    }
    const lost = setInterval(() => {
      if (this.world.link === "lost" && !document.hidden) this.refresh(all);
    }, whileLost);
    signal.addEventListener("abort", () => clearInterval(lost));
    let away: ReturnType<typeof setTimeout> | undefined;
    const seen = () => {
      clearTimeout(away);
      if (document.hidden) away = setTimeout(() => this.#forget(), forgotten);
      else {
        this.#forgotten = false;
        this.refresh(all);
        this.#knock();
      }
    };
    document.addEventListener("visibilitychange", seen, { signal });
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#drawing);
  }

  /** refresh fetches parts; what is asked for meanwhile is fetched after. */
  refresh(which: readonly Part[]): void {
    for (const p of which) this.#due.add(p);
    if (!this.#busy && this.#due.size > 0 && !this.#stop.signal.aborted) void this.#fetch();
  }

  /** again fetches everything and knocks again, after a sign-in or at the reader's wish. */
  again(): void {
    this.#set({ signedOut: false, error: undefined });
    this.refresh(all);
    this.#knock();
  }

  /** left forgets everything, after a sign-out. */
  left(): void {
    this.#set({ signedOut: true, session: undefined, locked: undefined, error: undefined, targets: undefined, routes: undefined, incidents: undefined, changes: undefined, at: 0 });
    this.#pause.abort();
  }

  #knock = () => {};
  #pause = new AbortController();
  #forgotten = false; // nobody has looked for a while

  #forget(): void {
    this.#forgotten = true;
    this.#pause.abort();
  }

  async #fetch(): Promise<void> {
    const due = [...this.#due];
    this.#due.clear();
    this.#busy = true;
    const results = await Promise.allSettled(due.map((p) => fetchPart(p)));
    this.#busy = false;
    this.#set(merged(this.world, due, results));
    this.refresh([]);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    let attempt = 0;
    let opened = false;
    while (!signal.aborted) {
      this.#pause = new AbortController();
      const pause = this.#pause.signal;
      if (this.#forgotten) this.#pause.abort();
      try {
        await stream("/v1/events", {
          signal: AbortSignal.any([signal, pause]),
          silence,
          onOpen: () => {
            if (opened) this.refresh(all); // what was missed
            opened = true;
            attempt = 0;
            this.#set({ link: "live" });
          },
          onEvent: (e) => this.#hear(e),
        });
      } catch (err) {
        if (err instanceof Refused && err.status === 401) this.#set({ signedOut: true });
        if (err instanceof Refused && err.status === 403) this.refresh(["session", "targets"]);
      }
      if (signal.aborted) return;
      this.#set({ link: pause.aborted ? "connecting" : "lost" });
      await this.#rest(pause.aborted ? undefined : backoff(attempt++, Math.random()));
    }
  }

  /** rest waits, until somebody knocks when wait is undefined. */
  #rest(wait: number | undefined): Promise<void> {
    return new Promise((done) => {
      const timer = wait === undefined ? undefined : setTimeout(done, wait);
      this.#knock = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  #hear(e: Event): void {
    this.#events.push(e);
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined;
      const events = this.#events;
      this.#events = [];
      const next = events.reduce(apply, this.world);
      if (events.some((e) => e.type === "reset")) this.refresh(all);
      this.#set(this.world.at > 0 && !this.world.error ? { ...next, at: Date.now() } : next);
      for (const f of this.#eventListeners) for (const e of events) f(e);
    }, gather);
  }

  #set(next: Partial<World>): void {
    const shared = share(this.world, { ...this.world, ...next });
    if (shared === this.world) return;
    this.world = shared;
    for (const f of this.#listeners) f();
  }
}

/** apply is the world after an event. Events that are not known or not understood change nothing. */
export function apply(w: World, e: Event): World {
  let data: unknown;
  try {
    data = JSON.parse(e.data);
  } catch {
    return w;
  }
  switch (e.type) {
    case "hello": {
      const { simulated, version } = data as { simulated: boolean; version: string };
      return { ...w, simulated, version };
    }
    case "weights": {
      const weights = data as Weights;
      const routes = w.routes?.map((r) => ({ ...r, now: weights.routes[r.name] ?? r.now }));
      return { ...w, routes, revision: weights.revision };
    }
    case "target": {
      const t = data as Target;
      return { ...w, targets: w.targets?.map((old) => (old.id === t.id ? t : old)) };
    }
    case "change": {
      const changes = [data as Change, ...(w.changes ?? [])].slice(0, keepChanges);
      return { ...w, changes: w.changes && changes };
    }
    case "incident": {
      const i = data as Incident;
      const others = (w.incidents ?? []).filter((o) => o.id !== i.id);
      return { ...w, incidents: w.incidents && (i.state === "open" ? [i, ...others] : others) };
    }
  }
  return w;
}

/** merged is what the answers for the parts that were due change in the world. */
function merged(w: World, due: Part[], results: PromiseSettledResult<Partial<World>>[]): Partial<World> {
  let next: Partial<World> = {};
  const failed: unknown[] = [];
  for (const r of results) {
    if (r.status === "fulfilled") next = { ...next, ...r.value };
    else failed.push(r.reason);
  }
  if (due.every((p) => p === "session")) return next;
  const session = next.session ?? w.session;
  const status = (s: number) => failed.some((e) => e instanceof ApiError && e.status === s);
  next.locked = status(403) && session?.authenticated && !may(session, "read") ? noReading(session) : undefined;
  next.signedOut = status(401) || next.locked !== undefined;
  next.error = next.signedOut || failed.length === 0 ? undefined : explain(failed[failed.length - 1]);
  if (!next.error && !next.signedOut) next.at = Date.now();
  return next;
}

async function fetchPart(p: Part): Promise<Partial<World>> {
  switch (p) {
    case "session":
      return get<Session>("/v1/session").then(
        (session) => ({ session }),
        () => ({}), // the other parts say what is wrong
      );
    case "targets": {
      const doc = await get<{ targets: Target[]; simulated: boolean; version: string }>("/v1/targets");
      return { targets: doc.targets, simulated: doc.simulated, version: doc.version };
    }
    case "routes": {
      const doc = await get<{ routes: Route[]; revision?: number }>("/v1/routes");
      return { routes: doc.routes, revision: doc.revision ?? 0 };
    }
    case "incidents":
      return { incidents: (await get<{ incidents: Incident[] }>("/v1/incidents", { state: "open" })).incidents };
    case "changes":
      return { changes: (await get<{ changes: Change[] }>("/v1/changes", { limit: keepChanges })).changes };
  }
}

/** explain says what went wrong in words that help. */
export function explain(err: unknown): string {
  if (err instanceof ApiError) return err.message;
  if (err instanceof DOMException && err.name === "TimeoutError") return "the server took more than 15 s to answer";
  return "the server cannot be reached";
}

export const watcher = new Watcher();

/** useWorld draws a view again when what it picks has changed. */
export function useWorld<T>(pick: (w: World) => T): T {
  const [, draw] = useReducer<number, void>((n) => n + 1, 0);
  const value = pick(watcher.world);
  const last = useRef(value);
  last.current = value;
  const picker = useRef(pick);
  picker.current = pick;
  useEffect(() => {
    const look = () => {
      if (!Object.is(picker.current(watcher.world), last.current)) draw();
    };
    look();
    return watcher.subscribe(look);
  }, []);
  return value;
}
