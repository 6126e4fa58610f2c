// What the API says, as types, and how to ask it. Unknown fields and unknown
// enum values are tolerated: a newer server must not break an older page.

export type State = "unknown" | "healthy" | "recovering" | "degraded" | "failing" | "down";

export interface Reason {
  signal: string;
  code?: string;
  text: string;
  evidence: number; // nats
}

export interface Evidence {
  hypothesis: string;
  signal: string;
  nats: number;
  threshold_nats: number;
  since?: string;
  effect?: number;
  effect_low?: number;
  effect_high?: number;
}

/** Usual is what a signal is like when all is well; a rate stands in median. */
export interface Usual {
  signal: string;
  p05: number;
  median: number;
  p95: number;
  samples: number;
}

export interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
  count: number;
}

/** Rate is a share of bad results with its 95 % interval. */
export interface Rate {
  ratio: number;
  low: number;
  high: number;
  bad: number;
  total: number;
}

/** Sparkline is the last hour in equal steps, oldest first; null where nothing was seen. */
export interface Sparkline {
  from: string;
  step_seconds: number;
  first_token_p50_seconds: (number | null)[];
  error_ratio: (number | null)[];
}

export interface Target {
  id: string;
  provider: string;
  model: string;
  region: string;
  labels?: Record<string, string>;
  price?: { input: number; output: number }; // USD per million tokens
  state: State;
  suspected: boolean;
  cause?: string;
  score: number; // 0 to 100
  weight: number; // 0 to 1
  since?: string;
  last_seen?: string;
  reasons: Reason[] | null;
  routes: string[];
  first_token?: Percentiles; // of the last hour
  errors?: Rate; // likewise
  sparkline?: Sparkline;
  usual?: Usual[];
  notes?: Note[]; // newest first
}

/** Note is worth knowing of a target, and no outage: another model answers, an end was announced. */
export interface Note {
  at: string;
  kind: string;
  text: string;
}

export interface TargetDetail extends Target {
  evidence: Evidence[];
  usual: Usual[];
  overrides: Override[];
}

export interface Override {
  id: string;
  target: string;
  weight: number; // 0 drains
  reason: string;
  by: string;
  expires_at: string;
}

export interface TargetWeight {
  target: string;
  tier: number;
  weight: number;
  share: number;
  base_weight: number;
  preference?: number; // scales the share within the tier; none means 1
  would_share?: number; // the share if all of the traffic followed
  state: State;
  cause?: string;
  score: number;
  reasons: Reason[] | null;
}

export type Mode = "normal" | "panic" | "override" | "frozen";

export interface Weights {
  epoch: string;
  revision: number;
  issued_at: string;
  routes: Record<string, RouteWeights>;
}

export interface RouteWeights {
  mode: Mode;
  rollout?: number; // the part of the traffic that follows, where it is not all
  targets: TargetWeight[];
}

export interface Route {
  name: string;
  tiers: { target: string; base_weight: number }[][];
  standby_share: number;
  overprovision: number;
  prefer?: { latency?: number; cost?: number; locality?: number; task?: number };
  task?: string;
  shift_when?: Record<string, number>; // seconds, by signal
  now?: RouteWeights;
  hour_ago?: RouteWeights;
}

/** Router is one that follows, with the revision it has in force. */
export interface Router {
  name: string;
  region?: string;
  split?: RouteSplit[];
  revision: number;
  at: string;
  connected: boolean;
  behind: number;
}

/** RouteSplit is what a router sends where, the older the less it counts. */
export interface RouteSplit {
  route: string;
  requests: number;
  targets: { target: string; requests: number; applied_share: number; published_share: number; difference: number }[];
}

/** Failover is a run of requests that a router moved. */
export interface Failover {
  at: string;
  router: string;
  route: string;
  from: string;
  to: string; // "" when nothing could serve
  why: string;
  count: number;
  served: number;
}

export interface Failovers {
  failovers: Failover[];
  since: string;
  total: { moved: number; served: number };
  pairs: { route: string; from: string; to: string; moved: number; served: number; why: Record<string, number> }[];
}

/** SignalSeen is a number that users measure themselves. */
export interface SignalSeen {
  signal: string;
  vantage: string;
  value: number;
  at: string;
  recent?: { at: string; value: number }[]; // oldest first
}

