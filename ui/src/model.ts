// From what the API says to what the overview draws. Pure.

import { type Mode, type Route, type State, type Target, known } from "./api";
import { apportion, unitFor } from "./apportion";
import { gravity } from "./trouble";

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

/** kept is next with each row that did not change replaced by its old self, so that it is not drawn again. */
export function kept(old: Row[], next: Row[]): Row[] {
  const before = new Map(old.map((r) => [r.key, r]));
  const same = (a: Row, b: Row) =>
    a.cells.size === b.cells.size && [...b.cells].every(([region, ts]) => a.cells.get(region)?.length === ts.length && ts.every((t, i) => a.cells.get(region)![i] === t));
  return next.map((r) => {
    const was = before.get(r.key);
    return was && same(was, r) ? was : r;
  });
}

/** Part is one target's part of a route. Its shares are rounded with their siblings', so that they add up and every figure made of them agrees. */
export interface Part {
  target: string;
  tier: number;
  share: number;
  trickles: boolean; // it gets something, though share is 0
  before: number; // its share an hour ago, or, where nobody knows, when all is well
  well: number; // its share when all is well
  weight: number;
  preference: number; // 1 where nothing is preferred
  would?: number; // its share if all of the traffic followed, where not all does
  state: State;
}

export interface RouteView {
  name: string;
  mode: Mode;
  parts: Part[];
  known: boolean; // whether the shares of an hour ago are
  rollout?: number; // the part of the traffic that follows, where it is not all
  moved: number; // how much of the route goes elsewhere than before
}

export function routes(all: Route[] | undefined): RouteView[] {
  return (all ?? []).map((r) => {
    const then = r.hour_ago && new Map(r.hour_ago.targets.map((t) => [t.target, t.share]));
    const well = wellShares(r);
    const now = r.now?.targets ?? [];
    const columns = [now.map((t) => t.share), now.map((t) => (then ?? well).get(t.target) ?? 0), now.map((t) => well.get(t.target) ?? 0), now.map((t) => t.would_share ?? t.share)];
    const unit = unitFor(...columns);
    const [share, before, usually, would] = columns.map((c) => apportion(c, unit)) as [number[], number[], number[], number[]];
    const rollout = r.now?.rollout;
    const parts = now
      .map((t, i) => ({
        target: t.target,
        tier: t.tier,
        share: share[i]!,
        trickles: t.share > 0 && share[i] === 0,
        before: before[i]!,
        well: usually[i]!,
        weight: t.weight,
        preference: t.preference || 1,
        would: rollout === undefined ? undefined : would[i]!,
        state: known(t.state),
      }))
      .sort((a, b) => a.tier - b.tier);
    const moved = parts.reduce((sum, p) => sum + Math.max(0, p.share - p.before), 0);
    return { name: r.name, mode: r.now?.mode ?? "normal", parts, known: then !== undefined, rollout, moved };
  });
}

/**
 * wellShares is what shares would be if every weight were 1: each tier but the
 * last keeps what it gets but for the standby share. Preferences are left out.
 */
export function wellShares(r: Route): Map<string, number> {
  const out = new Map<string, number>();
  let rest = 1;
  for (const [i, tier] of r.tiers.entries()) {
    const taken = i === r.tiers.length - 1 ? rest : rest * (1 - r.standby_share);
    const sum = tier.reduce((n, t) => n + t.base_weight, 0);
    for (const t of tier) out.set(t.target, sum > 0 ? (taken * t.base_weight) / sum : 0);
    rest -= taken;
  }
  return out;
}

/** worst orders targets: the sickest first, then the lowest score. */
export function worst(targets: Target[]): Target[] {
  return [...targets].sort((a, b) => {
    const s = gravity(b) - gravity(a);
    return s || a.score - b.score || a.id.localeCompare(b.id);
  });
}

/** tally counts targets by state. */
export function tally(targets: Target[]): Record<State, number> {
  const out: Record<State, number> = { unknown: 0, healthy: 0, recovering: 0, degraded: 0, failing: 0, down: 0 };
  for (const t of targets) out[known(t.state)]++;
  return out;
}
