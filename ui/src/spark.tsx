// The hour of a target as a line the height of two words.

import type { Sparkline, Usual } from "./api";
import { memo } from "./memo";
import { percent, seconds } from "./format";

const width = 160;
const height = 28;

export const Spark = memo(function Spark({ line, usual }: { line?: Sparkline; usual?: Usual }) {
  const drawn = line && sparkline(line, usual);
  if (!drawn) return <div class="spark" />;
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={drawn.label}>
      {drawn.band && <rect class="band" x="0" width={width} y={drawn.band[0]} height={drawn.band[1]} />}
      <path class="line" d={drawn.path} />
      {drawn.errors && <path class="errors" d={drawn.errors} />}
    </svg>
  );
});

export interface Drawn {
  path: string;
  errors: string;
  band?: [number, number]; // top and height
  label: string;
}

/**
 * sparkline draws the median first token of the hour. The scale starts at zero
 * and is the target's own: what is usual stands at a third of the height, so
 * that a line that climbs means the same in each cell. Steps with errors have a
 * tick at the foot, as tall as their ratio. Undefined when nothing was seen.
 */
export function sparkline(s: Sparkline, usual?: Usual): Drawn | undefined {
  const values = s.first_token_p50_seconds;
  const n = Math.max(values.length, s.error_ratio.length);
  const seen = values.filter((v): v is number => v !== null);
  const failed = s.error_ratio.filter((v): v is number => v !== null && v > 0);
  const last = seen[seen.length - 1];
  if (n === 0 || (last === undefined && failed.length === 0)) return undefined;
  const base = usual?.median ?? quartile(seen);
  const top = Math.max(base * 3, ...seen, 0.001) * 1.04;
  const x = (i: number) => round(((i + 0.5) / n) * width);
  const y = (v: number) => round(height - 1 - (v / top) * (height - 2));
  let path = "";
  let errors = "";
  let drawing = false;
  let gap = 0; // steps since the last value: probes slower than steps leave holes
  for (let i = 0; i < n; i++) {
    const bad = s.error_ratio[i] ?? null;
    if (bad !== null && bad > 0) errors += `M${x(i)} ${height}v${-round(4 + 10 * bad)}`;
    const v = values[i] ?? null;
    if (v === null) {
      gap++;
      if (gap > 5) drawing = false;
      continue;
    }
    path += drawing ? `L${x(i)} ${y(v)}` : `M${x(i)} ${y(v)}h.1`;
    drawing = true;
    gap = 0;
  }
  const out: Drawn = { path, errors, label: words(last, failed, usual) };
  if (usual && usual.p95 > 0) {
    const high = y(Math.min(usual.p95, top));
    out.band = [high, round(Math.max(1, y(usual.p05) - high))];
  }
  return out;
}

function words(last: number | undefined, failed: number[], usual?: Usual): string {
  const parts = [last === undefined ? "no good answer in the last hour" : `first token in the last hour, now ${seconds(last)}`];
  if (usual && last !== undefined) parts.push(`usually ${seconds(usual.median)}`);
  if (failed.length > 0) parts.push(`errors up to ${percent(Math.max(...failed))}`);
  return parts.join(", ");
}

/** quartile is a guess at what is usual that a bad half hour does not spoil. */
function quartile(seen: number[]): number {
  if (seen.length === 0) return 0;
  const sorted = [...seen].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 4)] ?? 0;
}

const round = (v: number) => Math.round(v * 10) / 10;
