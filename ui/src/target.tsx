// One target: how it was, how it is, and why one thinks so.

import { lazy } from "./lazy";
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Canary, type Note, type Observation, type Target, type TargetDetail, get, known, severity, time } from "./api";
import { percent, price, seconds, weight } from "./format";
import { useEvery, useLoad } from "./load";
import { Age, StateWord, When } from "./parts";
import { fetchPast } from "./past";
import { setQuery, useWhere } from "./path";
import { Probes } from "./probes";
import { type Range, cadence, range, rangeNames, standard } from "./range";
import { causeWords, dateless } from "./sentence";
import { Told } from "./told";
import { WhyPanel, heldBack } from "./why";
import { useWorld, watcher } from "./world";

const Charts = lazy(() => import("./charts").then((m) => m.Charts));

const probesShown = 60;

export function TargetPage({ id }: { id: string }) {
  const known = useWorld((w) => w.targets?.find((t) => t.id === id));
  const [detail, detailAgain] = useLoad(id, () => get<TargetDetail>(`/v1/targets/${encodeURIComponent(id)}`));
  const [probes, probesAgain] = useLoad(id, () => recent(id));
  const [canaries] = useLoad("canaries", () => get<{ canaries: Canary[] }>("/v1/canaries"));
  useEffect(() => {
    return watcher.onEvent((e) => {
      if (e.type !== "target" || !e.data.includes(`"${id}"`)) return;
      detailAgain();
      probesAgain();
    });
  }, [id]);
  useEvery(15_000, () => {
    detailAgain();
    probesAgain();
  });
  const target = newer(detail.data, known);
  if (detail.missing && !target) return <NoTarget id={id} />;
  return (
    <article class="target-page">
      <Head id={id} target={target} detail={detail.data} error={detail.error} at={detail.at} />
      <div class="columns">
        <WhyPanel target={target} detail={detail.data} />
        <Time id={id} />
        <Probes id={id} observations={probes.data} canaries={canaries.data?.canaries} error={probes.error} />
        <Told id={id} />
      </div>
    </article>
  );
}

/** newer is the summary that came by event over the detail that was fetched before it. */
function newer(detail: TargetDetail | undefined, summary: Target | undefined): Target | undefined {
  if (!detail || !summary) return summary ?? detail;
  return time(summary.last_seen) > time(detail.last_seen) ? summary : detail;
}

async function recent(id: string): Promise<Observation[]> {
  const ask = (source: string) => get<{ observations: Observation[] }>("/v1/observations", { target: id, limit: probesShown, source });
  const probes = (await ask("probe")).observations;
  return probes.length > 0 ? probes : (await ask("simulated")).observations;
}

function Head({ id, target: t, detail, error, at }: { id: string; target?: Target; detail?: TargetDetail; error?: string; at: number }) {
  const state = known(t?.state);
  const why = t?.reasons?.[0]?.text;
  return (
    <header class="target-head">
      <p class="crumbs">
        <a href="/">Overview</a> <span aria-hidden="true">/</span> {t ? `${t.provider} / ${t.model} / ${t.region || "global"}` : "…"}
      </p>
      <h1>
        {id} {t && <StateWord state={state} />}
      </h1>
      {t && (
        <p class={`verdict ${severity(state) > 0 ? "bad" : ""}`} data-testid="verdict">
          {why ? upper(dateless(why)) : calm(t, detail)}
          {t.cause && severity(state) > 0 && <>; most likely {causeWords(t.cause, t)}</>}
          {!Number.isNaN(time(t.since)) && (
            <>
              ; since <When t={time(t.since)} />
            </>
          )}
          .
        </p>
      )}
      {t && <Facts t={t} />}
      {t?.notes && t.notes.length > 0 && <Notes all={t.notes} />}
      {detail?.overrides?.map((o) => (
        <p key={o.id} class="banner note">
          {o.weight === 0 ? "Drained" : `Pinned to weight ${weight(o.weight)}`} by {o.by}: {o.reason}. Ends <When t={time(o.expires_at)} />.
        </p>
      ))}
      {error && (
        <p class="banner warn">
          The target could not be refreshed ({error}).{" "}
          {at > 0 && (
            <>
              What is shown is <Age t={at} /> old.
            </>
          )}
        </p>
      )}
    </header>
  );
}

function calm(t: Target, detail: TargetDetail | undefined): string {
  const held = detail && heldBack(t, detail.evidence);
  if (held && known(t.state) === "healthy") return `No verdict against it; ${held}`;
  if (known(t.state) === "unknown") return "No verdict: too few answers yet, or none for a while";
  if (t.suspected) return "Nothing is wrong yet; evidence builds and it is probed more often";
  return known(t.state) === "recovering" ? "Answers are good again; traffic comes back step by step" : "Nothing speaks against it";
}

