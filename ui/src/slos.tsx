// SLOs: how each objective stands over its own window.

import { type Attainment, get } from "./api";
import { percent, trim } from "./format";
import { useEvery, useLoad } from "./load";

export function Slos() {
  const [got, again] = useLoad("slos", () => get<{ slos: Attainment[] }>("/v1/slos"));
  useEvery(60_000, again);
  const all = got.data?.slos;
  return (
    <section class="page" aria-labelledby="page-title">
      <h1 id="page-title">
        SLOs{" "}
        <a class="aside" href="/v1/reports/slo.csv" download>
          as CSV
        </a>
      </h1>
      {got.error && <p class="banner warn">Objectives could not be fetched ({got.error}).</p>}
      {!all && !got.error && <div class="ghost charts" />}
      {all?.length === 0 && (
        <p class="quiet">
          No objectives are configured. One line under <code>slos</code> in the config makes one: a route or target, an indicator, a percentage, a window.
        </p>
      )}
      {all && all.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table, scrolls sideways">
          <table class="list">
            <thead>
              <tr>
                <th scope="col">objective</th>
                <th scope="col">of</th>
                <th scope="col">indicator</th>
                <th scope="col">wanted</th>
                <th scope="col">reached</th>
                <th scope="col">budget left</th>
                <th scope="col">burn 1 h / 6 h / 3 d</th>
                <th scope="col">data</th>
                <th scope="col">status</th>
              </tr>
            </thead>
            <tbody>
              {all.map((a) => (
                <tr key={a.slo + a.scope}>
                  <th scope="row">{a.slo}</th>
                  <td>{a.scope}</td>
                  <td>{a.indicator}</td>
                  <td class="num">{precise(a.objective_ratio)}</td>
                  <td class="num">{precise(a.sli_ratio)}</td>
                  <td>
                    <Budget left={a.budget_remaining_ratio} />
                  </td>
                  <td class="num">{[a.burn_rate_1h, a.burn_rate_6h, a.burn_rate_3d].map((b) => (b === null || b === undefined ? "–" : trim(b, 1))).join(" / ")}</td>
                  <td class="num">{ofData(a.data_completeness_ratio)}</td>
                  <td>{standing(a)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** precise prints ratios near one without rounding them up to it. */
function precise(v: number | null): string {
  if (v === null) return "–";
  return `${trim(Math.floor(v * 1e5) / 1e3, 3)} %`;
}

/** Below this much of the data a promise counts as kept only so far. */
const whole = 0.9;

/** ofData prints completeness, rounded down: 99.9 % is not all of it. */
function ofData(v: number | null | undefined): string {
  if (v === null || v === undefined) return "–";
  return v > 0 && v < 0.01 ? "<1 %" : `${Math.floor(Math.min(1, v) * 100 + 1e-9)} %`;
}

/** standing is an objective's status, with how little it rests on where that is little. */
export function standing(a: Pick<Attainment, "status" | "data_completeness_ratio">): string {
  const complete = a.data_completeness_ratio;
  if (a.status !== "met" || complete === null || complete === undefined || complete >= whole) return a.status.replace("_", " ");
  return `met so far, ${ofData(complete)} of data`;
}

function Budget({ left }: { left: number | null }) {
  if (left === null) return <span class="quiet">no data</span>;
  return (
    <span class="budget">
      <span class="track" aria-hidden="true">
        <span class={left < 0 ? "spent" : "left"} style={{ width: `${Math.max(0, Math.min(1, left)) * 100}%` }} />
      </span>
      <span class="num">{left < 0 ? `overspent by ${percent(-left)}` : percent(left)}</span>
    </span>
  );
}
