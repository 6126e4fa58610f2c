// Model by region: each target a cell with its state by shape and colour, its
// score, and its last hour. A healthy cell is nearly all white.

import { useEffect, useRef, useState } from "preact/hooks";
import { type State, type Target, known, severity, time } from "./api";
import { seconds, weight } from "./format";
import { memo } from "./memo";
import { useNear } from "./near";
import { type Row, kept, matrix } from "./model";
import { share } from "./share";
import { Mark } from "./parts";
import { targetPath } from "./path";
import { Spark } from "./spark";
import { refusal, tint } from "./trouble";

/** So many rows are drawn in full at once; the others as links, until they come near the screen. */
const first = 8;

/** useRest is false until the screen was drawn once. */
function useRest(): boolean {
  const [rest, set] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => set(true), 20);
    return () => clearTimeout(timer);
  }, []);
  return rest;
}

export const Matrix = memo(function Matrix({ targets }: { targets: Target[] }) {
  const m = matrix(targets);
  const drawn = useRef<{ rows: Row[]; regions: string[] }>({ rows: [], regions: [] }).current;
  m.rows = drawn.rows = kept(drawn.rows, m.rows);
  m.regions = drawn.regions = share(drawn.regions, m.regions);
  const rest = useRest();
  return (
    <section class="matrix" aria-labelledby="matrix-title">
      <h2 id="matrix-title">
        Targets <span class="aside">first token, last hour</span>
      </h2>
      <div class="scroll" tabIndex={m.regions.length > 2 ? 0 : undefined} role={m.regions.length > 2 ? "region" : undefined} aria-label={m.regions.length > 2 ? "Matrix, scrolls sideways" : undefined}>
        <table role="table" style={{ "--regions": String(m.regions.length) }}>
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">
                model
              </th>
              {m.regions.map((r) => (
                <th key={r} role="columnheader" scope="col">
                  {r}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {(rest ? m.rows : m.rows.slice(0, first)).map((row, i) => (
              <ModelRow key={row.key} row={row} regions={m.regions} full={i < first} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
});

const ModelRow = memo(function ModelRow({ row, regions, full }: { row: Row; regions: string[]; full: boolean }) {
  const [near, ref] = useNear<HTMLTableRowElement>(full);
  const Of = near ? Cell : Far;
  return (
    <tr role="row" ref={ref}>
      <th role="rowheader" scope="row">
        <span class="model">{row.model}</span>
        <span class="provider">{row.provider}</span>
      </th>
      {regions.map((r) => {
        const here = row.cells.get(r);
        return (
          <td key={r} role="cell" class={here ? undefined : "none"}>
            {here?.map((t) => <Of key={t.id} target={t} />)}
          </td>
        );
      })}
    </tr>
  );
});

/** Far is a cell that nobody sees yet: it can be found, reached and read, and costs little. */
const Far = memo(function Far({ target: t }: { target: Target }) {
  const state = known(t.state);
  return (
    <a class="cell far" href={targetPath(t.id)} data-target={t.id} aria-label={`${t.id}: ${standing(t, state)}${state === "unknown" ? "" : `, score ${Math.round(t.score)}`}`}>
      {t.id}
    </a>
  );
});

const Cell = memo(function Cell({ target: t }: { target: Target }) {
  const state = known(t.state);
  const usual = t.usual?.find((u) => u.signal === "first_token");
  const why = t.reasons?.[0]?.text;
  return (
    <a class={`cell ${tint(t)}`} href={targetPath(t.id)} data-target={t.id} title={why}>
      <span class="top">
        <Mark state={state} />
        <span class="id">{t.id}</span>
        <Noted t={t} />
        <span class="score num" title="health score, 0 to 100">
          {state === "unknown" ? "–" : Math.round(t.score)}
        </span>
      </span>
      <Spark line={t.sparkline} usual={usual} />
      <span class={t.weight < 0.995 ? "foot moved" : "foot"}>
        <span class="is">{standing(t, state)}</span>
        {t.weight < 0.995 && <span class="num">weight {weight(t.weight)}</span>}
        <span class="num p50">{t.first_token ? seconds(t.first_token.p50) : ""}</span>
      </span>
    </a>
  );
});

/** A note is marked in the overview for this long, in milliseconds. */
const fresh = 48 * 3_600_000;

/** Noted is a small mark where something is worth knowing that is no outage. */
function Noted({ t }: { t: Target }) {
  const newest = t.notes?.[0];
  if (!newest || !(Date.now() - time(newest.at) < fresh)) return null;
  return (
    <span class="noted" title={newest.text}>
      <svg viewBox="0 0 10 12" width="8" height="10" aria-hidden="true">
        <path d="M1 1h8v10l-4-3-4 3z" />
      </svg>
      <span class="sr">note: {newest.text}</span>
    </span>
  );
}

/** standing is a target's state in the one or two words that its tile has room for. */
function standing(t: Target, state: State): string {
  if (severity(state) > 0 || state === "recovering") return state;
  const refused = refusal(t);
  if (refused || t.suspected) return refused ?? "looking harder";
  return state === "unknown" ? "no verdict" : t.region || "global";
}
