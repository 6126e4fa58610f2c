import { describe, expect, test } from "vitest";
import type { Series, Sparkline } from "./api";
import { find } from "./dialogs";
import { past, rate, stepWanted, wilson } from "./past";
import { page } from "./path";
import { expectations, marked, phases } from "./probes";
import { range } from "./range";
import { share } from "./share";
import { sparkline } from "./spark";
import { backoff, parser } from "./sse";
import { type World, apply } from "./world";

describe("server-sent events", () => {
  const all = (chunks: string[]) => {
    const out: string[] = [];
    const feed = parser((e) => out.push(`${e.type}=${e.data}`));
    chunks.forEach(feed);
    return out;
  };
  test("are the same however they are cut", () => {
    const text = ': beat\n\nevent: weights\ndata: {"a":\ndata: 1}\n\ndata: x\r\n\r\nid: 7\nevent: none\n\n';
    const want = ['weights={"a":\n1}', "message=x"];
    expect(all([text])).toEqual(want);
    expect(all([...text])).toEqual(want);
  });
  test("come back with growing waits that have an end", () => {
    expect(backoff(0, 0)).toBe(250);
    expect(backoff(3, 0.999)).toBeLessThanOrEqual(4_000);
    expect(backoff(50, 0.999)).toBeLessThanOrEqual(15_000);
  });
});

describe("share", () => {
  test("keeps what did not change as it was", () => {
    const old = { a: [{ x: 1 }, { x: 2 }], b: { c: null } };
    const next = share(old, { a: [{ x: 1 }, { x: 3 }], b: { c: null } });
    expect(next).not.toBe(old);
    expect(next.a[0]).toBe(old.a[0]);
    expect(next.b).toBe(old.b);
    expect(next.a[1]).toEqual({ x: 3 });
    expect(share(old, structuredClone(old))).toBe(old);
  });
  test("sees a key that went, and one that is undefined now", () => {
    expect(share({ a: 1, b: 2 }, { a: 1 })).toEqual({ a: 1 });
    const next = share<object>({ a: 1 }, { b: undefined });
    expect("b" in next && !("a" in next)).toBe(true);
  });
});

describe("events change the world", () => {
  const w = { targets: [{ id: "a", state: "healthy" }, { id: "b", state: "healthy" }], incidents: [], changes: [], routes: [{ name: "chat", tiers: [] }] } as unknown as World;
  const hear = (type: string, data: unknown) => apply(w, { type, data: JSON.stringify(data) });
  test("a target takes the place of its old self, a stranger is ignored", () => {
    expect(hear("target", { id: "b", state: "down" }).targets!.map((t) => t.state)).toEqual(["healthy", "down"]);
    expect(hear("target", { id: "z", state: "down" }).targets).toEqual(w.targets);
  });
  test("a resolved incident leaves the open ones", () => {
    const open = hear("incident", { id: "1", state: "open" });
    expect(open.incidents).toHaveLength(1);
    expect(apply(open, { type: "incident", data: '{"id":"1","state":"resolved"}' }).incidents).toHaveLength(0);
  });
  test("weights move the routes that they name", () => {
    const n = hear("weights", { revision: 7, routes: { chat: { mode: "panic", targets: [] } } });
    expect(n.routes![0]!.now!.mode).toBe("panic");
    expect(n.revision).toBe(7);
  });
  test("what is not understood changes nothing", () => {
    expect(hear("news", {})).toBe(w);
    expect(apply(w, { type: "target", data: "{" })).toBe(w);
  });
});

describe("the past", () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const one = (points: Series["points"]): Series => ({ from: at(0), to: at(600), step_seconds: 10, points, steps: [{ at: at(0), weight: 1, state: "healthy", score: 99 }, { at: at(50), weight: 0.4, state: "degraded", score: 50 }], changes: [] });
  test("has its columns on one axis, and a hole where probes were missing", () => {
    const times = [0, 10, 20, 30, 200, 210];
    const p = past(one(times.map((s) => ({ at: at(s), p50: 1, counts: { ok: 1 } }))), one([]), one([]));
    expect(p.t[0]).toBe(0);
    expect(p.t[p.t.length - 1]).toBe(600);
    const first = p.charts.find((c) => c.key === "first_token")!.lines[0]!.values;
    expect(first.length).toBe(p.t.length);
    expect(first[p.t.indexOf(40)]).toBe(null);
    const w = p.charts.find((c) => c.key === "weight")!.lines[0]!.values;
    expect([30, 50, 200].map((s) => w[p.t.indexOf(s)])).toEqual([1, 0.4, 0.4]);
  });
  test("asks for short steps only where the range is short", () => {
    expect(stepWanted(900, 250)).toBe("5s");
    expect(stepWanted(3600, 250)).toBe("15s");
    expect(stepWanted(21600, 250)).toBeUndefined();
  });
  test("pools calls until a rate means something", () => {
    const t = Array.from({ length: 100 }, (_, i) => i * 10);
    const r = rate("rate", t, t.map((_, i) => (i === 90 ? 1 : 0)), t.map(() => 1));
    expect(r.lines[0]!.values[90]).toBeCloseTo(1 / 30);
    expect(r.lines[0]!.values[89]).toBe(0);
    expect(r.interval.high[0]).toBeLessThan(0.15);
  });
  test("pools over no change of verdict, so that a recovery shows at once", () => {
    const t = Array.from({ length: 100 }, (_, i) => i * 10);
    const k = t.map((v) => (v >= 400 && v < 700 ? 1 : 0));
    const r = rate("rate", t, k, t.map(() => 1), [400, 700]);
    expect([39, 40, 69, 70, 99].map((i) => r.lines[0]!.values[i])).toEqual([0, 1, 1, 0, 0]);
    expect(r.interval.high[70]).toBeGreaterThan(0.2); // of ten calls, not of one
    expect(r.note).toContain("30 calls");
    expect(rate("rate", t, k, t.map(() => 1)).lines[0]!.values[70]).toBeCloseTo(29 / 30);
    expect(rate("rate", t, k, t.map(() => 40)).note).toBeUndefined();
  });
  test("its intervals are Wilson's", () => {
    const [low, high] = wilson(5, 50);
    expect(low).toBeCloseTo(0.0434, 3);
    expect(high).toBeCloseTo(0.2136, 3);
  });
});