/** FeedbackSeen is what callers said of a target's answers. */
export interface FeedbackSeen {
  target: string;
  bad?: Rate; // of the last day; a score counts in part
  last: { at: string; score: number; route?: string; comment?: string }[]; // newest first
}

export interface Change {
  at: string;
  target: string;
  from: State;
  to: State;
  cause?: string;
  score: number;
  weight: number;
  since?: string;
  reasons: Reason[] | null;
}

export interface IncidentEvent {
  at: string;
  kind: string;
  target?: string;
  state?: State;
  text: string;
  by?: string;
}

export interface Incident {
  id: string;
  state: string; // open, resolved
  severity: State;
  cause?: string;
  targets: string[] | null;
  title: string;
  first_evidence_at: string;
  opened_at: string;
  resolved_at?: string;
  acknowledged_by?: string;
  acknowledged_at?: string;
  timeline: IncidentEvent[] | null;
}

/** Timing: seconds; all but the connection's phases count from the start. */
export interface Timing {
  dns_seconds?: number;
  connect_seconds?: number;
  tls_seconds?: number;
  first_byte_seconds?: number;
  first_token_seconds?: number;
  inter_token_seconds?: number;
  total_seconds?: number;
}

export interface Observation {
  id: string;
  at: string;
  source: string;
  trigger?: string;
  vantage: string;
  target: string;
  canary?: string;
  outcome?: string;
  status?: number;
  reused: boolean;
  timing?: Timing;
  tokens?: { input: number; output: number; estimated: boolean };
  cost_usd?: number;
  checks?: { name: string; ok: boolean; detail?: string }[];
  finish?: string;
  excerpt?: string;
  error?: string;
  doubtful?: string; // what our own host may have spoiled
}

export interface Canary {
  name: string;
  schedule: string;
  prompt: string;
  checks: string[] | null; // as configured: "contains: Paris"
  targets?: string[];
  probes_per_day?: number; // from all vantages
  cost_per_day_usd?: number;
}

/** ProbeResult is the last probe of a canary to a target from a vantage. */
export interface ProbeResult {
  target: string;
  canary: string;
  vantage: string;
  at: string;
  outcome: string;
  first_token_seconds?: number;
  total_seconds?: number;
}

/** Budget bounds a day of suspicion; what is left out has no limit. */
export interface Budget {
  probes?: number;
  tokens?: number;
  usd?: number;
}

export interface Spent {
  probes: number;
  tokens: number;
  usd: number;
  unprobed: number; // left out because a budget was spent
}

/** Probing is what one vantage's scheduler does. */
export interface Probing {
  vantage: string;
  agent?: string; // none: the server itself
  missed: number;
  in_flight: number;
  waiting: number;
  max_in_flight?: number;
  providers?: { provider: string; in_flight: number; max_in_flight: number }[];
  missed_by_reason?: Record<string, number>;
  lookups?: Record<string, number>; // requests that are no probes, and how many of each failed
  health?: ProberHealth;
  total_budget: Budget;
  target_budget?: Budget;
  suspicion_today: Spent;
  targets: { target: string; suspicion_interval_seconds?: number; suspicion_today: Spent }[];
}

/** Delays are percentiles of a wait within the last minute. */
export interface Delays {
  p50_seconds: number;
  p99_seconds: number;
  max_seconds: number;
}

/** ProberHealth is what a vantage's prober knows of its own condition. */
export interface ProberHealth {
  unwell: string[]; // controls, dns, fds, clock, pause
  controls: { control: string; ok: boolean; seconds: number; error?: string; failures: number; at?: string }[];
  controls_disbelieved?: boolean;
  clock_step_seconds?: number;
  clock_stepped_at?: string;
  lag_seconds: number;
  scheduling?: Delays; // how long its goroutines waited for a processor
  gc_pauses?: Delays;
  long_gc_pauses: number;
  files: number;
  max_files: number;
  doubted: number;
}

/** Agent probes from elsewhere. */
export interface Agent {
  name: string;
  vantage: string;
  version: string;
  last_seen: string;
  away: boolean;
  listed: boolean; // its vantage stands in the server's config
  clock: string; // unknown, ok, corrected
  clock_offset_seconds?: number;
  spooled: number;
  dropped: number;
  damaged: number;
  lost: number;
  refused: number;
  plan: { source: string; revision?: number };
  behind: boolean;
  troubles: string[];
}

