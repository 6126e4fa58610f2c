// A target's past as columns on one time axis, ready for drawing. Pure but for
// fetchPast.

import { type Change, type Point, type Series, type State, type Usual, get, known, time } from "./api";

export type Column = (number | null)[];

/** Line is one drawn column. */
export interface Line {
  name: string;
  values: Column;
  weight: "strong" | "medium" | "faint";
}

export interface Chart {
  key: string;
  title: string;
  unit: "seconds" | "ratio" | "tokens" | "weight";
  lines: Line[];
  interval?: { low: Column; high: Column; name: string };
  usual?: Usual;
  least?: number; // the scale reaches at least this
  most?: number; // and is cut here
  stepped?: boolean;
  note?: string;
}

export interface Past {
  from: number; // seconds since 1970
  to: number;
  step: number;
  gap: number; // seconds without an answer after which a line breaks
  t: number[];
  charts: Chart[];
  states: { at: number; state: State }[]; // steps of the verdict, seconds; before the first it is not known
  changes: Change[];
  simulatedUntil: number; // seconds; NaN where nothing is invented
  truncated: boolean;
}

const signals = ["first_token", "inter_token", "output_tokens"] as const;

export async function fetchPast(target: string, from: number, to: number, points: number): Promise<Past> {
  const path = `/v1/targets/${encodeURIComponent(target)}/series`;
  const span = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), points, step: stepWanted((to - from) / 1000, points) };
  const [first, inter, tokens] = await Promise.all(signals.map((signal) => get<Series>(path, { ...span, signal })));
  return past(first!, inter!, tokens!);
}

/** stepWanted asks for less than a minute where a range is short; else the server chooses. */
export function stepWanted(length: number, points: number): string | undefined {
  const fine = [5, 10, 15, 30].find((s) => length / s <= points);
  return fine === undefined ? undefined : `${fine}s`;
}

export function past(first: Series, inter: Series, tokens: Series): Past {
  const from = time(first.from) / 1000;
  const to = time(first.to) / 1000;
  const { t, gap } = axis([first, inter, tokens], from, to, first.steps.map((s) => time(s.at) / 1000));
  const index = new Map(t.map((v, i) => [v, i]));
  const column = (s: Series, pick: (p: Point) => number | undefined): Column => {
    const out: Column = t.map(() => null);
    for (const p of s.points) {
      const v = pick(p);
      const i = index.get(time(p.at) / 1000);
      if (i !== undefined && v !== undefined && Number.isFinite(v)) out[i] = v;
    }
    return out;
  };
  const steps = first.steps.map((s) => ({ at: time(s.at) / 1000, weight: s.weight, state: known(s.state) }));
  return {
    from,
    to,
    step: first.step_seconds,
    gap,
    t,
    charts: charts(first, inter, tokens, column, t, stepColumn(t, steps), turns(first)),
    states: steps.map(({ at, state }) => ({ at: Math.max(at, from), state })),
    changes: first.changes,
    simulatedUntil: time(first.simulated_until) / 1000,
    truncated: !!first.truncated,
  };
}

/**
 * axis has every time that any series has, those at which the weight changed,
 * the moments before and after a gap in which probes were missing, and both
 * ends of the range.
 */
function axis(all: Series[], from: number, to: number, steps: number[]): { t: number[]; gap: number } {
  const seen = new Set<number>();
  for (const s of all) for (const p of s.points) seen.add(time(p.at) / 1000);
  const t = [...seen].filter((v) => v >= from - 3600 && v <= to).sort((a, b) => a - b);
  const gaps = t.slice(1).map((v, i) => v - t[i]!).sort((a, b) => a - b);
  const usual = Math.max(gaps[gaps.length >> 1] ?? 0, all[0]?.step_seconds ?? 0);
  const gap = usual * 4;
  const out: number[] = [];
  for (const [i, v] of t.entries()) {
    if (i > 0 && v - t[i - 1]! > gap) out.push(t[i - 1]! + usual, v - usual);
    out.push(v);
  }
  const ends = [from, to, ...steps.filter((v) => v > from && v < to)];
  return { t: [...new Set([...out, ...ends])].sort((a, b) => a - b), gap };
}

function stepColumn(t: number[], steps: { at: number; weight: number }[]): Column {
  let i = -1;
  return t.map((v) => {
    while (i + 1 < steps.length && steps[i + 1]!.at <= v) i++;
    return steps[i]?.weight ?? null;
  });
}

type Picker = (s: Series, pick: (p: Point) => number | undefined) => Column;

