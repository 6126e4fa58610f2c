// Probes: the canaries with what they cost, the last result of each at every
// target, the condition of the probers, and the agents that probe from elsewhere.

import { useState } from "preact/hooks";
import { type Agent, type Canary, type ProbeResult, get, may, send, time } from "./api";
import { count, seconds, span, usd, words } from "./format";
import { useEvery, useLoad } from "./load";
import { Age, TargetLink, When } from "./parts";
import { targetPath } from "./path";
import { Vantages } from "./prober";
import { useWorld } from "./world";

export function Canaries() {
  const [canaries, canariesAgain] = useLoad("canaries", () => get<{ canaries: Canary[] }>("/v1/canaries"));
  const [results, resultsAgain] = useLoad("results", () => get<{ results: ProbeResult[] }>("/v1/probes"));
  useEvery(60_000, canariesAgain);
  useEvery(5_000, resultsAgain);
  const all = canaries.data?.canaries;
  return (
    <div class="page">
      <h1>
        Probes{" "}
        {all && all.length > 0 && (
          <span class="aside num">
            {count(sum(all, (c) => c.probes_per_day))} a day, about {usd(sum(all, (c) => c.cost_per_day_usd))}
          </span>
        )}
      </h1>
      {canaries.error && <p class="banner warn">Canaries could not be fetched ({canaries.error}).</p>}
      {results.error && <p class="banner warn">Results could not be fetched ({results.error}). What is shown is what came last.</p>}
      {!all && !canaries.error && <div class="ghost charts" />}
      {all?.length === 0 && (
        <p class="quiet">
          No canaries are configured. One entry under <code>canaries</code> in the config makes one: a name, a prompt, a schedule, and what a good answer is.
        </p>
      )}
      {all && all.length > 0 && (
        <>
          <List canaries={all} ran={resultsAgain} />
          <Grid canaries={all} results={results.data?.results ?? []} />
        </>
      )}
      <Vantages />
      <Agents />
    </div>
  );
}

const sum = <T,>(all: T[], of: (v: T) => number | undefined) => all.reduce((n, v) => n + (of(v) ?? 0), 0);

