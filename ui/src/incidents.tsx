// Incidents: all of them, and one with its timeline and the alerts it sent.

import { useState } from "preact/hooks";
import { type Incident, get, known, may, send, time } from "./api";
import { span, utc } from "./format";
import { useEvery, useLoad } from "./load";
import { Age, Mark, StateWord, TargetLink, When } from "./parts";
import { dateless } from "./sentence";
import { explain, useWorld } from "./world";

export function Incidents({ id }: { id?: string }) {
  return id === undefined ? <All /> : <One key={id} id={id} />;
}

function All() {
  const [got, again] = useLoad("incidents", () => get<{ incidents: Incident[] }>("/v1/incidents", { limit: 100 }));
  useEvery(10_000, again);
  const all = got.data?.incidents;
  return (
    <section class="page" aria-labelledby="page-title">
      <h1 id="page-title">Incidents</h1>
      {got.error && <p class="banner warn">Incidents could not be fetched ({got.error}).</p>}
      {all?.length === 0 && <p class="quiet">None so far. An incident opens when a verdict turns degraded or worse, and gathers all that happens until recovery.</p>}
      {!all && !got.error && <div class="ghost charts" />}
      {all && all.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table, scrolls sideways">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">worst</th>
                <th scope="col">incident</th>
                <th scope="col">cause</th>
                <th scope="col">first evidence</th>
                <th scope="col">lasted</th>
                <th scope="col">targets</th>
              </tr>
            </thead>
            <tbody>
              {all.map((i) => (
                <tr key={i.id}>
                  <td>
                    <StateWord state={known(i.severity)} />
                  </td>
                  <td>
                    <a href={`/incidents/${encodeURIComponent(i.id)}`}>{i.title}</a>
                  </td>
                  <td>{i.cause ?? ""}</td>
                  <td>
                    <When t={time(i.first_evidence_at)} />
                  </td>
                  <td class="num">
                    <Lasted incident={i} />
                  </td>
                  <td>{(i.targets ?? []).map((t) => <TargetLink key={t} id={t} />)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Lasted({ incident: i }: { incident: Incident }) {
  const from = time(i.first_evidence_at);
  if (i.state === "open") {
    return (
      <b>
        open, <Age t={from} />
      </b>
    );
  }
  return <>{span((time(i.resolved_at) - from) / 1000)}</>;
}

interface Detail {
  incident: Incident;
  deliveries: { id: string; channel: string; kind: string; created_at: string; status: string; sent_at?: string; error?: string }[];
}

function One({ id }: { id: string }) {
  const [got, again] = useLoad(id, () => get<Detail>(`/v1/incidents/${encodeURIComponent(id)}`));
  useEvery(5_000, again);
  const i = got.data?.incident;
  if (got.missing) {
    return (
      <section class="empty">
        <h1 class="headline">There is no such incident.</h1>
        <p>
          It may have been older than what is kept. <a href="/incidents">All incidents</a>.
        </p>
      </section>
    );
  }
  return (
    <article class="page">
      <p class="crumbs">
        <a href="/incidents">Incidents</a> <span aria-hidden="true">/</span> {id}
      </p>
      {got.error && <p class="banner warn">The incident could not be fetched ({got.error}).{i && " What is shown is what came last."}</p>}
      {!i && !got.error && <div class="ghost charts" />}
      {i && (
        <>
          <h1>
            <Mark state={known(i.severity)} /> {i.title}
          </h1>
          <p class="meta">
            <span>{i.state === "open" ? "open" : "resolved"}</span>
            <span>
              <Lasted incident={i} />
            </span>
            {i.cause && <span>cause: {i.cause}</span>}
            {(i.targets ?? []).map((t) => (
              <TargetLink key={t} id={t} />
            ))}
          </p>
          <Acts incident={i} again={again} />
          <Timeline incident={i} />
          <Deliveries detail={got.data!} />
        </>
      )}
    </article>
  );
}

function Acts({ incident: i, again }: { incident: Incident; again: () => void }) {
  const [said, say] = useState("");
  const allowed = useWorld((w) => !w.session || may(w.session, "operate"));
  const acknowledge = () => send("POST", `/v1/incidents/${encodeURIComponent(i.id)}/ack`, {}).then(again, (err: unknown) => say(`Not acknowledged: ${explain(err)}.`));
  const copy = () =>
    navigator.clipboard.writeText(markdown(i)).then(
      () => say("Copied as Markdown."),
      () => say("The browser did not allow copying."),
    );
  return (
    <p class="acts">
      {i.acknowledged_by ? (
        <span class="quiet">
          Acknowledged by {i.acknowledged_by} at <When t={time(i.acknowledged_at)} />.
        </span>
      ) : (
        i.state === "open" &&
        (allowed ? (
          <button type="button" onClick={acknowledge}>
            Acknowledge
          </button>
        ) : (
          <span class="quiet">Not acknowledged; to do so, sign in with a token of scope operate.</span>
        ))
      )}
      <button type="button" onClick={copy}>
        Copy as Markdown
      </button>
      <span role="status" class="quiet">
        {said}
      </span>
    </p>
  );
}

function Timeline({ incident: i }: { incident: Incident }) {
  return (
    <section aria-labelledby="timeline-title">
      <h2 id="timeline-title">Timeline</h2>
      <ol class="plain timeline">
        <li>
          <When t={time(i.first_evidence_at)} withSeconds />
          <div>first evidence</div>
        </li>
        {(i.timeline ?? []).map((e, n) => (
          <li key={n}>
            <When t={time(e.at)} withSeconds />
            <div>
              {e.state && <Mark state={known(e.state)} />} <b>{e.kind}</b> {e.target && <TargetLink id={e.target} />} {dateless(e.target && e.text.startsWith(`${e.target} `) ? e.text.slice(e.target.length + 1) : e.text)}
              {e.by && <span class="quiet"> by {e.by}</span>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Deliveries({ detail }: { detail: Detail }) {
  if (detail.deliveries.length === 0) return null;
  return (
    <section aria-labelledby="alerts-title">
      <h2 id="alerts-title">Alerts</h2>
      <ol class="plain timeline">
        {detail.deliveries.map((d) => (
          <li key={d.id}>
            <When t={time(d.sent_at ?? d.created_at)} withSeconds />
            <div>
              {d.kind} to {d.channel}: <b>{d.status.replace("_", " ")}</b> {d.error && <span class="quiet">{d.error}</span>}
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** markdown is an incident for a post-mortem; times in UTC, for readers elsewhere. */
export function markdown(i: Incident): string {
  const at = (s: string | undefined) => utc(time(s));
  const lines = [`# ${i.title}`, "", `- Worst state: ${i.severity}`, `- Targets: ${(i.targets ?? []).join(", ")}`];
  if (i.cause) lines.push(`- Most likely cause: ${i.cause}`);
  lines.push(`- First evidence: ${at(i.first_evidence_at)}`, `- Opened: ${at(i.opened_at)}`);
  if (i.state !== "open") lines.push(`- Resolved: ${at(i.resolved_at)}`);
  lines.push("", "## Timeline", "");
  for (const e of i.timeline ?? []) lines.push(`- ${at(e.at)}: ${e.kind}${e.target ? ` ${e.target}` : ""}. ${e.text}`);
  return lines.join("\n") + "\n";
}