describe("the sparkline", () => {
  const line = (values: (number | null)[], errors: (number | null)[] = values.map(() => 0)): Sparkline => ({ from: "", step_seconds: 60, first_token_p50_seconds: values, error_ratio: errors });
  test("of a steady hour stands at a third of the height", () => {
    const d = sparkline(line(Array(60).fill(0.5)))!;
    const y = Number(/M[\d.]+ ([\d.]+)/.exec(d.path)![1]);
    expect(y).toBeGreaterThan(16);
    expect(y).toBeLessThan(20);
    expect(d.errors).toBe("");
  });
  test("of nothing is nothing, of errors alone is their ticks", () => {
    expect(sparkline(line([null, null], [null, null]))).toBeUndefined();
    const d = sparkline(line([null, null], [1, 1]))!;
    expect(d.path).toBe("");
    expect(d.errors).toMatch(/^M.*M/);
    expect(d.label).toContain("no good answer");
  });
});

describe("a probe", () => {
  test("lays its phases end to end", () => {
    expect(phases({ dns_seconds: 0.1, connect_seconds: 0.2, tls_seconds: 0.3, first_token_seconds: 1, total_seconds: 1.5 }).map((p) => [p.name, p.from.toFixed(1), p.length.toFixed(1)])).toEqual([
      ["dns", "0.0", "0.1"],
      ["connect", "0.1", "0.2"],
      ["tls", "0.3", "0.3"],
      ["wait", "0.6", "0.4"],
      ["decode", "1.0", "0.5"],
    ]);
    expect(phases({ total_seconds: 0.2 }).map((p) => p.name)).toEqual(["wait"]);
  });
  test("marks what was expected without changing a letter", () => {
    const text = 'The capital is PARIS, <b>Paris</b>';
    const parts = marked(text, expectations(["contains: Paris", "max_tokens: 8"]));
    expect(parts.map((p) => p.text).join("")).toBe(text);
    expect(parts.filter((p) => p.hit).map((p) => p.text)).toEqual(["PARIS"]);
  });
});

describe("addresses", () => {
  test.each([
    ["/", "overview"],
    ["/targets/gpt-us", "target"],
    ["/targets/", "lost"],
    ["/targets/a/b", "lost"],
    ["/incidents/7", "incidents"],
    ["/targets/%E0%A4%A", "target"],
    ["/nowhere", "lost"],
  ])("%s is the page %s", (path, name) => expect(page(path).name).toBe(name));
  test("a range is by name or by its ends, and nonsense is the last hour", () => {
    const now = Date.UTC(2026, 10, 20, 12);
    const of = (q: string) => range(new URLSearchParams(q), now);
    expect(of("range=6h").from).toBe(now - 6 * 3_600_000);
    expect(of("from=2026-11-20T03:00:00Z&to=2026-11-20T03:30:00Z")).toEqual({ name: "", from: Date.UTC(2026, 10, 20, 3), to: Date.UTC(2026, 10, 20, 3, 30) });
    expect(of("range=never").name).toBe("1h");
    expect(of("from=2026-11-20T04:00:00Z&to=2026-11-20T03:30:00Z").name).toBe("1h");
  });
});

test("the finder wants every word and prefers names", () => {
  const t = (id: string, region: string) => ({ id, provider: "openai", model: "gpt-4o", region, state: "healthy" }) as never;
  const all = [t("west-gpt", "eu"), t("gpt-us", "us"), t("claude-us", "us")];
  expect(find(all, "gpt").map((x) => x.id)).toEqual(["gpt-us", "west-gpt", "claude-us"]);
  expect(find(all, "claude us").map((x) => x.id)).toEqual(["claude-us"]);
  expect(find(all, "zzz")).toEqual([]);
});