function charts(first: Series, inter: Series, tokens: Series, column: Picker, t: number[], weights: Column, cuts: number[]): Chart[] {
  const quantiles = (s: Series, which: ("p50" | "p95" | "p99")[]): Line[] =>
    which.map((q) => ({ name: q, values: column(s, (p) => p[q]), weight: q === "p50" ? "strong" : q === "p95" ? "medium" : "faint" }));
  return [
    { key: "first_token", title: "First token", unit: "seconds", lines: quantiles(first, ["p50", "p95", "p99"]), usual: first.usual },
    {
      key: "errors",
      title: "Errors",
      unit: "ratio",
      ...rate("rate", t, column(first, (p) => p.errors?.bad), column(first, (p) => p.errors?.total), cuts),
      least: 0.05,
      most: 1,
    },
    { key: "output_tokens", title: "Output length", unit: "tokens", lines: quantiles(tokens, ["p50", "p95"]), usual: tokens.usual },
    { key: "sanity", title: "Sane answers", unit: "ratio", ...sanity(first, t, column, cuts), least: 1, most: 1 },
    { key: "inter_token", title: "Between tokens", unit: "seconds", lines: quantiles(inter, ["p50", "p95"]), usual: inter.usual },
    { key: "weight", title: "Weight", unit: "weight", lines: [{ name: "weight", values: weights, weight: "strong" }], least: 1, most: 1, stepped: true },
  ];
}

/** sanity is all checks together, and each on its own where there are several. */
function sanity(s: Series, t: number[], column: Picker, cuts: number[]): Pooled {
  const sane = column(s, (p) => p.counts.ok);
  const insane = column(s, (p) => (p.counts.bad_output ?? 0) + (p.counts.refusal ?? 0));
  const out = rate("all checks", t, sane, add(sane, insane), cuts);
  const names = [...new Set(s.points.flatMap((p) => Object.keys(p.checks ?? {})))].sort();
  if (names.length < 2) return out;
  for (const n of names.slice(0, 4)) {
    const passed = column(s, (p) => p.checks?.[n]?.passed);
    const failed = column(s, (p) => p.checks?.[n]?.failed);
    out.lines.push({ ...rate(n, t, passed, add(passed, failed), cuts).lines[0]!, weight: "faint" });
  }
  return out;
}

const add = (a: Column, b: Column): Column => a.map((v, i) => (v === null && b[i] === null ? null : (v ?? 0) + (b[i] ?? 0)));

/** turns are when the verdict changed, seconds, in order. */
function turns(s: Series): number[] {
  const steps = s.steps.filter((x, i) => i > 0 && known(x.state) !== known(s.steps[i - 1]!.state)).map((x) => x.at);
  const changes = s.changes.filter((c) => known(c.from) !== known(c.to)).map((c) => c.at);
  return [...new Set([...steps, ...changes].map((at) => time(at) / 1000))].sort((a, b) => a - b);
}

/** One call says nothing about a rate: so many are put together, reaching over at most so many steps. */
const enough = 30;
const reach = 60;

/** Right after a change of verdict so many are enough, until more have come. */
const fewest = 10;

type Pooled = Pick<Chart, "lines" | "note"> & { interval: NonNullable<Chart["interval"]> };

/**
 * rate is k of n as a line with its 95 % interval (Wilson), over a window that
 * trails each step and is as short as it can be and still hold enough calls.
 * It does not reach over a cut, so that a recovery shows at once. Where it has
 * nothing behind it, at the left edge and after a cut, it reaches ahead.
 */
export function rate(name: string, t: number[], k: Column, n: Column, cuts: number[] = []): Pooled {
  const ends = [...cuts.map((c) => first(t, c)), t.length];
  let start = 0;
  let piece = 0;
  let pooled = false;
  const values: Column = t.map(() => null);
  const low: Column = t.map(() => null);
  const high: Column = t.map(() => null);
  for (let i = 0; i < t.length; i++) {
    for (; i >= ends[piece]!; piece++) start = ends[piece]!;
    if (n[i] === null || n[i] === undefined) continue;
    let bad = 0;
    let all = 0;
    const take = (j: number) => {
      bad += k[j] ?? 0;
      all += n[j] ?? 0;
    };
    let from = i;
    for (; from >= start && from > i - reach && all < enough; from--) take(from);
    const wanted = start === 0 ? enough : fewest;
    for (let j = i + 1; from < start && j < ends[piece]! && j < start + reach && all < wanted; j++) take(j);
    if (all === 0) continue;
    pooled ||= all > n[i]!;
    values[i] = bad / all;
    [low[i], high[i]] = wilson(bad, all);
  }
  return { lines: [{ name, values, weight: "strong" }], interval: { low, high, name: "95 % interval" }, note: pooled ? `a point pools up to ${enough} calls of one verdict, those before it first` : undefined };
}

/** first is the index of the first time that is not before at. */
function first(t: number[], at: number): number {
  const i = t.findIndex((v) => v >= at);
  return i < 0 ? t.length : i;
}

/** wilson is the 95 % interval of a rate of which k in n were seen. */
export function wilson(k: number, n: number): [number, number] {
  const z = 1.96;
  const p = k / n;
  const mid = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, mid - half), Math.min(1, mid + half)];
}

/** latest is the last value of a column. */
export function latest(c: Column): number | null {
  for (let i = c.length - 1; i >= 0; i--) if (c[i] !== null) return c[i]!;
  return null;
}

/** empty says whether a chart has nothing to draw. */
export function empty(c: Chart): boolean {
  return c.lines.every((l) => latest(l.values) === null);
}
