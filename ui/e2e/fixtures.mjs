// Invented worlds. Deterministic but for the clock: the same scenario gives the
// same numbers, ending now.

/** Answers that try to be more than text. */
export const hostile = [
  `<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>`,
  `</q></td></table><h1 id="pwned">Everything is fine</h1>`,
  `\u202Egnp.exe \u0000\u0007 [click](javascript:window.pwned=3) ${"A".repeat(300)}`,
];

const models = [
  ["openai", "gpt-4o", 0.52],
  ["openai", "gpt-4o-mini", 0.38],
  ["anthropic", "claude-sonnet-4-5", 0.81],
  ["gemini", "gemini-2.5-flash", 0.44],
];
const regions = ["us-east", "eu-west", "ap-south"];

/** rng is a small seeded generator (mulberry32). */
function rng(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const iso = (ms) => new Date(ms).toISOString();

/**
 * world makes one. scenario.kind: "degraded" (default), "calm", "empty",
 * "hostile", "refused" (one key is), "shed" (traffic is held back without a
 * verdict); scenario.targets: a number, for many; scenario.simulated.
 */
export function world(scenario = {}) {
  const kind = scenario.kind ?? "degraded";
  const targets = kind === "empty" ? [] : scenario.targets ? many(scenario.targets) : few();
  if (kind === "degraded" || kind === "hostile") sicken(targets);
  if (kind === "refused") refuse(targets);
  if (kind === "shed") Object.assign(targets[0], { weight: 0.8 });
  if (kind === "degraded") noted(targets);
  const w = {
    simulated: scenario.simulated ?? false,
    targets,
    routes: kind === "empty" ? [] : routesOf(targets, kind === "degraded" || kind === "hostile"),
    incidents: kind === "degraded" || kind === "hostile" ? incidents() : [],
    changes: kind === "degraded" || kind === "hostile" ? changes() : [],
    hostile: kind === "hostile",
  };
  w.answer = (path, q) => answer(w, path, q);
  return w;
}

function few() {
  const out = [];
  for (const [provider, model, median] of models) {
    for (const region of regions) {
      if ((model === "gpt-4o-mini" && region === "ap-south") || (provider === "gemini" && region === "us-east")) continue;
      out.push(target(`${short(model)}-${region.split("-")[0]}`, provider, model, region, median * (region === "ap-south" ? 1.4 : 1), out.length));
    }
  }
  return out;
}

const short = (m) => m.replace("gpt-4o-mini", "mini").replace("gpt-4o", "gpt").replace(/-sonnet.*/, "").replace(/-2.5-flash/, "");

function many(n) {
  return Array.from({ length: n }, (_, i) => target(`t${i}`, `provider-${i % 5}`, `model-${Math.floor(i / 10)}`, `region-${i % 10}`, 0.3 + (i % 7) / 10, i));
}

function target(id, provider, model, region, median, seed) {
  const r = rng(seed + 1);
  const line = Array.from({ length: 60 }, () => median * (0.85 + 0.35 * r()));
  return {
    id, provider, model, region, median,
    labels: {}, price: { input: 2.5, output: 10 },
    state: "healthy", suspected: false, score: 96 + Math.round(r() * 4), weight: 1,
    since: iso(Date.now() - 9.3e7), last_seen: iso(Date.now() - 4000 - r() * 20000),
    reasons: [], routes: ["chat"],
    first_token: { p50: median, p95: median * 1.9, p99: median * 2.6, count: 118 },
    errors: { ratio: 0, low: 0, high: 0.03, bad: 0, total: 118 },
    sparkline: { from: iso(Date.now() - 3.6e6), step_seconds: 60, first_token_p50_seconds: line, error_ratio: line.map(() => 0) },
  };
}

const onset = 13 * 60_000; // before now

function sicken(targets) {
  const set = (id, state, change) => {
    const t = targets.find((t) => t.id === id) ?? targets[0];
    Object.assign(t, { state, since: iso(Date.now() - onset) }, change);
    return t;
  };
  const slow = set("gpt-us", "degraded", {
    score: 55, weight: 0.4, cause: "region",
    reasons: [
      { signal: "first_token", code: "first_token_slow", text: "first token 3.2x its usual, p95 3.1 s against 0.99 s", evidence: 17.2 },
      { signal: "inter_token", code: "inter_token_slow", text: "tokens come 1.4x slower than usual", evidence: 6.1 },
    ],
    first_token: { p50: 1.64, p95: 3.1, p99: 4.4, count: 131 },
  });
  const line = slow.sparkline.first_token_p50_seconds;
  for (let i = 47; i < 60; i++) line[i] *= 3.1;
  const down = set("mini-eu", "down", {
    score: 2, weight: 0, cause: "target",
    reasons: [{ signal: "availability", code: "errors", text: "every call fails: 503 for 6 minutes", evidence: 31.4 }],
    errors: { ratio: 0.21, low: 0.15, high: 0.29, bad: 26, total: 124 },
  });
  for (let i = 53; i < 60; i++) {
    down.sparkline.first_token_p50_seconds[i] = null;
    down.sparkline.error_ratio[i] = 1;
  }
  set("claude-ap", "recovering", { score: 84, weight: 0.35, reasons: [{ signal: "availability", code: "recovering", text: "11 good answers since the last failure", evidence: 0.4 }] });
  set("gemini-ap", "unknown", { score: 0, weight: 1, reasons: [], first_token: undefined, errors: undefined, last_seen: undefined, since: undefined });
  set("claude-eu", "healthy", { suspected: true });
  set("mini-us", "failing", {
    score: 24, weight: 0.05, cause: "model",
    reasons: [{ signal: "sanity", code: "insane", text: "41 % of answers fail their checks, usually 0.4 %", evidence: 14.8 }],
  });
}

function refuse(targets) {
  Object.assign(targets[0], {
    state: "unknown", score: 0, weight: 0, cause: "account",
    reasons: [{ signal: "", code: "key_rejected", text: "the provider rejects our key (401)", evidence: 0 }],
  });
}

const ago = (minutes) => iso(Date.now() - minutes * 60_000);

function noted(targets) {
  const by = (id) => targets.find((t) => t.id === id);
  by("gpt-us").notes = [
    { at: ago(31), kind: "identity.model", text: 'answers now name the model "gpt-4o-2026-11-06"' },
    { at: ago(300), kind: "identity.fingerprint", text: 'the fingerprint "fp_9a1c" is new: what answers was changed' },
    { at: ago(2000), kind: "identity.ending", text: "the provider announces its end for 2027-03-01" },
  ];
  by("claude-us").notes = [{ at: ago(9000), kind: "gone", text: "the provider says that its model is not there (HTTP 404)" }];
}

function signals(t) {
  const line = (signal, vantage, base, spread) => {
    const r = rng(signal.length + t.id.length);
    const recent = Array.from({ length: 48 }, (_, i) => ({ at: ago((48 - i) * 2), value: base + spread * (r() - 0.5) }));
    return { target: t.id, signal, vantage, value: recent.at(-1).value, at: recent.at(-1).at, age_seconds: 120, seen: 48, recent };
  };
  return [line("gpu_memory", "rack-7", 0.83, 0.1), line("session_success", "user", 0.97, 0.03), { target: t.id, signal: "support_tickets", vantage: "user", value: 12345, at: ago(60), age_seconds: 3600, seen: 1, recent: [{ at: ago(60), value: 12345 }] }];
}

const words = (t) => ({
  target: t.id, bad: { ratio: 0.073, low: 0.025, high: 0.19, bad: 3, total: 41 },
  last: [
    { at: ago(3), score: 0, route: "chat", comment: `${hostile[0]} it never came to the point` },
    { at: ago(11), score: 1, route: "chat" },
    { at: ago(40), score: 0.75, comment: "mostly right" },
  ],
});

function failovers() {
  const f = (m, from, to, why, count, served) => ({ at: ago(m), router: "router-1", route: "chat", from, to, why, count, served });
  return {
    since: ago(200), total: { moved: 1310, served: 1291 },
    pairs: [
      { route: "chat", from: "gpt-us", to: "claude-us", moved: 1292, served: 1291, why: { first_token_timeout: 1200, overloaded: 92 } },
      { route: "small", from: "mini-eu", to: "", moved: 18, served: 0, why: { server_error: 18 } },
    ],
    failovers: [f(1, "gpt-us", "claude-us", "first_token_timeout", 12, 12), f(2, "mini-eu", "", "server_error", 18, 0)],
  };
}

const split = (far) => [
  { route: "chat", requests: 1240, targets: [
    { target: "claude-us", requests: far ? 620 : 765, applied_share: far ? 0.5 : 0.617, published_share: 0.62, difference: far ? -0.12 : -0.003 },
    { target: "gpt-us", requests: far ? 620 : 475, applied_share: far ? 0.5 : 0.383, published_share: 0.38, difference: far ? 0.12 : 0.003 },
  ] },
  { route: "small", requests: 7, targets: [{ target: "mini-us", requests: 7, applied_share: 1, published_share: 0.95, difference: 0.05 }] },
];

const health = (ill) => ({
  unwell: ill ? ["dns", "clock"] : [], controls: [
    { control: "https://one.example/", ok: true, at: ago(0.2), seconds: 0.021, failures: 0 },
    { control: "dns:resolver.example", ok: !ill, at: ago(0.2), seconds: 0.004, failures: ill ? 4 : 0, ...(ill ? { error: "i/o timeout" } : {}) },
  ],
  ...(ill ? { clock_step_seconds: -75.2, clock_stepped_at: ago(4) } : {}), lag_seconds: ill ? 0.0214 : 0.0003, scheduling: { p50_seconds: 0.00001, p99_seconds: ill ? 0.004 : 0.0002, max_seconds: ill ? 0.021 : 0.0006 }, gc_pauses: { p50_seconds: 0, p99_seconds: 0, max_seconds: 0 }, long_gc_pauses: 2, files: 61, max_files: 1024, doubted: ill ? 38 : 0,
});

function routesOf(targets, sick) {
  const by = (id) => targets.find((t) => t.id === id) ?? targets[0];
  const part = (id, tier, share) => {
    const t = by(id);
    return { target: t.id, tier, weight: t.weight, share, base_weight: 1, state: t.state, cause: t.cause, score: t.score, reasons: t.reasons };
  };
  const route = (name, tiers, now, before) => ({
    name, standby_share: 0.05, overprovision: 1,
    tiers: tiers.map((t) => t.map((id) => ({ target: by(id).id, base_weight: 1 }))),
    now: { mode: "normal", targets: tiers.flatMap((t, tier) => t.map((id) => part(id, tier, now[id] ?? 0))) },
    hour_ago: { mode: "normal", targets: tiers.flatMap((t, tier) => t.map((id) => part(id, tier, before[id] ?? 0))) },
  });
  const partly = (r) => {
    Object.assign(r, { prefer: { latency: 1, locality: 0.5 }, shift_when: { first_token: 2 }, rollout: 0.1 });
    r.now.rollout = 0.1;
    [[0.38, 0.6], [0.57, 1], [0.05, 1]].forEach(([would, liked], i) => Object.assign(r.now.targets[i], { would_share: would, preference: liked }));
    return r;
  };
  const chat = { "gpt-us": 0.95, "claude-us": 0.05 };
  const small = { "mini-us": 0.475, "mini-eu": 0.475, "gemini-eu": 0.05 };
  return [
    route("chat", [["gpt-us"], ["claude-us"]], sick ? { "gpt-us": 0.38, "claude-us": 0.62 } : chat, chat),
    partly(route("trial", [["gpt-us", "gpt-eu"], ["claude-us"]], { "gpt-us": 0.4655, "gpt-eu": 0.4845, "claude-us": 0.05 }, { "gpt-us": 0.475, "gpt-eu": 0.475, "claude-us": 0.05 })),
    route("small", [["mini-us", "mini-eu"], ["gemini-eu"], ["gemini-ap"]], sick ? { "mini-us": 0.0475, "gemini-eu": 0.9049, "gemini-ap": 0.0476 } : small, small),
  ];
}

function incidents() {
  const now = Date.now();
  return [
    {
      id: "0197a1", state: "open", severity: "down", cause: "target", targets: ["mini-eu"], title: "mini-eu is down",
      first_evidence_at: iso(now - 7 * 60_000), opened_at: iso(now - 6.5 * 60_000),
      timeline: [{ at: iso(now - 6.5 * 60_000), kind: "opened", target: "mini-eu", state: "down", text: "every call fails" }],
    },
    {
      id: "0197a0", state: "open", severity: "degraded", cause: "region", targets: ["gpt-us"], title: "gpt-us is slow",
      first_evidence_at: iso(now - onset), opened_at: iso(now - onset + 60_000), acknowledged_by: "maria", acknowledged_at: iso(now - 5 * 60_000),
      timeline: [
        { at: iso(now - onset + 60_000), kind: "opened", target: "gpt-us", state: "degraded", text: "first token twice its usual" },
        { at: iso(now - 5 * 60_000), kind: "acknowledged", text: "looking at it", by: "maria" },
      ],
    },
  ];
}

function changes() {
  const now = Date.now();
  const change = (ago, target, from, to, text, weight) => ({ at: iso(now - ago * 60_000), target, from, to, score: 50, weight, reasons: text ? [{ signal: "availability", code: "x", text, evidence: 9 }] : [] });
  return [
    change(1, "claude-ap", "failing", "recovering", "11 good answers since the last failure", 0.35),
    change(6.5, "mini-eu", "healthy", "down", "every call fails: 503", 0),
    change(9, "mini-us", "degraded", "failing", "41 % of answers fail their checks, usually 0.4 %", 0.05),
    change(12, "gpt-us", "healthy", "degraded", "first token 3.2x its usual", 0.4),
    change(64, "claude-ap", "healthy", "failing", "34 % of calls fail", 0.05),
    change(1700, "gemini-eu", "recovering", "healthy", "", 1),
  ];
}

function answer(w, path, q) {
  const parts = path.split("/").slice(2).map(decodeURIComponent);
  const strip = ({ median, ...t }) => t;
  switch (parts[0]) {
    case "targets": {
      if (parts.length === 1) return { at: iso(Date.now()), version: "fake", simulated: w.simulated, targets: w.targets.map(strip) };
      const t = w.targets.find((t) => t.id === parts[1]);
      if (!t) return undefined;
      return parts[2] === "series" ? series(w, t, q) : { ...strip(t), evidence: evidence(t), usual: usual(t), overrides: [] };
    }
    case "routes":
      return parts[2] === "preview" ? preview(w, parts[1], q.get("down")) : { epoch: "fake", revision: 1842, routes: w.routes };
    case "incidents": {
      if (parts.length === 1) return { incidents: w.incidents.filter((i) => !q.get("state") || i.state === q.get("state")) };
      const i = w.incidents.find((i) => i.id === parts[1]);
      return i && { incident: i, deliveries: [{ id: "d1", channel: "slack", kind: "opened", created_at: i.opened_at, attempts: 1, status: "sent", sent_at: i.opened_at }] };
    }
    case "changes":
      return { changes: w.changes };
    case "observations":
      return { observations: observations(w, w.targets.find((t) => t.id === q.get("target"))) };
    case "canaries":
      return { canaries: [{ name: "capital", schedule: "@every 30s", prompt: "What is the capital of France? Answer with one word.", checks: ["contains: Paris", "max_tokens: 8"], targets: w.targets.map((t) => t.id), probes_per_day: 28800, cost_per_day_usd: 3.74 }] };
    case "probes":
      return { results: lastResults(w) };
    case "probing":
      return { vantages: kindOf(w) === "empty" ? [probing(w, "us-east")] : [probing(w, "us-east"), probing(w, "eu-central", "frankfurt")] };
    case "agents":
      return { agents: kindOf(w) === "empty" ? [] : agents() };
    case "failovers":
      return kindOf(w) === "empty" ? { failovers: [], pairs: [], total: { moved: 0, served: 0 }, since: ago(200) } : failovers();
    case "signals":
    case "feedback": {
      const t = w.targets.find((t) => t.id === q.get("target"));
      const told = t && t.id.startsWith("gpt");
      return parts[0] === "signals" ? { signals: told ? signals(t) : [] } : { feedback: told ? [words(t)] : [] };
    }
    case "routers":
      return { routers: [{ name: "router-1", region: "us-east", split: split(false), epoch: "fake", revision: 1842, at: iso(Date.now() - 2000), connected: true, behind: 0 }, { name: "router-3", split: split(true), epoch: "fake", revision: 1838, at: iso(Date.now() - 9000), connected: true, behind: 4 }] };
    case "overrides":
      return { overrides: [] };
    case "slos":
      return { slos: [slo("chat-first-token", "first_token < 2s", 0.99, 0.9934, 0.34), slo("chat-available", "availability", 0.999, 0.9981, -0.9), slo("chat-new", "availability", 0.99, 1, 1, 0.0721)] };
  }
  return undefined;
}

const slo = (name, indicator, objective, sli, left, complete = 1) => ({
  slo: name, scope: "chat", indicator, objective_ratio: objective, sli_ratio: sli, budget_remaining_ratio: left,
  burn_rate_1h: 6.2, burn_rate_6h: 1.4, burn_rate_3d: null, good: 100, bad: 1, data_completeness_ratio: complete, status: left < 0 ? "missed" : left < 0.5 ? "at_risk" : "met",
  window_start: iso(Date.now() - 2.6e9), window_end: iso(Date.now()),
});

const kindOf = (w) => (w.targets.length === 0 ? "empty" : "full");

function lastResults(w) {
  return w.targets.flatMap((t) =>
    t.state === "unknown" ? [] : ["us-east", "eu-central"].map((vantage, i) => {
      const outcome = t.state === "down" ? "server_error" : t.state === "failing" && i === 1 ? "bad_output" : "ok";
      return { target: t.id, canary: "capital", vantage, at: iso(Date.now() - 4000 - i * 9000), trigger: "schedule", outcome,
        first_token_seconds: outcome === "server_error" ? undefined : t.median, observation: `o${i}` };
    }),
  );
}

function probing(w, vantage, agent) {
  const sick = w.targets.filter((t) => ["degraded", "failing", "down"].includes(t.state));
  const none = { probes: 0, tokens: 0, usd: 0, unprobed: 0 };
  return {
    vantage, agent, at: iso(Date.now()), jobs: w.targets.length, in_flight: agent ? 16 : 1, waiting: agent ? 2 : 0, max_in_flight: 256, providers: [{ provider: "openai", in_flight: agent ? 16 : 1, max_in_flight: 16 }], sent: { schedule: 8640, suspicion: 212 }, missed: agent ? 3 : 0, skipped: 1, health: health(!!agent), ...(agent ? {} : { lookups: { model_list: 120, model_list_failed: 2, status_page: 12 } }),
    ...(agent ? { missed_by_reason: { "no free slot to its provider in time": 2, "our own process or clock was late": 1 } } : {}),
    total_budget: agent ? { probes: 1000, usd: 1 } : { probes: 200000, tokens: 20000000, usd: 25 }, target_budget: { probes: 20000, usd: 5 },
    suspicion_today: agent ? { probes: 1000, tokens: 29000, usd: 0.41, unprobed: 57 } : { probes: 212, tokens: 6148, usd: 0.03, unprobed: 0 },
    targets: w.targets.map((t) => ({ target: t.id, in_flight: 0, next: iso(Date.now() + 9000),
      ...(sick.includes(t) ? { suspicion_interval_seconds: 5 } : {}), suspicion_today: agent && t === sick[0] ? { ...none, unprobed: 57 } : none })),
  };
}

function agents() {
  const agent = (name, vantage, more) => ({
    name, vantage, version: "v1.0.0", started_at: iso(Date.now() - 9e6), last_seen: iso(Date.now() - 3000), away: false, listed: true, behind: false,
    clock: "ok", clock_offset_seconds: 0.004, clock_error_seconds: 0.01, spooled: 0, spooled_bytes: 0, dropped: 0, damaged: 0, lost: 0, refused: 0,
    plan: { source: "server", epoch: "fake", revision: 3 }, troubles: [], ...more,
  });
  return [
    agent("frankfurt", "eu-central", {}),
    agent("mumbai", "ap-south", { away: true, last_seen: iso(Date.now() - 7e6), listed: false, clock: "corrected", clock_offset_seconds: -150, spooled: 412, dropped: 12, behind: true, troubles: ["target gpt-us: this agent's file has no provider openai"] }),
  ];
}

function preview(w, name, down) {
  const r = w.routes.find((r) => r.name === name);
  return { route: name, down: [down], panic: false, targets: r.now.targets.map((t) => ({ target: t.target, tier: t.tier, weight: t.weight, share_now: t.share, share_then: t.target === down ? 0 : 1 / (r.now.targets.length - 1) })) };
}

function usual(t) {
  return [
    { signal: "first_token", p05: t.median * 0.7, median: t.median, p95: t.median * 1.9, samples: 2840 },
    { signal: "inter_token", p05: 0.009, median: 0.012, p95: 0.019, samples: 2840 },
    { signal: "output_tokens", p05: 7, median: 8, p95: 11, samples: 2840 },
    { signal: "availability", p05: 0, median: 0.004, p95: 0, samples: 2900 },
    { signal: "sanity", p05: 0, median: 0.002, p95: 0, samples: 2840 },
  ];
}

function evidence(t) {
  const h = (hypothesis, signal, nats, threshold_nats, more = {}) => ({ hypothesis, signal, nats, threshold_nats, ...more });
  const slow = t.state === "degraded";
  const dead = t.state === "down";
  const small = t.state === "healthy" && t.weight < 1; // much evidence of a small difference
  const since = iso(Date.now() - onset);
  return [
    h("first token ×2", "first_token", slow ? 17.2 : 0, 12.37, slow ? { since, effect: 3.2, effect_low: 2.7, effect_high: 3.9 } : {}),
    h("first token ×1.3", "first_token", slow ? 9.8 : small ? 12.4 : 1.2, 11.61, { since, effect: small ? 1.08 : 1.3, effect_low: 1.05, effect_high: 1.12 }),
    h("inter-token ×1.15", "inter_token", slow ? 6.1 : 0, 12.06, slow ? { since, effect: 1.4, effect_low: 1.1, effect_high: 1.6 } : {}),
    h("overload: slow and failing", "first_token", slow ? 10.2 : 0, 11.91, slow ? { since } : {}),
    h("97 % of calls fail", "availability", dead ? 31.4 : 0, 10.54, dead ? { since, effect: 1, effect_low: 0.9, effect_high: 1 } : {}),
    h("30 % of calls fail", "availability", dead ? 28 : 0, 11.58),
    h("3 % of calls fail", "availability", dead ? 18 : 0.4, 9.29),
    h("answers ×1.2 longer", "output_tokens", 0, 12.09),
    h("5 % of answers insane", "sanity", 0, 9.47),
  ];
}

function series(w, t, q) {
  const from = Date.parse(q.get("from"));
  const to = Date.parse(q.get("to"));
  const steps = [10, 15, 30, 60, 300, 900, 3600, 21600].map((s) => s * 1000);
  const step = steps.find((s) => (to - from) / s <= Number(q.get("points"))) ?? steps.at(-1);
  const signal = q.get("signal") ?? "first_token";
  const u = usual(t).find((u) => u.signal === signal);
  const points = [];
  const sick = { degraded: 1, failing: 2, down: 3 }[t.state] ?? 0;
  if (t.state !== "unknown") {
    for (let at = Math.ceil(from / step) * step; at < to; at += step) {
      const r = rng(Math.floor(at / 1000) + signal.length);
      const ill = sick && at > Date.now() - onset;
      const slow = ill && sick === 1 ? (signal === "first_token" ? 3.1 : signal === "inter_token" ? 1.4 : 1) : 1;
      const m = u.median * slow * (0.88 + 0.24 * r());
      const n = Math.max(1, Math.round(step / 30000));
      const bad = ill && sick === 3 ? n : r() > 0.985 ? 1 : 0;
      const p = { at: iso(at), count: n, counts: { ok: n - bad }, cost_usd: 0.0001 * n, errors: rate(bad, n) };
      if (bad < n) Object.assign(p, { p50: m, p95: m * (1.3 + 0.5 * r()), p99: m * (1.7 + r()), sanity_ratio: ill && sick === 2 ? 0.55 + 0.2 * r() : 1 });
      if (bad < n) p.checks = { contains: { passed: n, failed: 0 }, max_tokens: { passed: ill && sick === 2 ? 0 : n, failed: ill && sick === 2 ? n : 0 } };
      points.push(p);
    }
  }
  const fell = Date.now() - onset + 60_000;
  return {
    target: t.id, signal, from: iso(from), to: iso(to), step_seconds: step / 1000, usual: u, points,
    simulated_until: w.simulated ? iso(Date.now() - 30 * 60_000) : undefined,
    steps: [
      { at: iso(from), weight: 1, state: t.state === "unknown" ? "unknown" : "healthy", score: 98 },
      ...(sick && fell > from ? [{ at: iso(fell), weight: 0.7, state: t.state, score: 70 }, { at: iso(fell + 90_000), weight: t.weight, state: t.state, score: t.score }] : []),
    ],
    changes: sick && fell > from ? [{ at: iso(fell), target: t.id, from: "healthy", to: t.state, score: 70, weight: 0.7, reasons: t.reasons }] : [],
  };
}

function rate(bad, total) {
  const z = 1.96;
  const p = bad / total;
  const mid = (p + (z * z) / (2 * total)) / (1 + (z * z) / total);
  const half = (z / (1 + (z * z) / total)) * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
  return { ratio: p, low: Math.max(0, mid - half), high: Math.min(1, mid + half), bad, total };
}

function observations(w, t) {
  if (!t || t.state === "unknown") return [];
  const said = ["Paris", "The capital is Paris.", "Paris."];
  return Array.from({ length: 30 }, (_, i) => {
    const r = rng(i + 5);
    const dead = t.state === "down" && i < 12;
    const insane = (t.state === "failing" && i % 3 === 0) || (w.hostile && i < hostile.length);
    const reused = i % 6 !== 2;
    const first = t.median * (t.state === "degraded" && i < 20 ? 3.1 : 1) * (0.85 + 0.4 * r());
    const cold = reused ? {} : { dns_seconds: 0.004, connect_seconds: 0.021, tls_seconds: 0.043 };
    return {
      id: `o${i}`, at: iso(Date.now() - 4000 - i * (t.state === "healthy" ? 30_000 : 5_000)), source: "probe", trigger: t.state === "healthy" ? "schedule" : "suspicion",
      vantage: "us-east", target: t.id, canary: "capital", outcome: dead ? "server_error" : insane ? "bad_output" : "ok", status: dead ? 503 : 200,
      late_seconds: 0.0004, self_lag_seconds: 0.0001, reused, ...(i === 3 ? { doubtful: "gc" } : {}),
      timing: dead ? { ...cold, first_byte_seconds: 0.09, total_seconds: 0.1 } : { ...cold, first_byte_seconds: first * 0.8, first_token_seconds: first, inter_token_seconds: 0.012, total_seconds: first + 0.1 + 0.1 * r() },
      ...(dead ? { error: "503 Service Unavailable: upstream connect error" } : {
        tokens: { input: 21, output: insane ? 84 : 8, cached: 0, reasoning: 0, estimated: i % 9 === 4 }, cost_usd: 0.00013,
        checks: [{ name: "contains", ok: !insane, ...(insane ? { detail: 'does not contain "Paris"' } : {}) }, { name: "max_tokens", ok: !insane }],
        finish: "stop", excerpt: w.hostile && i < hostile.length ? hostile[i] : insane ? "As a seasoned traveller I would first like to reflect on what a capital truly is, and whether" : said[i % 3],
      }),
    };
  });
}
