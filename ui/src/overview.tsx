// The overview: what is wrong, where, what was done about it, in one look.

import type { Target } from "./api";
import { ChangeList, IncidentList } from "./happenings";
import { Matrix } from "./matrix";
import { routes as routeViews } from "./model";
import { When, TargetLink } from "./parts";
import { RouteList } from "./routes";
import { type Part, sentence } from "./sentence";
import { tint } from "./trouble";
import { useWorld } from "./world";

export function Overview() {
  const targets = useWorld((w) => w.targets);
  const routes = useWorld((w) => w.routes);
  const error = useWorld((w) => w.error);
  if (!targets) return error ? <Unreachable error={error} /> : <Skeleton />;
  const views = routeViews(routes);
  return (
    <>
      <Headline targets={targets} views={views} />
      {targets.length === 0 ? (
        <NoTargets />
      ) : (
        <div class="overview">
          <div class="where">
            <Matrix targets={targets} />
            <RouteList routes={routes && views} />
          </div>
          <div class="what">
            <IncidentList />
            <ChangeList />
          </div>
        </div>
      )}
    </>
  );
}

function Headline({ targets, views }: { targets: Target[]; views: ReturnType<typeof routeViews> }) {
  const { tone, parts } = sentence(targets, views);
  return (
    <h1 class={`headline ${tone}`} data-testid="sentence">
      {parts.map((p, i) => (
        <Words key={i} part={p} targets={targets} />
      ))}
    </h1>
  );
}

function Words({ part, targets }: { part: Part; targets: Target[] }) {
  if (typeof part === "string") return <>{part}</>;
  if ("target" in part) {
    const of = targets.find((t) => t.id === part.target);
    return (
      <span class={`subject ${of ? tint(of) : "unknown"}`}>
        <TargetLink id={part.target} />
      </span>
    );
  }
  if ("route" in part) return <em>{part.route}</em>;
  return <When t={part.since} />;
}

function NoTargets() {
  return (
    <section class="empty">
      <p>
        Nothing is watched yet. Name a provider, a target and a canary in the config and start <code>bellwether serve --config FILE</code>, or see it all work without keys:
      </p>
      <pre>
        <code>bellwether demo</code>
      </pre>
      <p>
        <code>config.example.yaml</code> has every setting with its comment; <code>bellwether check</code> says what would run and what it would cost.
      </p>
    </section>
  );
}

function Unreachable({ error }: { error: string }) {
  return (
    <section class="empty">
      <h1 class="headline watch">Nothing to show yet: {error}.</h1>
      <p>This page tries again by itself. Traffic does not wait for it: routers keep the last weights they had.</p>
    </section>
  );
}

/** Skeleton is the structure of the page before its first answer. */
function Skeleton() {
  return (
    <div aria-busy="true" aria-label="Asking the server">
      <div class="ghost headline" />
      <div class="overview">
        <div class="where">
        <section class="matrix">
          <h2>Targets</h2>
          <div class="ghosts">
            {Array.from({ length: 8 }, (_, i) => (
              <div key={i} class="ghost cell" />
            ))}
          </div>
        </section>
        <section class="routes">
          <h2>Routes</h2>
          <div class="ghost bar" />
        </section>
        </div>
      </div>
    </div>
  );
}
