import { describe, expect, test } from "vitest";
import type { Route, RouteSplit } from "./api";
import { figure } from "./format";
import { routes } from "./model";
import { asTold, helped, odd, part, reasons } from "./routers";
import { policy } from "./routing";
import { trend, verdict } from "./told";

const at = (s: number) => new Date(s * 1000).toISOString();

describe("what users and callers say", () => {
  test("a trend goes from the lowest to the highest over its time", () => {
    expect(trend([{ at: at(0), value: 1 }])).toBeUndefined();
    const t = trend([{ at: at(0), value: 1 }, { at: at(10), value: 3 }, { at: at(40), value: 2 }])!;
    expect([t.low, t.high]).toEqual([1, 3]);
    expect(t.path).toBe("M0.0 24.0L40.0 2.0L160.0 13.0");
    expect(trend([{ at: at(0), value: 5 }, { at: at(0), value: 5 }])!.path).toBe("M0.0 13.0L160.0 13.0");
  });
  test("figures of any size stay readable", () => {
    expect([0, 0.83123456, 12345.6, -2, 4e9, 0.00012, NaN].map(figure)).toEqual(["0", "0.8312", "12\u202f346", "\u22122", "4.00e9", "1.20e\u22124", "–"]);
  });
  test("a verdict has its interval, and owns up to few words", () => {
    expect(verdict({ target: "t", last: [], bad: { ratio: 0.073, low: 0.025, high: 0.19, bad: 3, total: 41 } })).toBe("41 words on answers in the last day, 7.3 % bad (2.5 % to 19 % with so few).");
    expect(verdict({ target: "t", last: [] })).toMatch(/No word/);
  });
});

describe("routers", () => {
  const split = (sent: number, told: number, requests: number): RouteSplit => ({ route: "chat", requests, targets: [{ target: "a", requests: sent * requests, applied_share: sent, published_share: told, difference: sent - told }] });
  test("a difference that chance explains is not odd", () => {
    expect(odd(split(0.5, 0.38, 1240).targets[0]!, 1240)).toBe(true);
    expect(odd(split(0.5, 0.38, 30).targets[0]!, 30)).toBe(false);
    expect(odd(split(0.4, 0.38, 100000).targets[0]!, 100000)).toBe(false); // true, and too small to matter
  });
  test("say how they follow, route by route", () => {
    expect(asTold([split(0.5, 0.38, 1240), split(0.38, 0.38, 500), split(1, 0.9, 3)]).map((s) => s.text)).toEqual(["chat: a +12 points", "chat: yes, within 0 points", "chat: too few requests to tell"]);
    expect(asTold([])[0]!.text).toBe("it does not say");
  });
  test("whether moving helped is one sentence", () => {
    expect(helped({ moved: 1310, served: 1291 })).toBe("1\u202f310 requests moved, 1\u202f291 of them served: it helped nearly always.");
    expect(helped({ moved: 1, served: 1 })).toBe("1 request moved, all of them served: it helped every time.");
    expect(helped({ moved: 4, served: 0 })).toMatch(/helped nobody/);
    expect([part(1291, 1292), part(3, 3), part(0, 9), part(1, 2)]).toEqual([">99 %", "100 %", "0 %", "50 %"]);
    expect(reasons({ timeout: 2, overloaded: 9 })).toBe("overloaded 9, timeout 2");
  });
});

describe("a route that is followed in part", () => {
  const r: Route = {
    name: "chat", tiers: [[{ target: "a", base_weight: 1 }, { target: "b", base_weight: 1 }]], standby_share: 0, overprovision: 1,
    prefer: { latency: 1, cost: 0.5 }, shift_when: { first_token: 2 },
    now: { mode: "normal", rollout: 0.1, targets: [
      { target: "a", tier: 0, weight: 1, share: 0.47, would_share: 0.2, base_weight: 1, preference: 0.25, state: "healthy", score: 99, reasons: [] },
      { target: "b", tier: 0, weight: 1, share: 0.53, would_share: 0.8, base_weight: 1, state: "healthy", score: 99, reasons: [] },
    ] },
  };
  test("has the shares that it would have beside those that it has", () => {
    const [v] = routes([r]);
    expect(v!.rollout).toBe(0.1);
    expect(v!.parts.map((p) => [p.share, p.would, p.preference])).toEqual([[0.47, 0.2, 0.25], [0.53, 0.8, 1]]);
    expect(routes([{ ...r, now: { ...r.now!, rollout: undefined } }])[0]!.parts[0]!.would).toBeUndefined();
  });
  test("says what it prefers, when targets yield, and how far it follows", () => {
    expect(policy(r)).toBe("Within a tier it prefers the faster, the cheaper (×0.5). A target yields when its first token exceeds 2.00 s. Rollout: 10 % of the traffic follows, the rest keeps base shares; beneath stand the shares that it would have at 100 %.");
    expect(policy({ ...r, prefer: undefined, shift_when: undefined, now: { ...r.now!, rollout: 0 } })).toMatch(/^Shadow: no traffic follows yet/);
    expect(policy({ ...r, prefer: {}, shift_when: {}, now: { ...r.now!, rollout: undefined } })).toBe("");
  });
});
