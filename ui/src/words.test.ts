import { describe, expect, test } from "vitest";
import type { Route, State, Target } from "./api";
import { apportion, unitFor } from "./apportion";
import { clock, nats, percent, plural, price, seconds, share, span, utc } from "./format";
import { kept, matrix, routes } from "./model";
import { type Sentence, sentence } from "./sentence";
import { standing } from "./slos";
import { heldBack, usualWords } from "./why";

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
  const refused = (id: string) => target(id, "unknown", { cause: "account", weight: 0, reasons: [{ signal: "", code: "key_rejected", text: "the provider rejects our key (401)", evidence: 0 }] });
  test("names a target whose key is refused, though it has no verdict", () => {
    const s = sentence([refused("a"), target("b", "healthy")], routes([route({ a: 0, b: 1 }, { a: 0.95, b: 0.05 }, { a: 0 })]));
    expect(said(s)).toBe("a has no verdict: our key is refused, weight 0; 100 % of *chat* now goes to b.");
    expect(s.tone).toBe("bad");
    expect(said(sentence([target("a", "down"), refused("b")], []))).toBe("a is down. b has no verdict: our key is refused, weight 0.");
    expect(said(sentence([target("a", "down", { score: -1 }), refused("b"), target("c", "degraded")], []))).toBe("a is down. 2 more are not well: 1 degraded and 1 where we are refused.");
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

describe("what is shown", () => {
  test("shares add up to the whole, and what is made of them agrees", () => {
    expect(apportion([1 / 3, 1 / 3, 1 / 3], 0.01)).toEqual([0.34, 0.33, 0.33]);
    expect(apportion([0.475, 0.475, 0.05], 0.01)).toEqual([0.48, 0.47, 0.05]);
    expect(apportion([0, 0], 0.01)).toEqual([0, 0]);
    expect(unitFor([0.5, 0.5], [0.995, 0.005])).toBe(0.001);
    for (let n = 0; n < 500; n++) {
      const raw = Array.from({ length: 1 + (n % 9) }, () => Math.random() ** 3);
      const sum = raw.reduce((a, b) => a + b);
      const shares = raw.map((v) => v / sum);
      const unit = unitFor(shares);
      const shown = apportion(shares, unit);
      expect(shown.reduce((a, v) => a + Number.parseFloat(share(v)), 0)).toBeCloseTo(100, 6);
      shown.forEach((v, i) => expect(Math.abs(v - shares[i]!)).toBeLessThan(unit));
    }
    const [r] = routes([route({ a: 0.474, b: 0.526 }, { a: 0.946, b: 0.054 })]);
    expect(share(r!.moved)).toBe("48 %");
    expect(r!.parts.map((p) => share(p.share - p.before))).toEqual(["-48 %", "48 %"]);
  });
  test("a share that rounding left nothing of is not nothing", () => {
    const [r] = routes([route({ a: 0.9998, b: 0.0002 }, { a: 1, b: 0 })]);
    expect(r!.parts.map((p) => share(p.share, p.trickles))).toEqual(["100 %", "<0.1 %"]);
  });
  test.each([
    [2.5, "$2.50"],
    [10, "$10.00"],
    [0.15, "$0.15"],
    [0.075, "$0.075"],
  ])("a price of %s is %s", (v, want) => expect(price(v)).toBe(want));
  test("one is singular", () => {
    expect([plural(1, "token"), plural(2, "token"), plural(1, "canary", "canaries"), plural(0, "canary", "canaries")]).toEqual(["1 token", "2 tokens", "1 canary", "0 canaries"]);
  });
  test("no evidence is not counted in nats", () => {
    expect([nats(0), nats(0.4), nats(17)]).toEqual(["", "0.4 nats", "17 nats"]);
  });
  test("rates of failure are named by what fails", () => {
    expect(["availability", "sanity", "first_token"].map(usualWords)).toEqual(["failed calls", "wrong answers", "first token"]);
  });
  test("a weight below one without a reason says what holds it back", () => {
    const weak = [{ hypothesis: "first token x1.3", signal: "first_token", nats: 3.2, threshold_nats: 11.6 }];
    expect(heldBack(target("a", "healthy", { weight: 0.8 }), weak)).toBe("weight 0.8, held back by weak evidence: first token ×1.3 (3.2 of 12 nats)");
    expect(heldBack(target("a", "healthy", { weight: 0.8 }), [{ ...weak[0]!, nats: 12 }])).toContain("a difference too small for a verdict");
    expect(heldBack(target("a", "healthy", { weight: 0.8 }), [])).toContain("rises as good answers come");
    expect(heldBack(target("a", "healthy"), weak)).toBe("");
    expect(heldBack(target("a", "degraded", { weight: 0.4 }), weak)).toBe("");
  });
  test("a promise is only kept so far while data is missing", () => {
    expect(standing({ status: "met", data_completeness_ratio: 0.429 })).toBe("met so far, 42 % of data");
    expect(standing({ status: "met", data_completeness_ratio: 0.95 })).toBe("met");
    expect(standing({ status: "met", data_completeness_ratio: null })).toBe("met");
    expect(standing({ status: "at_risk", data_completeness_ratio: 0.1 })).toBe("at risk");
  });
});

describe("the matrix", () => {
  test("has a row per model of a provider and a column per region", () => {
    const m = matrix([target("a", "healthy"), target("b", "healthy", { region: "eu" }), target("c", "healthy", { provider: "azure" }), target("d", "healthy", { region: "" })]);
    expect(m.regions).toEqual(["eu", "global", "us-east"]);
    expect(m.rows.map((r) => `${r.provider} ${r.model}`)).toEqual(["azure gpt-4o", "openai gpt-4o"]);
    expect(m.rows[1]!.cells.get("us-east")!.map((t) => t.id)).toEqual(["a"]);
  });
  test("keeps the rows in which no target changed", () => {
    const [a, b] = [target("a", "healthy"), target("b", "healthy", { model: "gpt-4o-mini" })];
    const old = matrix([a, b]).rows;
    const next = matrix([a, { ...b, state: "down" }]).rows;
    const rows = kept(old, next);
    expect(rows[0]).toBe(old[0]);
    expect(rows[1]).toBe(next[1]);
    expect(kept(old, matrix([a]).rows)).toEqual([old[0]]);
  });
});
