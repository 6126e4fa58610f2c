// Why: the evidence for each hypothesis against the threshold at which it
// becomes a verdict, in words and as bars.

import { type Evidence, type Target, type TargetDetail, time } from "./api";
import { count, nats, percent, seconds, trim, words } from "./format";
import { Age } from "./parts";
import { dateless } from "./sentence";

export function WhyPanel({ target, detail }: { target?: Target; detail?: TargetDetail }) {
  const evidence = [...(detail?.evidence ?? [])].sort((a, b) => b.nats / b.threshold_nats - a.nats / a.threshold_nats);
  const speaking = evidence.filter((e) => e.nats > 0.05);
  const silent = evidence.filter((e) => e.nats <= 0.05);
  return (
    <aside class="why" aria-labelledby="why-title">
      <h2 id="why-title">Why</h2>
      <Reasons target={target} />
      {detail && evidence.length === 0 && <p class="quiet">Nothing is tested yet: evidence begins once the first answers have shown what is usual.</p>}
      {speaking.length > 0 && <p class="quiet small">Evidence against what is usual. A bar that reaches the line becomes a verdict.</p>}
      <ul class="plain evidence-list">
        {speaking.map((e) => (
          <Hypothesis key={e.hypothesis} e={e} />
        ))}
      </ul>
      {silent.length > 0 && (
        <p class="quiet small">
          Nothing speaks for {silent.map((e) => typeset(e.hypothesis)).join("; ")}.
        </p>
      )}
      <UsualTable detail={detail} />
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
          {dateless(r.text) || words(r.signal)} <span class="quiet num">({nats(r.evidence)})</span>
        </li>
      ))}
    </ul>
  );
}

function Hypothesis({ e }: { e: Evidence }) {
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
        {over ? "over the threshold" : ratio > 0.5 ? "building" : "weak"}
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
  return rate ? `${one(e.effect)} of calls${interval}` : `${one(e.effect)} its usual${interval}`;
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
          <tr key={u.signal} title={`from ${count(u.samples)} answers`}>
            <th scope="row">{words(u.signal)}</th>
            <td class="num">{amount(u.signal, u.median)}</td>
            <td class="num">{u.p95 > 0 ? `${amount(u.signal, u.p05)} – ${amount(u.signal, u.p95)}` : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** amount prints a value of a signal in the signal's unit. */
export function amount(signal: string, v: number): string {
  switch (signal) {
    case "first_token":
    case "inter_token":
    case "total":
      return seconds(v);
    case "output_tokens":
      return `${count(v)} tokens`;
    case "availability":
    case "quota":
    case "sanity":
    case "feedback":
      return percent(v);
  }
  return trim(v, 3);
}
