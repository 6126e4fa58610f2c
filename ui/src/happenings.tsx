// What happens: open incidents, and the latest changes of verdicts.

import { type Change, type Incident, type State, known, time } from "./api";
import { nats, words } from "./format";
import { Age, Mark, TargetLink, When } from "./parts";
import { brief, dateless } from "./sentence";
import { useWorld } from "./world";

export function IncidentList() {
  const incidents = useWorld((w) => w.incidents);
  return (
    <section class="incidents" aria-labelledby="incidents-title">
      <h2 id="incidents-title">
        Open incidents <a class="aside" href="/incidents">all</a>
      </h2>
      {incidents?.length === 0 && <p class="quiet">None. A change of verdict to degraded or worse opens one.</p>}
      <ol class="plain">{incidents?.map((i) => <IncidentItem key={i.id} incident={i} />)}</ol>
    </section>
  );
}

function IncidentItem({ incident: i }: { incident: Incident }) {
  const state = known(i.severity);
  return (
    <li class={`incident ${state}`}>
      <h3>
        <Mark state={state} />
        <a href={`/incidents/${encodeURIComponent(i.id)}`}>{i.title}</a>
        <span class="age">
          <Age t={time(i.first_evidence_at)} />
        </span>
      </h3>
      <p class="meta">
        {i.cause && <span>cause: {i.cause}</span>}
        {i.acknowledged_by ? <span>acknowledged by {i.acknowledged_by}</span> : <span>not acknowledged</span>}
        {(i.targets ?? []).slice(0, 6).map((t) => <TargetLink key={t} id={t} />)}
        {(i.targets?.length ?? 0) > 6 && <span>and {i.targets!.length - 6} more</span>}
      </p>
      <Why incident={i} />
    </li>
  );
}

/** Why is the strongest evidence among an incident's targets, now. */
function Why({ incident }: { incident: Incident }) {
  const targets = useWorld((w) => w.targets);
  const reasons = (targets ?? [])
    .filter((t) => incident.targets?.includes(t.id))
    .flatMap((t) => t.reasons ?? [])
    .sort((a, b) => b.evidence - a.evidence);
  const best = reasons[0];
  const last = incident.timeline?.[incident.timeline.length - 1];
  if (best) {
    return (
      <p class="evidence">
        {dateless(best.text)} {nats(best.evidence) && <span class="num quiet">({nats(best.evidence)} of evidence)</span>}
      </p>
    );
  }
  return last ? <p class="evidence">{last.text}</p> : null;
}

export function ChangeList() {
  const changes = useWorld((w) => w.changes);
  return (
    <section class="changes" aria-labelledby="changes-title">
      <h2 id="changes-title">Recent changes</h2>
      {changes?.length === 0 && <p class="quiet">No verdict has changed. First verdicts come once a target has answered about thirty probes.</p>}
      <ol class="plain">{changes?.slice(0, 12).map((c) => <ChangeItem key={c.at + c.target} change={c} />)}</ol>
    </section>
  );
}

function ChangeItem({ change: c }: { change: Change }) {
  const from = known(c.from);
  const to = known(c.to);
  const why = c.reasons?.[0];
  return (
    <li class="change">
      <When t={time(c.at)} />
      <div>
        <TargetLink id={c.target} /> <Transition from={from} to={to} cause={c.cause} />
        {why && <p class="quiet">{brief(why.text) || words(why.signal)}</p>}
      </div>
    </li>
  );
}

/** Transition is what a verdict turned from and to; the same state again means another cause. */
function Transition({ from, to, cause }: { from: State; to: State; cause?: string }) {
  return (
    <span class="transition">
      {from !== to && (
        <>
          <Mark state={from} /> <span aria-hidden="true">→</span>
          <span class="sr">to</span>{" "}
        </>
      )}
      <Mark state={to} quiet /> {to}
      {from === to && cause && <span class="quiet">, cause now {cause}</span>}
    </span>
  );
}
