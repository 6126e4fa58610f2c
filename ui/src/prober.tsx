// The condition of the probers, vantage by vantage: whether they are well
// themselves, what they could not send, and what suspicion used of its budgets.

import { type Budget, type Delays, type Probing, type ProberHealth, type Spent, get, time } from "./api";
import { count, plural, seconds, span, usd, words } from "./format";
import { useEvery, useLoad } from "./load";
import { When } from "./parts";

export function Vantages() {
  const [got, again] = useLoad("probing", () => get<{ vantages: Probing[] }>("/v1/probing"));
  useEvery(5_000, again);
  const all = got.data?.vantages;
  return (
    <>
      <Condition all={all} />
      <Budgets all={all} error={got.error} />
    </>
  );
}

function Condition({ all }: { all?: Probing[] }) {
  const known = all?.filter((p) => p.health);
  if (!known || known.length === 0) return null;
  return (
    <section aria-labelledby="health-title">
      <h2 id="health-title">
        Probers <span class="aside">while one is unwell itself, its failures do not count against targets</span>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Table of probers, scrolls sideways">
        <table class="list wide">
          <thead>
            <tr>
              <th scope="col">vantage</th>
              <th scope="col">condition</th>
              <th scope="col">controls</th>
              <th scope="col">own delay</th>
              <th scope="col">clock</th>
              <th scope="col">in flight</th>
              <th scope="col">files open</th>
              <th scope="col">doubted</th>
              <th scope="col">not sent</th>
            </tr>
          </thead>
          <tbody>
            {known.map((p) => (
              <tr key={p.vantage + (p.agent ?? "")}>
                <th scope="row">
                  {p.vantage}
                  {p.agent && p.agent !== p.vantage && <span class="sub">{p.agent}</span>}
                </th>
                <td class={p.health!.unwell.length > 0 ? "wrong" : undefined}>{condition(p.health!)}</td>
                <td>
                  <Controls h={p.health!} />
                </td>
                <td class="num" title={`at worst within the last minute; ${plural(p.health!.long_gc_pauses, "garbage collection")} stopped everything for over 5 ms`}>
                  {seconds(p.health!.lag_seconds)}
                  {slow("processor", p.health!.scheduling)}
                  {slow("memory", p.health!.gc_pauses)}
                </td>
                <td>{clockOf(p.health!)}</td>
                <td class="num">
                  {p.max_in_flight ? `${count(p.in_flight)} of ${count(p.max_in_flight)}` : count(p.in_flight)}
                  {p.waiting > 0 && <span class="sub wrong">{plural(p.waiting, "probe")} due, without a slot</span>}
                  {full(p).map((name) => (
                    <span key={name} class="sub wrong">
                      {name} is full
                    </span>
                  ))}
                </td>
                <td class="num">{p.health!.max_files > 0 ? `${count(p.health!.files)} of ${count(p.health!.max_files)}` : "not known"}</td>
                <td class="num">{count(p.health!.doubted)}</td>
                <td>
                  <Missed p={p} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {known.map((p) => p.lookups && lookups(p.lookups) && (
        <p key={p.vantage} class="quiet small">
          Beside probes, {p.vantage} asked for {lookups(p.lookups)}.
        </p>
      ))}
    </section>
  );
}

/** lookups says what was asked for that is no probe: "120 model lists (2 failed)". */
export function lookups(all: Record<string, number>): string {
  return Object.entries(all)
    .filter(([name]) => !name.endsWith("_failed"))
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, n]) => {
      const failed = all[`${name}_failed`] ?? 0;
      return plural(n, words(name)) + (failed > 0 ? ` (${count(failed)} failed)` : "");
    })
    .join(" and ");
}

/** slow tells of a wait of the last minute that was long enough to matter. */
function slow(what: string, d: Delays | undefined) {
  return d && d.max_seconds >= 0.001 && (
    <span class="sub">
      {what} p99 {seconds(d.p99_seconds)}, at worst {seconds(d.max_seconds)}
    </span>
  );
}

/** full names the providers that can take no further probe now. */
export function full(p: Pick<Probing, "providers">): string[] {
  return (p.providers ?? []).filter((x) => x.max_in_flight > 0 && x.in_flight >= x.max_in_flight).map((x) => x.provider);
}

const ailments: Record<string, string> = {
  controls: "no control answers",
  dns: "no name can be resolved",
  fds: "hardly a file descriptor is left",
  clock: "the clock was set",
  pause: "our own process stood still",
};

/** condition says in words what a prober is unwell of. */
export function condition(h: ProberHealth): string {
  return h.unwell.length === 0 ? "well" : h.unwell.map((w) => ailments[w] ?? w).join(", ");
}

