// The time that charts show, as it stands in the address: ?range=6h, or
// ?from=...&to=... for a piece that was cut out.

export interface Range {
  name: string; // "6h", or "" for a piece
  from: number; // ms
  to: number;
}

const lengths: Record<string, number> = {
  "15m": 15 * 60,
  "1h": 3600,
  "6h": 6 * 3600,
  "24h": 24 * 3600,
  "7d": 7 * 86400,
  "30d": 30 * 86400,
};

export const rangeNames = Object.keys(lengths);
export const standard = "1h";

export function range(q: URLSearchParams, now: number): Range {
  const from = Date.parse(q.get("from") ?? "");
  const to = Date.parse(q.get("to") ?? "");
  if (from < to) return { name: "", from, to };
  const name = q.get("range") ?? standard;
  const length = lengths[name];
  if (length === undefined) return { name: standard, from: now - lengths[standard]! * 1000, to: now };
  return { name, from: now - length * 1000, to: now };
}

/** cadence is how often a range is worth fetching again, in milliseconds. */
export function cadence(r: Range): number {
  return Math.max(3_000, Math.min(60_000, (r.to - r.from) / 400));
}