const fewNotes = 2;

/** Notes are what is worth knowing of a target and no outage, newest first. */
function Notes({ all }: { all: Note[] }) {
  const [more, show] = useState(false);
  return (
    <section class="notes" aria-label="Notes">
      <ul class="plain">
        {(more ? all : all.slice(0, fewNotes)).map((n) => (
          <li key={n.at + n.kind}>
            <When t={time(n.at)} /> <span>{upper(n.text)}.</span>
          </li>
        ))}
      </ul>
      {all.length > fewNotes && (
        <button type="button" class="more" aria-expanded={more} onClick={() => show(!more)}>
          {more ? "Show fewer notes" : `Show all ${all.length} notes`}
        </button>
      )}
    </section>
  );
}

/** A word on what the facts of the last hour count. */
const onSchedule = "Of probes on schedule only: the extra ones that are sent on suspicion come in bad times and would tip the figure.";

function Facts({ t }: { t: Target }) {
  return (
    <dl class="facts">
      <div>
        <dt>score</dt>
        <dd class="num">
          {known(t.state) === "unknown" ? "–" : Math.round(t.score)} <small>of 100</small>
        </dd>
      </div>
      <div>
        <dt>weight</dt>
        <dd class="num">{weight(t.weight)}</dd>
      </div>
      <div title={onSchedule}>
        <dt>first token, last hour</dt>
        <dd class="num">
          {seconds(t.first_token?.p50)} <small>p95 {seconds(t.first_token?.p95)}</small>
        </dd>
      </div>
      <div title={onSchedule}>
        <dt>scheduled probes failed, last hour</dt>
        <dd class="num">
          {percent(t.errors?.ratio)} {t.errors && <small>{t.errors.bad} of {t.errors.total}</small>}
        </dd>
      </div>
      <div>
        <dt>last answer</dt>
        <dd>
          <Age t={time(t.last_seen)} suffix=" ago" />
        </dd>
      </div>
      {t.price && (t.price.input > 0 || t.price.output > 0) && (
        <div>
          <dt>price per million tokens</dt>
          <dd class="num">
            {price(t.price.input)} <small>in</small> {price(t.price.output)} <small>out</small>
          </dd>
        </div>
      )}
    </dl>
  );
}

const upper = (s: string) => s.charAt(0).toUpperCase() + s.slice(1);

/** Time is the charts with the range that they show. */
function Time({ id }: { id: string }) {
  const where = useWhere();
  const now = useMemo(() => Date.now(), [where]);
  const r = range(where.query, now);
  const [wide] = useState(() => Math.round(Math.min(360, Math.max(120, innerWidth / 5))));
  const key = `${id} ${r.name || `${r.from} ${r.to}`}`;
  const [got, again] = useLoad(key, () => {
    const fresh = range(where.query, Date.now());
    return fetchPast(id, fresh.from, fresh.to, wide);
  });
  useEvery(cadence(r), () => r.name !== "" && again());
  return (
    <section class="time" aria-labelledby="time-title">
      <div class="time-head">
        <h2 id="time-title">Over time</h2>
        <Ranges r={r} />
      </div>
      {got.error && <p class="banner warn">The past could not be fetched ({got.error}).{got.data ? " What is shown is what came last." : ""}</p>}
      {got.data ? <Charts past={got.data} cut={(from, to) => setQuery({ range: undefined, from: iso(from), to: iso(to) })} /> : <div class="ghost charts" />}
    </section>
  );
}

const iso = (s: number) => new Date(s * 1000).toISOString().slice(0, 19) + "Z";

function Ranges({ r }: { r: Range }) {
  return (
    <div class="ranges" role="group" aria-label="Range">
      {rangeNames.map((name) => (
        <button key={name} type="button" aria-pressed={r.name === name} onClick={() => setQuery({ range: name === standard ? undefined : name, from: undefined, to: undefined })}>
          {name}
        </button>
      ))}
      {r.name === "" && (
        <span class="num quiet">
          <When t={r.from} withSeconds /> to <When t={r.to} withSeconds />
        </span>
      )}
    </div>
  );
}

function NoTarget({ id }: { id: string }) {
  return (
    <section class="empty">
      <h1 class="headline">There is no target {id}.</h1>
      <p>
        It may have been renamed or removed from the config. <a href="/">All targets</a> are on the overview.
      </p>
    </section>
  );
}
