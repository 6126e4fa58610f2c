// Why: the evidence for each hypothesis against the threshold at which it
// becomes a verdict, in words and as bars.

import { type Evidence, type Target, type TargetDetail, known, severity, time } from "./api";
import { nats, percent, plural, seconds, trim, weight, words } from "./format";
import { Age } from "./parts";
import { dateless } from "./sentence";

export function WhyPanel({ target, detail }: { target?: Target; detail?: TargetDetail }) {
  const evidence = [...(detail?.evidence ?? [])].sort((a, b) => b.nats / b.threshold_nats - a.nats / a.threshold_nats);
  const speaking = evidence.filter((e) => e.nats > 0.05);
  const silent = evidence.filter((e) => e.nats <= 0.05);
  return (
    <aside class="why" aria-labelledby="why-title">
      <div class="stay" tabIndex={0} role="group" aria-labelledby="why-title">
        <h2 id="why-title">Why</h2>
        <Reasons target={target} />
        <HeldBack target={target} evidence={evidence} />
        {detail && evidence.length === 0 && <p class="quiet">Nothing is tested yet: evidence begins once the first answers have shown what is usual.</p>}
        {speaking.length > 0 && <p class="quiet small">Evidence against what is usual. A bar at the line is evidence enough; for a verdict the difference needs a practical size as well.</p>}
        <ul class="plain evidence-list">
          {speaking.map((e) => (
            <Hypothesis key={e.hypothesis} e={e} told={tells(target, e)} />
          ))}
        </ul>
        {silent.length > 0 && (
          <p class="quiet small">
            Nothing speaks for {silent.map((e) => typeset(e.hypothesis)).join("; ")}.
          </p>
        )}
        <UsualTable detail={detail} />
      </div>
    </aside>
  );
}

function Reasons({ target }: { target?: Target }) {
  const reasons = target?.reasons ?? [];
  if (reasons.length === 0) return null;
  return (
    <ul class="plain reasons">
      {reasons.map((r) => (
        <li key={r.signal + r.text}>
          {dateless(r.text) || words(r.signal)} {nats(r.evidence) && <span class="quiet num">({nats(r.evidence)})</span>}
        </li>
      ))}
    </ul>
  );
}

function HeldBack({ target, evidence }: { target?: Target; evidence: Evidence[] }) {
  const why = target && heldBack(target, evidence);
  return why ? <p class="reasons">{upper(why)}.</p> : null;
}

/**
 * heldBack says why a target has less than its full weight though nothing is
 * said against it; "" where it has it all, or where a reason says why.
 */
export function heldBack(t: Pick<Target, "state" | "weight" | "reasons">, evidence: Evidence[]): string {
  if (!(t.weight < 0.995) || (t.reasons?.length ?? 0) > 0 || severity(known(t.state)) > 0) return "";
  const best = [...evidence].sort((a, b) => b.nats / b.threshold_nats - a.nats / a.threshold_nats)[0];
  if (!best || best.nats <= 0.05) return `weight ${weight(t.weight)}: no evidence holds it back now; it rises as good answers come`;
  const how = best.nats >= best.threshold_nats ? "by evidence of a difference too small for a verdict" : "by weak evidence";
  return `weight ${weight(t.weight)}, held back ${how}: ${typeset(best.hypothesis)} (${trim(best.nats, 1)} of ${nats(best.threshold_nats)})`;
}

const upper = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

/** tells reports whether what e is about is among the reasons for a verdict. */
const tells = (t: Target | undefined, e: Evidence) => !!t && severity(known(t.state)) > 0 && !!t.reasons?.some((r) => r.signal === e.signal);

function Hypothesis({ e, told }: { e: Evidence; told: boolean }) {
  const ratio = e.threshold_nats > 0 ? e.nats / e.threshold_nats : 0;
  const over = ratio >= 1;
  // The threshold stands at two thirds, so that what is far above it still shows.
  const filled = Math.min(1, (ratio * 2) / 3);
  const since = time(e.since);
  return (
    <li class={over ? "over" : undefined}>
      <div class="line">
        <span>{typeset(e.hypothesis)}</span>
        <span class="num">
          {trim(e.nats, 1)} <span class="quiet">of {nats(e.threshold_nats)}</span>
        </span>
      </div>
      <div class="gauge" role="img" aria-label={`${percent(ratio)} of the threshold`}>
        <div class="fill" style={{ width: `${filled * 100}%` }} />
        <div class="mark-line" />
      </div>
      <p class="quiet small">
        {over ? (told ? "over the threshold" : "over the threshold but no verdict: it needs a practical size as well") : ratio > 0.5 ? "building" : "weak"}
        {effect(e) && <>, {effect(e)}</>}
        {!Number.isNaN(since) && (
          <>
            , for <Age t={since} />
          </>
        )}
      </p>
    </li>
  );
}

/** typeset gives a hypothesis its signs: "x2" and "/1.2" as × and ÷. */
const typeset = (s: string) => s.replace(/\bx(?=[\d.])/, "×").replace(/\/(?=[\d.])/, "÷");

/** effect says how large the difference is, as a factor or a rate. */
function effect(e: Evidence): string {
  if (!e.effect) return "";
  const rate = ["availability", "sanity", "quota", "feedback"].includes(e.signal);
  const one = (v: number) => (rate ? percent(v) : `${trim(v, 2)}×`);
  const interval = e.effect_low && e.effect_high ? ` (${one(e.effect_low)} to ${one(e.effect_high)})` : "";
  const of = e.signal === "sanity" ? "answers" : "calls";
  return rate ? `${one(e.effect)} of ${of}${interval}` : `${one(e.effect)} its usual${interval}`;
}

function UsualTable({ detail }: { detail?: TargetDetail }) {
  if (!detail || detail.usual.length === 0) return null;
  return (
    <table class="usual">
      <caption>What is usual here</caption>
      <thead>
        <tr>
          <th scope="col">signal</th>
          <th scope="col">median</th>
          <th scope="col">5 to 95 %</th>
        </tr>
      </thead>
      <tbody>
        {detail.usual.map((u) => (
          <tr key={u.signal} title={`from ${plural(Math.round(u.samples), "answer")}`}>
            <th scope="row">{usualWords(u.signal)}</th>
            <td class="num">{amount(u.signal, u.median)}</td>
            <td class="num">{u.p95 > 0 ? `${amount(u.signal, u.p05)} – ${amount(u.signal, u.p95)}` : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** usualWords names a row of what is usual; those that are rates of failure by what fails. */
export function usualWords(signal: string): string {
  switch (signal) {
    case "availability":
      return "failed calls";
    case "sanity":
      return "wrong answers";
    case "quota":
      return "calls turned away (429)";
    case "feedback":
      return "bad feedback";
  }
  return words(signal);
}

/** amount prints a value of a signal in the signal's unit. */
export function amount(signal: string, v: number): string {
  switch (signal) {
    case "first_token":
    case "inter_token":
    case "total":
      return seconds(v);
    case "output_tokens":
      return plural(v, "token");
    case "availability":
    case "quota":
    case "sanity":
    case "feedback":
      return percent(v);
  }
  return trim(v, 3);
}
