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
  t: number[];
  charts: Chart[];
  states: { at: number; state: State }[]; // steps of the verdict, seconds
  changes: Change[];
  simulatedUntil: number; // seconds; NaN where nothing is invented
  truncated: boolean;
}

const signals = ["first_token", "inter_token", "output_tokens"] as const;

export async function fetchPast(target: string, from: number, to: number, points: number): Promise<Past> {
  const path = `/v1/targets/${encodeURIComponent(target)}/series`;
  const span = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), points };
  const [first, inter, tokens] = await Promise.all(signals.map((signal) => get<Series>(path, { ...span, signal })));
  return past(first!, inter!, tokens!);
}

export function past(first: Series, inter: Series, tokens: Series): Past {
  const from = time(first.from) / 1000;
  const to = time(first.to) / 1000;
  const t = axis([first, inter, tokens], from, to);
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
    t,
    charts: charts(first, inter, tokens, column, stepColumn(t, steps)),
    states: steps.map(({ at, state }) => ({ at: Math.max(at, from), state })),
    changes: first.changes,
    simulatedUntil: time(first.simulated_until) / 1000,
    truncated: !!first.truncated,
  };
}

/**
 * axis has every time that any series has, the moments before and after a gap
 * in which probes were missing, and both ends of the range.
 */
function axis(all: Series[], from: number, to: number): number[] {
  const seen = new Set<number>();
  for (const s of all) for (const p of s.points) seen.add(time(p.at) / 1000);
  const t = [...seen].filter((v) => v >= from - 3600 && v <= to).sort((a, b) => a - b);
  const gaps = t.slice(1).map((v, i) => v - t[i]!).sort((a, b) => a - b);
  const usual = Math.max(gaps[gaps.length >> 1] ?? 0, all[0]?.step_seconds ?? 0);
  const out: number[] = [];
  for (const [i, v] of t.entries()) {
    if (i > 0 && v - t[i - 1]! > usual * 4) out.push(t[i - 1]! + usual, v - usual);
    out.push(v);
  }
  if (out.length === 0 || out[0]! > from) out.unshift(from);
  if (out[out.length - 1]! < to) out.push(to);
  return out;
}

function stepColumn(t: number[], steps: { at: number; weight: number }[]): Column {
  let i = -1;
  return t.map((v) => {
    while (i + 1 < steps.length && steps[i + 1]!.at <= v) i++;
    return steps[i]?.weight ?? null;
  });
}

type Picker = (s: Series, pick: (p: Point) => number | undefined) => Column;

function charts(first: Series, inter: Series, tokens: Series, column: Picker, weights: Column): Chart[] {
  const quantiles = (s: Series, which: ("p50" | "p95" | "p99")[]): Line[] =>
    which.map((q) => ({ name: q, values: column(s, (p) => p[q]), weight: q === "p50" ? "strong" : q === "p95" ? "medium" : "faint" }));
  return [
    { key: "first_token", title: "First token", unit: "seconds", lines: quantiles(first, ["p50", "p95", "p99"]), usual: first.usual },
    {
      key: "errors",
      title: "Errors",
      unit: "ratio",
      lines: [{ name: "rate", values: column(first, (p) => p.errors?.ratio), weight: "strong" }],
      interval: { low: column(first, (p) => p.errors?.low), high: column(first, (p) => p.errors?.high), name: "95 % interval" },
      least: 0.05,
      most: 1,
    },
    { key: "output_tokens", title: "Output length", unit: "tokens", lines: quantiles(tokens, ["p50", "p95"]), usual: tokens.usual },
    { key: "sanity", title: "Sane answers", unit: "ratio", lines: sanityLines(first, column), least: 1, most: 1 },
    { key: "inter_token", title: "Between tokens", unit: "seconds", lines: quantiles(inter, ["p50", "p95"]), usual: inter.usual },
    { key: "weight", title: "Weight", unit: "weight", lines: [{ name: "weight", values: weights, weight: "strong" }], least: 1, most: 1, stepped: true },
  ];
}

/** sanityLines is all checks together, and each on its own where there are several. */
function sanityLines(s: Series, column: Picker): Line[] {
  const names = [...new Set(s.points.flatMap((p) => Object.keys(p.checks ?? {})))].sort();
  const lines: Line[] = [{ name: "all checks", values: column(s, (p) => p.sanity_ratio), weight: "strong" }];
  if (names.length < 2) return lines;
  for (const n of names.slice(0, 4)) {
    const ratio = (p: Point) => {
      const c = p.checks?.[n];
      return c && c.passed + c.failed > 0 ? c.passed / (c.passed + c.failed) : undefined;
    };
    lines.push({ name: n, values: column(s, ratio), weight: "faint" });
  }
  return lines;
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