function Controls({ h }: { h: ProberHealth }) {
  if (h.controls.length === 0) return <span class="quiet">none</span>;
  const bad = h.controls.filter((c) => c.at && !c.ok);
  const good = h.controls.length - bad.length;
  return (
    <>
      {good > 0 && <span>{good === h.controls.length ? (good === 1 ? "answers" : `all ${good} answer`) : `${good} of ${h.controls.length} answer`}</span>}
      {bad.map((c) => (
        <span key={c.control} class="sub wrong">
          {c.control}: {c.error || "no answer"}
          {c.failures > 1 && `, ${c.failures} times in a row`}
        </span>
      ))}
      {h.controls_disbelieved && <span class="sub">not believed: targets answer while they do not</span>}
    </>
  );
}

function clockOf(h: ProberHealth) {
  if (!h.clock_stepped_at || !h.clock_step_seconds) return "steady";
  const by = Math.abs(h.clock_step_seconds);
  return (
    <>
      set {h.clock_step_seconds > 0 ? "forward" : "back"} by {by < 60 ? seconds(by) : span(by)}
      <span class="sub">
        <When t={time(h.clock_stepped_at)} />
      </span>
    </>
  );
}

function Missed({ p }: { p: Probing }) {
  const why = Object.entries(p.missed_by_reason ?? {}).sort((a, b) => b[1] - a[1]);
  return (
    <>
      <span class="num">{p.missed === 0 ? "none" : count(p.missed)}</span>
      {why.slice(0, 3).map(([reason, n]) => (
        <span key={reason} class="sub">
          {count(n)}: {reason}
        </span>
      ))}
    </>
  );
}

function Budgets({ all, error }: { all?: Probing[]; error?: string }) {
  const each = eachMay(all?.[0]?.target_budget);
  return (
    <section aria-labelledby="budgets-title">
      <h2 id="budgets-title">
        Suspicion <span class="aside">what looking harder used today (UTC), of what it may</span>
      </h2>
      {error && <p class="banner warn">Budgets could not be fetched ({error}).</p>}
      {all && all.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of budgets, scrolls sideways">
          <table class="list wide">
            <thead>
              <tr>
                <th scope="col">vantage</th>
                <th scope="col">probes</th>
                <th scope="col">tokens</th>
                <th scope="col">cost</th>
                <th scope="col">left unprobed</th>
                <th scope="col">looks harder at</th>
              </tr>
            </thead>
            <tbody>
              {all.map((p) => (
                <tr key={p.vantage + (p.agent ?? "")}>
                  <th scope="row">
                    {p.vantage}
                    {p.agent && p.agent !== p.vantage && <span class="sub">{p.agent}</span>}
                  </th>
                  {(["probes", "tokens", "usd"] as const).map((unit) => (
                    <td key={unit}>
                      <Used used={p.suspicion_today} of={p.total_budget} unit={unit} />
                    </td>
                  ))}
                  <td class={p.suspicion_today.unprobed > 0 ? "num wrong" : "num"}>{unprobed(p)}</td>
                  <td>{harder(p)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {each && <p class="quiet">{each}</p>}
    </section>
  );
}

/** eachMay says what suspicion may use on one target in a day; "" where nothing bounds it. */
export function eachMay(b: Budget | undefined): string {
  const parts = [
    b?.probes !== undefined && plural(b.probes, "probe"),
    b?.tokens !== undefined && plural(b.tokens, "token"),
    b?.usd !== undefined && usd(b.usd),
  ].filter(Boolean);
  return parts.length > 0 ? `On one target at most ${parts.join(", ")} a day.` : "";
}

/** unprobed says how many probes a budget prevented, and of which targets. */
export function unprobed(p: Probing): string {
  const n = p.suspicion_today.unprobed;
  const of = p.targets.filter((t) => t.suspicion_today.unprobed > 0).map((t) => `${t.target} ${count(t.suspicion_today.unprobed)}`);
  return n === 0 ? "none" : `${count(n)}${of.length > 0 ? ` (${some(of)})` : ""}`;
}

function harder(p: Probing): string {
  const of = p.targets.filter((t) => (t.suspicion_interval_seconds ?? 0) > 0).map((t) => `${t.target} every ${(t.suspicion_interval_seconds ?? 0) < 1 ? seconds(t.suspicion_interval_seconds) : span(t.suspicion_interval_seconds!)}`);
  return of.length === 0 ? "none" : some(of);
}

const some = (all: string[]) => (all.length <= 4 ? all.join(", ") : `${all.slice(0, 4).join(", ")} and ${all.length - 4} more`);

function Used({ used, of, unit }: { used: Spent; of: Budget; unit: "probes" | "tokens" | "usd" }) {
  const show = unit === "usd" ? usd : count;
  const most = of[unit];
  if (most === undefined) return <span class="num">{show(used[unit])}, no limit</span>;
  const part = most > 0 ? Math.min(1, used[unit] / most) : 1;
  return (
    <span class="budget">
      <span class="track" aria-hidden="true">
        <span class={part >= 1 ? "spent" : "left"} style={{ width: `${part * 100}%` }} />
      </span>
      <span class="num">
        {show(used[unit])} of {show(most)}
      </span>
    </span>
  );
}

