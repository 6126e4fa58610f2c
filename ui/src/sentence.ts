// The one sentence on top: what is wrong, how one knows, what was done about
// it, since when. Pure; a list of parts so that the page can link and date them.

import { type Target, known, time } from "./api";
import { share, weight } from "./format";
import { type RouteView, tally, worst } from "./model";
import { gravity, refusal } from "./trouble";

export type Part = string | { target: string } | { route: string } | { since: number };

export interface Sentence {
  tone: "calm" | "watch" | "bad";
  parts: Part[];
}

export function sentence(targets: Target[], routes: RouteView[]): Sentence {
  const mode = routes.find((r) => r.mode === "panic" || r.mode === "frozen");
  const tail: Part[] = mode ? [" ", ...modeWords(mode)] : [];
  const sick = worst(targets).filter((t) => gravity(t) > 0);
  const first = sick[0];
  if (first) return { tone: "bad", parts: [...sickWords(first, sick, routes), ...tail] };
  const calm = wellWords(targets);
  return mode ? { tone: "bad", parts: [...calm.parts, ...tail] } : calm;
}

function sickWords(first: Target, sick: Target[], routes: RouteView[]): Part[] {
  const refused = refusal(first);
  const parts: Part[] = [{ target: first.id }, stateWords(first)];
  const why = refused ? undefined : first.reasons?.[0]?.text;
  if (why) parts.push(`: ${brief(why)}`);
  if (!refused && first.cause && first.cause !== "target") parts.push(`${why ? ", most likely " : ": most likely "}${causeWords(first.cause, first)}`);
  const to = moved(first.id, routes);
  if (to) parts.push("; ", ...to);
  const since = time(first.since);
  if (!Number.isNaN(since)) parts.push("; since ", { since });
  parts.push(".");
  if (sick.length > 1) parts.push(` ${others(sick.slice(1))}`);
  return parts;
}

/** stateWords is what is said of a sick target after its name. */
function stateWords(t: Target): string {
  const refused = refusal(t);
  return refused ? ` has no verdict: ${refused}, weight ${weight(t.weight)}` : ` is ${known(t.state)}`;
}

/** others names one more sick target, and counts many. */
function others(rest: Target[]): string {
  const one = rest[0];
  if (rest.length === 1 && one) return `${one.id}${stateWords(one)}${refusal(one) ? "" : " too"}.`;
  const n = tally(rest);
  const kinds = (["down", "failing", "degraded"] as const).filter((s) => n[s] > 0).map((s) => `${n[s]} ${s}`);
  if (n.unknown > 0) kinds.push(`${n.unknown} where we are refused`);
  return `${rest.length} more are not well: ${list(kinds)}.`;
}

function wellWords(targets: Target[]): Sentence {
  const n = tally(targets);
  const all = targets.length;
  if (all === 0) return { tone: "watch", parts: ["No targets are configured yet."] };
  if (n.unknown === all) return { tone: "watch", parts: [`Listening: no verdict on ${all === 1 ? "the one target" : `any of ${all} targets`} yet.`] };
  const parts: Part[] = [];
  const well = all - n.unknown - n.recovering;
  if (well === all) parts.push(all === 1 ? "The one target is healthy" : `All ${all} targets are healthy`);
  else parts.push(`${well} of ${all} targets ${well === 1 ? "is" : "are"} healthy`);
  name(parts, targets.filter((t) => known(t.state) === "recovering"), "recovering");
  name(parts, targets.filter((t) => known(t.state) === "unknown"), "unknown");
  const suspected = targets.filter((t) => t.suspected);
  const one = suspected[0];
  if (one) parts.push("; looking harder at ", { target: one.id });
  if (suspected.length > 1) parts.push(` and ${suspected.length - 1} more`);
  parts.push(".");
  return { tone: well === all && !one ? "calm" : "watch", parts };
}

function name(parts: Part[], some: Target[], word: string): void {
  const one = some[0];
  if (!one) return;
  if (some.length === 1) parts.push(", ", { target: one.id }, ` is ${word}`);
  else parts.push(`, ${some.length} are ${word}`);
}

function modeWords(r: RouteView): Part[] {
  return r.mode === "panic"
    ? [{ route: r.name }, " has too little healthy capacity and is spread over all that still answers."]
    : ["Weights of ", { route: r.name }, " are frozen: our own vantage is in doubt."];
}

/** moved says how much of a target's traffic went where; nothing when it keeps its own. */
function moved(id: string, routes: RouteView[]): Part[] | undefined {
  let most = 0.02;
  let parts: Part[] | undefined;
  for (const r of routes) {
    const own = r.parts.find((p) => p.target === id);
    const lost = own ? own.well - own.share : 0;
    if (lost <= most) continue;
    most = lost;
    const gainers = r.parts.filter((p) => p.share - p.well > 0.01).sort((a, b) => b.share - b.well - (a.share - a.well));
    const [one, two] = gainers;
    if (one && !two) parts = [share(one.share), " of ", { route: r.name }, " now goes to ", { target: one.target }];
    else if (one && two) parts = [share(lost), " of ", { route: r.name }, " moved to ", { target: one.target }, gainers.length === 2 ? " and " : ", ", { target: two.target }, gainers.length > 2 ? " and others" : ""];
  }
  return parts;
}

/** causeWords says whose fault it is with the name that it has here. */
export function causeWords(cause: string, t: Pick<Target, "provider" | "model" | "region">): string {
  switch (cause) {
    case "target":
      return "this target alone";
    case "model":
      return `the model ${t.model} everywhere`;
    case "provider":
      return `${t.provider} as a whole`;
    case "region":
      return `${t.provider} in ${t.region || "this region"}`;
    case "vantage":
      return "our own network or host";
    case "account":
      return "our own key, quota or bill";
  }
  return cause;
}

/**
 * dateless takes the time out of a reason: the page says it itself, as local
 * time. Numbers stay with their units. brief also leaves out what confirms it.
 */
export const dateless = (s: string) =>
  s
    .replace(/,? since [^;,]* UTC/, "")
    .replace(/[.;\s]+$/, "")
    .replace(/(\d) (%|(?:ms|s|min|h|tokens)\b)/g, "$1\u00a0$2");
export const brief = (s: string) => dateless(s.split(";")[0] ?? s);

function list(items: string[]): string {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}