function List({ canaries, ran }: { canaries: Canary[]; ran: () => void }) {
  const allowed = useWorld((w) => !w.session || may(w.session, "operate"));
  return (
    <section aria-labelledby="canaries-title">
      <h2 id="canaries-title">Canaries</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of canaries, scrolls sideways">
        <table class="list wide canaries">
          <thead>
            <tr>
              <th scope="col">canary</th>
              <th scope="col">asks</th>
              <th scope="col">wants</th>
              <th scope="col">schedule</th>
              <th scope="col">a day</th>
              <th scope="col">cost a day</th>
              {allowed && <th scope="col">now</th>}
            </tr>
          </thead>
          <tbody>
            {canaries.map((c) => (
              <tr key={c.name}>
                <th scope="row">{c.name}</th>
                <td class="prompt">{c.prompt}</td>
                <td>{c.checks?.length ? c.checks.join(", ") : <span class="quiet">any proper answer</span>}</td>
                <td>{c.schedule}</td>
                <td class="num">{count(c.probes_per_day)}</td>
                <td class="num">{usd(c.cost_per_day_usd)}</td>
                {allowed && (
                  <td>
                    <Run canary={c.name} ran={ran} />
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Run sends one canary to all of its targets from the server, once. */
function Run({ canary, ran }: { canary: string; ran: () => void }) {
  const [state, set] = useState<{ busy: boolean; said?: string; wrong?: boolean }>({ busy: false });
  const run = async () => {
    set({ busy: true });
    try {
      await send("POST", "/v1/probes", { canaries: [canary] }, 300_000);
      set({ busy: false, said: "done" });
    } catch (err) {
      set({ busy: false, said: err instanceof Error ? err.message : String(err), wrong: true });
    }
    ran();
  };
  const text = state.busy ? "Running" : "Run now";
  return (
    <span class="acts">
      <button type="button" disabled={state.busy} onClick={run} aria-label={`${text}: ${canary}`}>
        {text}
      </button>
      <span role="status" class={state.wrong ? "wrong" : "quiet"}>
        {state.said}
      </span>
    </span>
  );
}

/** Grid is one mark for each vantage's last result, targets down, canaries across. */
function Grid({ canaries, results }: { canaries: Canary[]; results: ProbeResult[] }) {
  const targets = useWorld((w) => w.targets);
  const at = gridOf(results);
  return (
    <section aria-labelledby="grid-title">
      <h2 id="grid-title">
        Last results <span class="aside">one mark for each vantage</span>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of last results, scrolls sideways">
        <table class="list results">
          <thead>
            <tr>
              <th scope="col">target</th>
              {canaries.map((c) => (
                <th key={c.name} scope="col">
                  {c.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {targets?.map((t) => (
              <tr key={t.id}>
                <th scope="row">
                  <TargetLink id={t.id} />
                </th>
                {canaries.map((c) => (
                  <td key={c.name}>{c.targets?.includes(t.id) === false ? <span class="quiet">not sent</span> : <Last of={at.get(`${t.id}\n${c.name}`)} target={t.id} />}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** gridOf groups results by target and canary. */
export function gridOf(results: ProbeResult[]): Map<string, ProbeResult[]> {
  const at = new Map<string, ProbeResult[]>();
  for (const r of results) {
    const key = `${r.target}\n${r.canary}`;
    const there = at.get(key);
    if (there) there.push(r);
    else at.set(key, [r]);
  }
  return at;
}

function Last({ of, target }: { of?: ProbeResult[]; target: string }) {
  if (!of) return <span class="quiet">none yet</span>;
  const newest = of.reduce((a, b) => (time(b.at) > time(a.at) ? b : a));
  const bad = of.filter((r) => r.outcome !== "ok");
  return (
    <a class="last" href={targetPath(target)}>
      {of.map((r) => (
        <span key={r.vantage} class={`outcome ${r.outcome === "ok" ? "good" : "bad"}`} title={`from ${r.vantage}: ${words(r.outcome)}`}>
          <span aria-hidden="true">{r.outcome === "ok" ? "✓" : "✕"}</span>
        </span>
      ))}{" "}
      {bad.length > 0 ? bad.map((r) => (of.length > 1 ? `${words(r.outcome)} from ${r.vantage}` : words(r.outcome))).join(", ") : seconds(newest.first_token_seconds || newest.total_seconds)}
      <span class="sub">
        <Age t={time(newest.at)} suffix=" ago" />
      </span>
    </a>
  );
}

function Agents() {
  const [got, again] = useLoad("agents", () => get<{ agents: Agent[] }>("/v1/agents"));
  useEvery(5_000, again);
  const all = got.data?.agents;
  return (
    <section aria-labelledby="agents-title">
      <h2 id="agents-title">Agents</h2>
      {got.error && <p class="banner warn">Agents could not be fetched ({got.error}).</p>}
      {all?.length === 0 && (
        <p class="quiet">
          None has been heard of. <code>bellwether agent</code> on a host elsewhere probes the same targets from there, so that a fault of one place is told from one of the target.
        </p>
      )}
      {all && all.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of agents, scrolls sideways">
          <table class="list wide">
            <thead>
              <tr>
                <th scope="col">agent</th>
                <th scope="col">vantage</th>
                <th scope="col">version</th>
                <th scope="col">heard</th>
                <th scope="col">clock</th>
                <th scope="col">waits on its disk</th>
                <th scope="col">lost</th>
                <th scope="col">plan</th>
              </tr>
            </thead>
            <tbody>
              {all.map((a) => (
                <tr key={a.name}>
                  <th scope="row">{a.name}</th>
                  <td>
                    {a.vantage}
                    {!a.listed && <span class="sub">not under vantages in the config</span>}
                  </td>
                  <td>{a.version}</td>
                  <td class={a.away ? "wrong" : undefined}>
                    {a.away ? (
                      <>
                        away since <When t={time(a.last_seen)} />
                      </>
                    ) : (
                      <Age t={time(a.last_seen)} suffix=" ago" />
                    )}
                  </td>
                  <td>{clock(a)}</td>
                  <td class="num">{a.spooled === 0 ? "nothing" : count(a.spooled)}</td>
                  <td class="num">{count(a.dropped + a.damaged + a.lost + a.refused)}</td>
                  <td>
                    {a.plan.source === "file" ? "its own file" : a.plan.source === "none" ? "none yet" : a.behind ? "behind" : "up to date"}
                    {a.troubles.map((t) => (
                      <span key={t} class="sub wrong">
                        {t}
                      </span>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** clock says how far an agent's clock is off. */
export function clock(a: Agent): string {
  const off = a.clock_offset_seconds;
  if (off === undefined) return "not known yet";
  const by = Math.abs(off) < 60 ? seconds(Math.abs(off)) : span(Math.abs(off));
  if (a.clock === "corrected") return `${by} ${off > 0 ? "ahead" : "behind"}, corrected`;
  return Math.abs(off) < 0.05 ? "right" : `${by} ${off > 0 ? "ahead" : "behind"}`;
}
