// The routers that follow: which revision each has in force, what it really
// sends where beside what it was told, and the requests that it moved.

import { type Failovers as Moved, type Router, type RouteSplit, get, time } from "./api";
import { count, percent, plural, share, trim, words } from "./format";
import { useEvery, useLoad } from "./load";
import { Age, TargetLink, When } from "./parts";

export function Routers() {
  const [got, again] = useLoad("routers", () => get<{ routers: Router[] }>("/v1/routers"));
  useEvery(5_000, again);
  const routers = got.data?.routers;
  const telling = routers?.filter((r) => r.split && r.split.length > 0) ?? [];
  return (
    <section aria-labelledby="routers-title">
      <h2 id="routers-title">Routers that follow</h2>
      {got.error && <p class="banner warn">Routers could not be fetched ({got.error}).</p>}
      {routers?.length === 0 && <p class="quiet">None has been heard of. A router follows with its WebSocket to /v1/weights/watch, or by polling with a name.</p>}
      {routers && routers.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of routers, scrolls sideways">
          <table class="list routers">
            <thead>
              <tr>
                <th scope="col">router</th>
                <th scope="col">revision</th>
                <th scope="col">behind by</th>
                <th scope="col">connected</th>
                <th scope="col">heard</th>
                <th scope="col">sends as told</th>
              </tr>
            </thead>
            <tbody>
              {routers.map((r) => (
                <tr key={r.name}>
                  <td>
                    {r.name}
                    {r.region && <span class="sub">{r.region}</span>}
                  </td>
                  <td class="num">{r.revision}</td>
                  <td class="num">{r.behind === 0 ? "up to date" : r.behind}</td>
                  <td>{r.connected ? "yes" : "no"}</td>
                  <td>
                    <Age t={time(r.at)} suffix=" ago" />
                  </td>
                  <td>{asTold(r.split ?? []).map((s) => <span key={s.text} class={s.odd ? "said wrong" : "said"}>{s.text}</span>)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {telling.map((r) => (
        <Split key={r.name} router={r} />
      ))}
    </section>
  );
}

/** odd reports whether chance is a poor excuse for a difference: beyond three standard errors, and three points. */
export function odd(t: RouteSplit["targets"][number], requests: number): boolean {
  const p = t.published_share;
  return requests >= 20 && Math.abs(t.difference) > Math.max(0.03, 3 * Math.sqrt((p * (1 - p)) / requests));
}

/** asTold says in words how a router's split agrees with the shares, route by route. */
export function asTold(split: RouteSplit[]): { text: string; odd: boolean }[] {
  if (split.length === 0) return [{ text: "it does not say", odd: false }];
  return split.map((r) => {
    const far = r.targets.filter((t) => odd(t, r.requests)).sort((a, b) => Math.abs(b.difference) - Math.abs(a.difference))[0];
    if (far) return { text: `${r.route}: ${far.target} ${points(far.difference)}`, odd: true };
    if (r.requests < 20) return { text: `${r.route}: too few requests to tell`, odd: false };
    return { text: `${r.route}: yes, within ${trim(100 * Math.max(...r.targets.map((t) => Math.abs(t.difference))), 1)} points`, odd: false };
  });
}

/** points prints a difference of shares: "+12 points". */
const points = (d: number) => `${d >= 0 ? "+" : "\u2212"}${trim(Math.abs(d) * 100, 1)} points`;

function Split({ router }: { router: Router }) {
  return (
    <details class="as-table">
      <summary>What {router.name} sends where</summary>
      <p class="quiet small">By the shares that it had in force; older requests weigh less, half after five minutes. Sticky sessions, retries and limits move requests too.</p>
      <table class="split">
        <thead>
          <tr>
            <th scope="col">route</th>
            <th scope="col">target</th>
            <th scope="col">requests</th>
            <th scope="col">sent</th>
            <th scope="col">told</th>
            <th scope="col">difference</th>
          </tr>
        </thead>
        <tbody>
          {router.split!.flatMap((r) =>
            r.targets.map((t, i) => (
              <tr key={r.route + t.target}>
                <td>{i === 0 ? r.route : ""}</td>
                <td>
                  <TargetLink id={t.target} />
                </td>
                <td class="num">{count(Math.round(t.requests))}</td>
                <td class="num">{share(t.applied_share)}</td>
                <td class="num">{share(t.published_share)}</td>
                <td class={odd(t, r.requests) ? "num wrong" : "num quiet"}>{points(t.difference)}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </details>
  );
}

export function Failovers() {
  const [got, again] = useLoad("failovers", () => get<Moved>("/v1/failovers", { limit: 20 }));
  useEvery(5_000, again);
  const all = got.data;
  return (
    <section aria-labelledby="failovers-title">
      <h2 id="failovers-title">
        Failovers <span class="aside">did it help?</span>
      </h2>
      {got.error && <p class="banner warn">Failovers could not be fetched ({got.error}).</p>}
      {all && all.total.moved === 0 && (
        <p class="quiet">
          No router has moved a request since <When t={time(all.since)} />.
        </p>
      )}
      {all && all.total.moved > 0 && (
        <>
          <p data-testid="helped">
            {helped(all.total)} Since <When t={time(all.since)} />.
          </p>
          <div class="scroll" tabIndex={0} role="region" aria-label="Table of failovers, scrolls sideways">
            <table class="list failovers">
              <thead>
                <tr>
                  <th scope="col">route</th>
                  <th scope="col">from</th>
                  <th scope="col">to</th>
                  <th scope="col">moved</th>
                  <th scope="col">served</th>
                  <th scope="col">because of</th>
                </tr>
              </thead>
              <tbody>
                {all.pairs.slice(0, 12).map((p) => (
                  <tr key={[p.route, p.from, p.to].join()}>
                    <td>{p.route}</td>
                    <td>
                      <TargetLink id={p.from} />
                    </td>
                    <td>{p.to ? <TargetLink id={p.to} /> : <span class="wrong">nothing could serve</span>}</td>
                    <td class="num">{count(p.moved)}</td>
                    <td class={p.served < p.moved * 0.9 ? "num wrong" : "num"}>
                      {count(p.served)} <span class="quiet">{part(p.served, p.moved)}</span>
                    </td>
                    <td>{reasons(p.why)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {all.pairs.length > 12 && <p class="quiet">And {plural(all.pairs.length - 12, "more pair", "more pairs")} with fewer requests.</p>}
          <Latest of={all} />
        </>
      )}
    </section>
  );
}

/** part prints how much of it was served; nearly all is not all. */
export function part(served: number, moved: number): string {
  return served < moved && served / moved > 0.995 ? ">99 %" : percent(served / moved);
}

/** helped answers the question in one sentence. */
export function helped(t: { moved: number; served: number }): string {
  const all = t.served === t.moved;
  const verdict = all ? "it helped every time" : t.served >= t.moved * 0.9 ? "it helped nearly always" : t.served >= t.moved / 2 ? "it helped mostly" : t.served > 0 ? "it seldom helped" : "it helped nobody";
  return `${plural(t.moved, "request")} moved, ${all ? "all" : count(t.served)} of them served: ${verdict}.`;
}

/** reasons lists outcomes, the commonest first. */
export function reasons(why: Record<string, number>): string {
  return Object.entries(why)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
    .map(([outcome, n]) => `${words(outcome)} ${count(n)}`)
    .join(", ");
}

function Latest({ of }: { of: Moved }) {
  return (
    <details class="as-table">
      <summary>The latest {of.failovers.length}</summary>
      <ul class="plain">
        {of.failovers.map((f, i) => (
          <li key={f.at + i}>
            <When t={time(f.at)} withSeconds /> {f.router}, {f.route}: {plural(f.count, "request")} from {f.from} {f.to ? `to ${f.to}` : "to nowhere"} ({words(f.why)}), {count(f.served)} served
          </li>
        ))}
      </ul>
    </details>
  );
}
