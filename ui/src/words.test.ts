import { describe, expect, test } from "vitest";
import type { Route, State, Target } from "./api";
import { clock, percent, seconds, span, utc } from "./format";
import { matrix, routes } from "./model";
import { type Sentence, sentence } from "./sentence";

const target = (id: string, state: State, more: Partial<Target> = {}): Target => ({
  id,
  provider: "openai",
  model: "gpt-4o",
  region: "us-east",
  state,
  suspected: false,
  score: 99,
  weight: 1,
  reasons: [],
  routes: [],
  ...more,
});

const route = (now: Record<string, number>, before: Record<string, number>, weights: Record<string, number> = {}, mode = "normal"): Route => {
  const side = (shares: Record<string, number>) => ({
    mode: mode as "normal",
    targets: Object.entries(shares).map(([target, share], tier) => ({ target, tier, share, weight: weights[target] ?? 1, base_weight: 1, state: "healthy" as const, score: 99, reasons: [] })),
  });
  return { name: "chat", tiers: Object.keys(now).map((target) => [{ target, base_weight: 1 }]), standby_share: 0.05, overprovision: 1, now: side(now), hour_ago: side(before) };
};

const said = (s: Sentence): string =>
  s.parts.map((p) => (typeof p === "string" ? p : "target" in p ? p.target : "route" in p ? `*${p.route}*` : new Date(p.since).toISOString().slice(11, 16))).join("").replaceAll("\u00a0", " ");

describe("the sentence", () => {
  test("says what is wrong, where traffic goes, and since when", () => {
    const sick = target("gpt-us", "degraded", { weight: 0.4, since: "2026-11-20T03:12:00Z", reasons: [{ signal: "first_token", text: "first token 3.2x its usual", evidence: 17 }] });
    const r = routes([route({ "gpt-us": 0.38, "claude-us": 0.62 }, { "gpt-us": 0.95, "claude-us": 0.05 }, { "gpt-us": 0.4 })]);
    const s = sentence([target("claude-us", "healthy"), sick], r);
    expect(said(s)).toBe("gpt-us is degraded: first token 3.2x its usual; 62 % of *chat* now goes to claude-us; since 03:12.");
    expect(s.tone).toBe("bad");
  });
  test("says nothing of traffic that is where it belongs, whatever was an hour ago", () => {
    const s = sentence([target("gpt-us", "degraded")], routes([route({ "gpt-us": 0.95, "claude-us": 0.05 }, { "gpt-us": 0.2, "claude-us": 0.8 })]));
    expect(said(s)).toBe("gpt-us is degraded.");
  });
  test("names two of those that traffic moved to", () => {
    const s = sentence([target("a", "down")], routes([route({ a: 0, b: 0.6, c: 0.4 }, { a: 1, b: 0, c: 0 })]));
    expect(said(s)).toBe("a is down; 95 % of *chat* moved to b and c.");
  });
  test("leaves out a reason's UTC time and its confirmation", () => {
    const s = sentence([target("a", "degraded", { since: "2026-11-20T19:35:00Z", reasons: [{ signal: "first_token", text: "first token 1.4 s, 3.9 times its usual 359 ms, since 19:35 UTC; confirmed by inter-token", evidence: 17 }] })], []);
    expect(said(s)).toBe("a is degraded: first token 1.4 s, 3.9 times its usual 359 ms; since 19:35.");
  });
  test("names whose fault it is when it is not the target's own", () => {
    const s = sentence([target("gpt-us", "down", { cause: "account", reasons: [{ signal: "quota", text: "no credit.", evidence: 9 }] })], []);
    expect(said(s)).toBe("gpt-us is down: no credit, most likely our own key, quota or bill.");
  });
  test("puts the sickest first and counts the others", () => {
    const s = sentence([target("a", "degraded"), target("b", "down"), target("c", "failing"), target("d", "healthy")], []);
    expect(said(s)).toBe("b is down. 2 more are not well: 1 failing and 1 degraded.");
  });
  test("is calm when all is well", () => {
    const s = sentence([target("a", "healthy"), target("b", "healthy")], []);
    expect(said(s)).toBe("All 2 targets are healthy.");
    expect(s.tone).toBe("calm");
  });
  test("tells recovering, unknown and suspected targets from healthy ones", () => {
    const s = sentence([target("a", "recovering"), target("b", "unknown"), target("c", "healthy", { suspected: true })], []);
    expect(said(s)).toBe("1 of 3 targets is healthy, a is recovering, b is unknown; looking harder at c.");
  });
  test("says when there is nothing to say", () => {
    expect(said(sentence([], []))).toBe("No targets are configured yet.");
    expect(said(sentence([target("a", "unknown")], []))).toBe("Listening: no verdict on the one target yet.");
  });
  test("is never calm while a route panics", () => {
    const s = sentence([target("a", "healthy")], routes([route({ a: 1 }, { a: 1 }, {}, "panic")]));
    expect(s.tone).toBe("bad");
    expect(said(s)).toContain("too little healthy capacity");
  });
});

describe("numbers", () => {
  test.each([
    [0.00012, "<1 ms"],
    [0.0042, "4.2 ms"],
    [0.042, "42 ms"],
    [0.52, "520 ms"],
    [1.234, "1.23 s"],
    [12.34, "12.3 s"],
    [123.4, "123 s"],
    [undefined, "–"],
    [NaN, "–"],
  ])("seconds(%s) is %s", (v, want) => expect(seconds(v)).toBe(want));
  test.each([
    [0, "0 %"],
    [0.0004, "<0.1 %"],
    [0.004, "0.4 %"],
    [0.62, "62 %"],
    [1, "100 %"],
  ])("percent(%s) is %s", (v, want) => expect(percent(v)).toBe(want));
  test.each([
    [12, "12 s"],
    [720, "12 min"],
    [3900, "1 h 5 min"],
    [100_000, "1 d 3 h"],
  ])("span(%s) is %s", (v, want) => expect(span(v)).toBe(want));
  test("a time of another day carries its date, and hovers in UTC", () => {
    const now = new Date(2026, 10, 20, 12, 0).getTime();
    expect(clock(new Date(2026, 10, 20, 3, 12).getTime(), now)).toBe("03:12");
    expect(clock(new Date(2026, 10, 19, 3, 12).getTime(), now)).toBe("19 Nov 03:12");
    expect(utc(Date.UTC(2026, 10, 20, 3, 12, 5))).toBe("2026-11-20 03:12:05 UTC");
  });
});

describe("the matrix", () => {
  test("has a row per model of a provider and a column per region", () => {
    const m = matrix([target("a", "healthy"), target("b", "healthy", { region: "eu" }), target("c", "healthy", { provider: "azure" }), target("d", "healthy", { region: "" })]);
    expect(m.regions).toEqual(["eu", "global", "us-east"]);
    expect(m.rows.map((r) => `${r.provider} ${r.model}`)).toEqual(["azure gpt-4o", "openai gpt-4o"]);
    expect(m.rows[1]!.cells.get("us-east")!.map((t) => t.id)).toEqual(["a"]);
  });
});
