// Routes: where traffic goes now, and as a ghost behind it where it went an
// hour ago. A part is told from its neighbour by its label, never by hue alone.

import { percent, share, trim, weight } from "./format";
import { memo } from "./memo";
import type { Part, RouteView } from "./model";
import { Mark, TargetLink } from "./parts";

export const RouteList = memo(function RouteList({ routes }: { routes: RouteView[] | undefined }) {
  return (
    <section class="routes" aria-labelledby="routes-title">
      <h2 id="routes-title">
        Routes <span class="aside">shares now, beneath them {routes?.every((r) => r.known) ? "an hour ago" : "when all is well"}</span>
      </h2>
      {routes?.length === 0 && <p class="quiet">No routes are configured. A route names the tiers of targets that applications ask for as one model.</p>}
      {routes?.map((r) => <RouteBar key={r.name} route={r} />)}
    </section>
  );
});

const modes: Record<string, string> = {
  panic: "panic: too little healthy capacity, spread over all that answers",
  override: "an operator's override is in force",
  frozen: "frozen: our own vantage is in doubt, last weights stand",
};

export function RouteBar({ route, level: Heading = "h3" }: { route: RouteView; level?: "h2" | "h3" }) {
  return (
    <article class="route" data-route={route.name}>
      <Heading>
        {route.name}
        {modes[route.mode] && <span class={`mode ${route.mode}`}>{modes[route.mode]}</span>}
        {route.rollout !== undefined && <span class="mode rollout">{route.rollout === 0 ? "shadow: nothing follows" : `${percent(route.rollout)} follows`}</span>}
        {route.moved > 0.02 && <span class="aside num">{share(route.moved)} moved{route.known && " in an hour"}</span>}
      </Heading>
      <div class="bar" aria-hidden="true">
        {route.parts.map((p) => (
          <Segment key={p.target} part={p} of={p.share} label />
        ))}
      </div>
      <div class="bar before" aria-hidden="true">
        {route.parts.map((p) => (
          <Segment key={p.target} part={p} of={p.before} />
        ))}
      </div>
      {route.rollout !== undefined && (
        <div class="bar would" title="the shares that it would have if all of the traffic followed">
          {route.parts.map((p) => (
            <Segment key={p.target} part={p} of={p.would ?? 0} />
          ))}
        </div>
      )}
      <Tiers route={route} />
    </article>
  );
}

function Segment({ part, of, label }: { part: Part; of: number; label?: boolean }) {
  if (of < 0.0005) return null;
  return (
    <div class={`segment tier${Math.min(part.tier, 3)}`} style={{ flexGrow: of }} title={`${part.target}: ${share(of)}`}>
      {label && of >= 0.18 && <span>{part.target}</span>}
    </div>
  );
}

function Tiers({ route }: { route: RouteView }) {
  const tiers = [...new Set(route.parts.map((p) => p.tier))];
  return (
    <table class="tiers">
      <thead class="sr">
        <tr>
          <th scope="col">tier</th>
          <th scope="col">target</th>
          <th scope="col">weight and preference</th>
          <th scope="col">share now</th>
          {route.rollout !== undefined && <th scope="col">would be</th>}
          <th scope="col">change</th>
        </tr>
      </thead>
      <tbody>
        {tiers.map((tier) =>
          route.parts
            .filter((p) => p.tier === tier)
            .map((p, i) => (
              <tr key={p.target} class={p.share < 0.0005 ? "idle" : undefined}>
                <td class="tier">{i === 0 ? <><i class={`swatch tier${Math.min(tier, 3)}`} />tier {tier + 1}</> : ""}</td>
                <td>
                  <Mark state={p.state} /> <TargetLink id={p.target} />
                </td>
                <td class="num quiet fit" title="fraction of its normal traffic that it is fit to take, and how much it is liked beside the others of its tier">{fit(p)}</td>
                <td class="num share">{share(p.share, p.trickles)}</td>
                {route.rollout !== undefined && <td class="num would">would be {share(p.would ?? 0)}</td>}
                <td class="num delta">{delta(p)}</td>
              </tr>
            )),
        )}
      </tbody>
    </table>
  );
}

function fit(p: Part): string {
  return [p.weight < 0.995 && `weight ${weight(p.weight)}`, Math.abs(p.preference - 1) > 0.005 && `liked ×${weight(p.preference)}`].filter(Boolean).join(", ");
}

function delta(p: Part): string {
  const points = trim(Math.abs(p.share - p.before) * 100, 1);
  if (points === "0") return "";
  return `${p.share > p.before ? "+" : "\u2212"}${points} pt`;
}
