// Routing: each route with its tiers and shares, what would happen if a target
// went down now, the routers that follow, and the overrides in force.

import { useState } from "preact/hooks";
import { type Override, type Route, get, time } from "./api";
import { percent, seconds, share, trim, weight, words } from "./format";
import { useEvery, useLoad } from "./load";
import { apportion, unitFor } from "./apportion";
import { routes as views } from "./model";
import { TargetLink, When } from "./parts";
import { Failovers, Routers } from "./routers";
import { RouteBar } from "./routes";
import { useWorld } from "./world";

export function Routing() {
  const routes = useWorld((w) => w.routes);
  const revision = useWorld((w) => w.revision);
  return (
    <div class="page">
      <h1>
        Routing <span class="aside num">{revision > 0 && `revision ${revision}`}</span>
      </h1>
      {routes?.length === 0 && <p class="quiet">No routes are configured. A route names the tiers of targets that applications ask for as one model.</p>}
      {views(routes).map((v, i) => (
        <section key={v.name} class="routing">
          <RouteBar route={v} level="h2" />
          <Policy route={routes![i]!} />
          <Preview route={routes![i]!} />
        </section>
      ))}
      <Routers />
      <Failovers />
      <Overrides />
    </div>
  );
}

/** Policy says what the route was told to prefer. */
function Policy({ route }: { route: Route }) {
  const said = policy(route);
  return said ? <p class="quiet small policy">{said}</p> : null;
}

/** policy puts a route's preferences, limits and rollout in words; "" where there are none. */
export function policy(r: Route): string {
  const tastes = { latency: "the faster", cost: "the cheaper", locality: "what is near the caller", task: r.task ? `what is good at ${r.task}` : "what is good at its task" };
  const likes = (Object.keys(tastes) as (keyof typeof tastes)[]).filter((k) => (r.prefer?.[k] ?? 0) > 0).map((k) => tastes[k] + (r.prefer![k] === 1 ? "" : ` (×${trim(r.prefer![k]!, 2)})`));
  const limits = Object.entries(r.shift_when ?? {}).map(([signal, s]) => `${words(signal)} exceeds ${seconds(s)}`);
  const out: string[] = [];
  if (likes.length > 0) out.push(`Within a tier it prefers ${likes.join(", ")}.`);
  if (limits.length > 0) out.push(`A target yields when its ${limits.join(", or its ")}.`);
  const part = r.now?.rollout;
  if (part === 0) out.push("Shadow: no traffic follows yet; beneath the shares stand those that it would have.");
  else if (part !== undefined && part < 1) out.push(`Rollout: ${percent(part)} of the traffic follows, the rest keeps base shares; beneath stand the shares that it would have at 100 %.`);
  return out.join(" ");
}

interface Then {
  panic: boolean;
  targets: { target: string; share_now: number; share_then: number }[];
}

function Preview({ route }: { route: Route }) {
  const [down, setDown] = useState("");
  const targets = route.tiers.flat().map((t) => t.target);
  const field = `preview-${route.name}`;
  return (
    <div class="preview">
      <label for={field}>If this went down now</label>
      <select id={field} value={down} onChange={(e) => setDown(e.currentTarget.value)}>
        <option value="">choose a target</option>
        {targets.map((t) => (
          <option key={t}>{t}</option>
        ))}
      </select>
      {down && <Imagined route={route.name} down={down} />}
    </div>
  );
}

function Imagined({ route, down }: { route: string; down: string }) {
  const [got] = useLoad(`${route} ${down}`, () => get<Then>(`/v1/routes/${encodeURIComponent(route)}/preview`, { down }));
  if (got.error) return <p class="wrong">{got.error}</p>;
  if (!got.data) return null;
  const columns = [got.data.targets.map((t) => t.share_now), got.data.targets.map((t) => t.share_then)] as const;
  const unit = unitFor(...columns);
  const [now, then] = columns.map((c) => apportion(c, unit)) as [number[], number[]];
  const moved = got.data.targets.map((t, i) => ({ target: t.target, now: now[i]!, then: then[i]! })).filter((t) => t.now > 0 || t.then > 0);
  return (
    <p role="status">
      {moved.map((t) => `${t.target} ${share(t.now)} → ${share(t.then)}`).join("; ")}.
      {got.data.panic && " What is left could not carry the route: panic."}
    </p>
  );
}

function Overrides() {
  const [got, again] = useLoad("overrides", () => get<{ overrides: Override[] }>("/v1/overrides"));
  useEvery(10_000, again);
  const all = got.data?.overrides;
  return (
    <section aria-labelledby="overrides-title">
      <h2 id="overrides-title">Overrides in force</h2>
      {got.error && <p class="banner warn">Overrides could not be fetched ({got.error}).</p>}
      {all?.length === 0 && (
        <p class="quiet">
          None. <code>POST /v1/overrides</code> drains or pins a target, with a reason and an end.
        </p>
      )}
      <ul class="plain">
        {all?.map((o) => (
          <li key={o.id}>
            <TargetLink id={o.target} /> {o.weight === 0 ? "drained" : `pinned to ${weight(o.weight)}`} by {o.by}: {o.reason}; ends <When t={time(o.expires_at)} />
          </li>
        ))}
      </ul>
    </section>
  );
}