/** Series is one target over time; a step without data is left out. */
export interface Series {
  from: string;
  to: string;
  step_seconds: number;
  simulated_until?: string;
  truncated?: boolean;
  usual?: Usual;
  points: Point[];
  steps: { at: string; weight: number; state: State; score: number }[];
  changes: Change[];
}

/** Point is one step; p50 to p99 are of the signal that was asked for. */
export interface Point {
  at: string;
  p50?: number;
  p95?: number;
  p99?: number;
  counts: Record<string, number>; // by outcome
  errors?: Rate;
  checks?: Record<string, { passed: number; failed: number }>;
}

/** Attainment is how one objective stands; null where there is no data. */
export interface Attainment {
  slo: string;
  scope: string;
  indicator: string;
  window_start: string;
  window_end: string;
  objective_ratio: number | null;
  sli_ratio: number | null;
  budget_remaining_ratio: number | null; // below 0 when overspent
  burn_rate_1h: number | null;
  burn_rate_6h: number | null;
  burn_rate_3d: number | null;
  data_completeness_ratio?: number | null;
  good: number;
  bad: number;
  status: string; // met, at_risk, missed, no_data
}

/** Session is who the server takes this page's reader for. */
export interface Session {
  open: boolean; // the server asks nobody who they are
  authenticated: boolean;
  name?: string; // of the token
  scopes: string[] | null;
}

/** may reports whether a session has a scope. */
export const may = (s: Session, scope: "read" | "operate") => s.open || (s.authenticated && !!s.scopes?.includes(scope));

/** ApiError is an answer that is not what was asked for. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Params = Record<string, string | number | undefined>;

/** get asks for one resource. It throws ApiError, or what fetch throws when nobody answers. */
export async function get<T>(path: string, params: Params = {}): Promise<T> {
  const query = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) if (v !== undefined) query.set(k, String(v));
  const q = query.toString();
  const res = await fetch(q ? `${path}?${q}` : path, {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(15_000),
  });
  if (!res.ok) throw new ApiError(res.status, await problem(res));
  return (await res.json()) as T;
}

/** send writes. The session's cookie is the credential; it is SameSite=Strict. */
export async function send(method: "POST" | "DELETE", path: string, body?: unknown, patience?: number): Promise<void> {
  await sent(method, path, body, patience);
}

async function sent(method: "POST" | "DELETE", path: string, body: unknown, patience = 15_000): Promise<Response> {
  const res = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  });
  if (!res.ok) throw new ApiError(res.status, await problem(res));
  return res;
}

/**
 * signIn trades a token for a session cookie. One that may not read is of no
 * use here: it is given back at once, or it would lock the page for hours.
 */
export async function signIn(token: string): Promise<void> {
  const s = (await (await sent("POST", "/v1/session", { token })).json()) as Session;
  if (may(s, "read")) return;
  await signOut();
  throw new ApiError(403, noReading(s));
}

/** signOut ends the session. */
export const signOut = () => send("DELETE", "/v1/session");

/** noReading says why a session shows nothing. */
export function noReading(s: Session): string {
  const scopes = s.scopes ?? [];
  const has = scopes.length === 0 ? "no scope" : `scope ${scopes.join(" and ")} only`;
  return `token ${s.name ? `“${s.name}” ` : ""}has ${has}; to look, scope read is needed`;
}

/** problem reads an RFC 9457 document, or says what there is to say without one. */
async function problem(res: Response): Promise<string> {
  try {
    const doc = (await res.json()) as { title?: string; detail?: string };
    const text = doc.detail || doc.title;
    if (text) return text;
  } catch {
    // not JSON: the status has to do
  }
  return `the server answered ${res.status}`;
}

const states: ReadonlySet<string> = new Set<State>(["unknown", "healthy", "recovering", "degraded", "failing", "down"]);

/** known maps states that this page has never heard of to unknown. */
export function known(s: string | undefined): State {
  return s !== undefined && states.has(s) ? (s as State) : "unknown";
}

/** severity orders states as the server does: 0 well, 3 down. */
export function severity(s: State): number {
  return s === "degraded" ? 1 : s === "failing" ? 2 : s === "down" ? 3 : 0;
}

/** time reads a wire time as milliseconds; NaN for none, and for Go's year 1. */
export function time(s: string | undefined): number {
  if (!s || s.startsWith("0001-")) return NaN;
  return Date.parse(s);
}
