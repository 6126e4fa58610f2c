// From what the API says to what the overview draws. Pure.

import { type Mode, type Route, type State, type Target, known, severity } from "./api";

/** Row is a model of a provider, with its targets by region. */
export interface Row {
  key: string;
  provider: string;
  model: string;
  cells: Map<string, Target[]>;
}

export interface Matrix {
  regions: string[];
  rows: Row[];
}

export function matrix(targets: Target[]): Matrix {
  const regions = new Set<string>();
  const rows = new Map<string, Row>();
  for (const target of targets) {
    const region = target.region || "global";
    regions.add(region);
    const key = `${target.provider}\n${target.model}`;
    let row = rows.get(key);
    if (!row) rows.set(key, (row = { key, provider: target.provider, model: target.model, cells: new Map() }));
    const there = row.cells.get(region);
    if (there) there.push(target);
    else row.cells.set(region, [target]);
  }
  const sorted = [...rows.values()].sort((a, b) => a.provider.localeCompare(b.provider) || a.model.localeCompare(b.model));
  return { regions: [...regions].sort(), rows: sorted };
}

/** Part is one target's part of a route. */
export interface Part {
  target: string;
  tier: number;
  share: number;
  before: number | undefined; // its share then; undefined when nobody knows
  weight: number;
  state: State;
}

export interface RouteView {
  name: string;
  mode: Mode;
  tiers: number;
  parts: Part[];
  moved: number; // how much of the route goes elsewhere than it did
}

export function routes(all: Route[] | undefined): RouteView[] {
  return (all ?? []).map((r) => {
    const then = r.hour_ago && new Map(r.hour_ago.targets.map((t) => [t.target, t.share]));
    const parts = (r.now?.targets ?? [])
      .map((t) => ({
        target: t.target,
        tier: t.tier,
        share: t.share,
        before: then && (then.get(t.target) ?? 0),
        weight: t.weight,
        state: known(t.state),
      }))
      .sort((a, b) => a.tier - b.tier);
    const moved = parts.reduce((sum, p) => sum + Math.max(0, p.share - (p.before ?? p.share)), 0);
    return { name: r.name, mode: r.now?.mode ?? "normal", tiers: r.tiers.length, parts, moved };
  });
}

/** worst orders targets: the sickest first, then the lowest score. */
export function worst(targets: Target[]): Target[] {
  return [...targets].sort((a, b) => {
    const s = severity(known(b.state)) - severity(known(a.state));
    return s || a.score - b.score || a.id.localeCompare(b.id);
  });
}

/** tally counts targets by state. */
export function tally(targets: Target[]): Record<State, number> {
  const out: Record<State, number> = { unknown: 0, healthy: 0, recovering: 0, degraded: 0, failing: 0, down: 0 };
  for (const t of targets) out[known(t.state)]++;
  return out;
}
