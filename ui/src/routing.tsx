// Routing: each route with its tiers and shares, what would happen if a target
// went down now, the routers that follow, and the overrides in force.

import { useState } from "preact/hooks";
import { type Override, type Route, type Router, get, time } from "./api";
import { share, weight } from "./format";
import { useEvery, useLoad } from "./load";
import { apportion, unitFor } from "./apportion";
import { routes as views } from "./model";
import { Age, TargetLink, When } from "./parts";
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
          <Preview route={routes![i]!} />
        </section>
      ))}
      <Routers />
      <Overrides />
    </div>
  );
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

function Routers() {
  const [got, again] = useLoad("routers", () => get<{ routers: Router[] }>("/v1/routers"));
  useEvery(5_000, again);
  const routers = got.data?.routers;
  return (
    <section aria-labelledby="routers-title">
      <h2 id="routers-title">Routers that follow</h2>
      {got.error && <p class="banner warn">Routers could not be fetched ({got.error}).</p>}
      {routers?.length === 0 && <p class="quiet">None has been heard of. A router follows with its WebSocket to /v1/weights/watch, or by polling with a name.</p>}
      {routers && routers.length > 0 && (
        <table class="list">
          <thead>
            <tr>
              <th scope="col">router</th>
              <th scope="col">revision</th>
              <th scope="col">behind by</th>
              <th scope="col">connected</th>
              <th scope="col">heard</th>
            </tr>
          </thead>
          <tbody>
            {routers.map((r) => (
              <tr key={r.name}>
                <td>{r.name}</td>
                <td class="num">{r.revision}</td>
                <td class="num">{r.behind === 0 ? "up to date" : r.behind}</td>
                <td>{r.connected ? "yes" : "no"}</td>
                <td>
                  <Age t={time(r.at)} suffix=" ago" />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
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
