// The latest probes as a table: outcome, where the time went, what the checks
// said, and the answer's beginning. What a model said is hostile: it is text
// here, and nothing else.

import { useState } from "preact/hooks";
import type { Canary, Observation, Timing } from "./api";
import { time } from "./api";
import { count, seconds, words } from "./format";
import { memo } from "./memo";
import { When } from "./parts";

export function Probes({ id, observations, canaries, error }: { id: string; observations?: Observation[]; canaries?: Canary[]; error?: string }) {
  const [all, showAll] = useState(false);
  const shown = all ? observations : observations?.slice(0, few);
  const longest = Math.max(0.001, ...(shown ?? []).map((o) => o.timing?.total_seconds ?? 0));
  return (
    <section class="probes" aria-labelledby="probes-title">
      <h2 id="probes-title">
        Recent probes{" "}
        <span class="aside phases" aria-hidden="true">
          <i class="dns" /> dns <i class="connect" /> connect <i class="tls" /> tls <i class="wait" /> wait <i class="decode" /> decode
        </span>
      </h2>
      {error && <p class="banner warn">Probes could not be fetched ({error}). What is shown is what came last.</p>}
      {observations?.length === 0 && (
        <p class="quiet">
          No probe has been sent yet. Canaries name the targets they are sent to, and their schedule; <code>bellwether probe {id}</code> sends one now.
        </p>
      )}
      {shown && shown.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of probes, scrolls sideways">
          <table>
            <thead>
              <tr>
                <th scope="col">time</th>
                <th scope="col">outcome</th>
                <th scope="col">first token</th>
                <th scope="col">total</th>
                <th scope="col" class="fall">
                  timing, 0 to {seconds(longest)}
                </th>
                <th scope="col">tokens</th>
                <th scope="col">checks</th>
                <th scope="col" class="said">
                  answer
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((o) => (
                <Probe key={o.id} o={o} longest={longest} canary={canaries?.find((c) => c.name === o.canary)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {observations && observations.length > few && (
        <button type="button" class="more" aria-expanded={all} onClick={() => showAll(!all)}>
          {all ? "Show fewer" : `Show all ${observations.length}`}
        </button>
      )}
    </section>
  );
}

const few = 12;

const Probe = memo(function Probe({ o, longest, canary }: { o: Observation; longest: number; canary?: Canary }) {
  const good = o.outcome === "ok";
  const failed = o.checks?.filter((c) => !c.ok) ?? [];
  return (
    <tr class={good ? undefined : "bad"}>
      <td>
        <When t={time(o.at)} withSeconds />
        <span class="sub">
          {o.canary ?? o.source}
          {o.trigger === "suspicion" && " · looking harder"}
          {o.source === "simulated" && " · simulated"}
          {o.doubtful && <Doubtful id={o.id} why={o.doubtful} />}
        </span>
      </td>
      <td>
        <span class={`outcome ${good ? "good" : "bad"}`}>
          <span aria-hidden="true">{good ? "✓" : "✕"}</span> {words(o.outcome ?? "summary")}
        </span>
        <span class="sub">
          {o.status ? `HTTP ${o.status} · ` : ""}
          <span title={o.reused ? "over a connection that was open already" : "over a fresh connection"}>{o.reused ? "warm" : "cold"}</span> · {o.vantage}
        </span>
      </td>
      <td class="num">{seconds(o.timing?.first_token_seconds || undefined)}</td>
      <td class="num">{seconds(o.timing?.total_seconds || undefined)}</td>
      <td class="fall">{o.timing && <Waterfall t={o.timing} longest={longest} />}</td>
      <td class="num">
        {o.tokens ? `${o.tokens.estimated ? "~" : ""}${count(o.tokens.output)}` : ""}
      </td>
      <td>
        <ul class="plain checks">
          {o.checks?.map((c) => (
            <li key={c.name} class={c.ok ? "good" : "bad"} title={c.detail}>
              <span aria-hidden="true">{c.ok ? "✓" : "✕"}</span>
              <span class="sr">{c.ok ? "passed" : "failed"}</span> {c.name}
            </li>
          ))}
        </ul>
      </td>
      <td class="said">
        {o.excerpt ? <Excerpt text={o.excerpt} canary={canary} failed={failed.length > 0} /> : <span class="quiet">{o.error ?? ""}</span>}
        {failed.map((c) => c.detail && <span key={c.name} class="sub wrong">{c.detail}</span>)}
      </td>
    </tr>
  );
});

/** Doubtful explains itself to whoever points at it or tabs to it. */
function Doubtful({ id, why }: { id: string; why: string }) {
  return (
    <>
      {" · "}
      <span class="hint" tabIndex={0} aria-describedby={`doubt-${id}`}>
        doubtful
        <span role="tooltip" id={`doubt-${id}`}>
          {doubt(why)}
        </span>
      </span>
    </>
  );
}

/** doubt says what our own host may have done to a probe. */
export function doubt(why: string): string {
  const what = why === "gc" ? "our own process paused to tidy its memory" : why === "lag" ? "our own host was busy and late" : `our own host may have spoiled this one (${words(why)})`;
  return `${what}: the outcome counts, the timings do not`;
}

export interface Phase {
  name: "dns" | "connect" | "tls" | "wait" | "decode";
  from: number; // seconds from the start
  length: number;
}

/** phases lays a call's time out in order. What is not known has no length. */
export function phases(t: Timing): Phase[] {
  const out: Phase[] = [];
  let at = 0;
  const add = (name: Phase["name"], length: number) => {
    if (length > 0) out.push({ name, from: at, length });
    at += Math.max(0, length);
  };
  add("dns", t.dns_seconds ?? 0);
  add("connect", t.connect_seconds ?? 0);
  add("tls", t.tls_seconds ?? 0);
  const first = t.first_token_seconds || t.first_byte_seconds || t.total_seconds || 0;
  add("wait", first - at);
  add("decode", (t.total_seconds ?? 0) - at);
  return out;
}

function Waterfall({ t, longest }: { t: Timing; longest: number }) {
  const all = phases(t);
  const label = all.map((p) => `${p.name} ${seconds(p.length)}`).join(", ");
  return (
    <svg class="waterfall" viewBox="0 0 200 12" preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      {all.map((p) => (
        <rect key={p.name} class={p.name} x={(p.from / longest) * 200} width={Math.max(0.8, (p.length / longest) * 200)} y="2" height="8" />
      ))}
    </svg>
  );
}

function Excerpt({ text, canary, failed }: { text: string; canary?: Canary; failed: boolean }) {
  const expected = expectations(canary?.checks ?? []);
  return (
    <>
      <q class="excerpt">{marked(text, expected).map((p, i) => (p.hit ? <mark key={i}>{p.text}</mark> : p.text))}</q>
      {failed && canary?.checks && <span class="sub">expected: {canary.checks.join(", ")}</span>}
    </>
  );
}

/** expectations are the literal texts that a canary's checks look for. */
export function expectations(checks: string[]): string[] {
  return checks.flatMap((c) => {
    const m = /^(?:contains|equals):\s*(.+)$/.exec(c);
    return m?.[1] ? [m[1].replace(/^"(.*)"$/, "$1")] : [];
  });
}

/** marked cuts text where an expectation is met. Joined again it is the text. */
export function marked(text: string, expected: string[]): { text: string; hit: boolean }[] {
  let parts = [{ text, hit: false }];
  for (const want of expected) {
    const needle = want.toLowerCase();
    if (needle === "") continue;
    parts = parts.flatMap((p) => {
      const at = p.hit ? -1 : p.text.toLowerCase().indexOf(needle);
      if (at < 0 || p.text.toLowerCase().length !== p.text.length) return [p];
      const end = at + needle.length;
      return [
        { text: p.text.slice(0, at), hit: false },
        { text: p.text.slice(at, end), hit: true },
        { text: p.text.slice(end), hit: false },
      ].filter((q) => q.text !== "");
    });
  }
  return parts;
}
