import { describe, expect, test } from "vitest";
import type { Agent, ProbeResult, ProberHealth, Probing } from "./api";
import { clock, gridOf } from "./canaries";
import { condition, eachMay, full, lookups, unprobed } from "./prober";

const agent = (offset: number | undefined, how: string) => ({ clock_offset_seconds: offset, clock: how }) as Agent;

describe("the page of probes", () => {
  test("groups results by target and canary", () => {
    const r = (target: string, canary: string, vantage: string) => ({ target, canary, vantage }) as ProbeResult;
    const grid = gridOf([r("a", "x", "here"), r("a", "x", "there"), r("b", "x", "here")]);
    expect(grid.get("a\nx")?.map((v) => v.vantage)).toEqual(["here", "there"]);
    expect(grid.get("b\nx")?.length).toBe(1);
    expect(grid.get("a\ny")).toBeUndefined();
  });

  test("says what a budget left unprobed, and of whom", () => {
    const p = (n: number, ...of: [string, number][]) =>
      ({ suspicion_today: { unprobed: n }, targets: of.map(([target, unprobed]) => ({ target, suspicion_today: { unprobed } })) }) as unknown as Probing;
    expect(unprobed(p(0))).toBe("none");
    expect(unprobed(p(12, ["a", 12], ["b", 0]))).toBe("12 (a 12)");
    expect(unprobed(p(6, ["a", 1], ["b", 1], ["c", 1], ["d", 1], ["e", 1], ["f", 1]))).toBe("6 (a 1, b 1, c 1, d 1 and 2 more)");
  });

  test("says how far a clock is off", () => {
    expect(clock(agent(undefined, "unknown"))).toBe("not known yet");
    expect(clock(agent(0.004, "ok"))).toBe("right");
    expect(clock(agent(-1.5, "ok"))).toBe("1.50 s behind");
    expect(clock(agent(7200, "corrected"))).toBe("2 h ahead, corrected");
  });
});

describe("the condition of a prober", () => {
  const well: ProberHealth = { unwell: [], controls: [], lag_seconds: 0, long_gc_pauses: 0, files: 1, max_files: 2, doubted: 0 };
  test("is said in words, those of a newer server as they come", () => {
    expect(condition(well)).toBe("well");
    expect(condition({ ...well, unwell: ["controls", "gremlins"] })).toBe("no control answers, gremlins");
  });
  test("names what bounds suspicion on one target", () => {
    expect(eachMay({ probes: 1, usd: 5 })).toBe("On one target at most 1 probe, $5.00 a day.");
    expect(eachMay({})).toBe("");
  });
  test("names the providers that can take no more", () => {
    expect(full({ providers: [{ provider: "a", in_flight: 4, max_in_flight: 4 }, { provider: "b", in_flight: 3, max_in_flight: 4 }] })).toEqual(["a"]);
    expect(full({})).toEqual([]);
  });
  test("counts what is no probe", () => {
    expect(lookups({ model_list: 120, model_list_failed: 2, status_page: 1 })).toBe("120 model lists (2 failed) and 1 status page");
    expect(lookups({})).toBe("");
  });
});
