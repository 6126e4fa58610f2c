// The charts of the target page: one time axis, one cursor, verdict changes
// drawn through all. This file, with uPlot, is fetched when first needed.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "preact/hooks";
import type { State } from "./api";
import { known, time } from "./api";
import { clock, percent, plural, seconds, span, utc, weight, words } from "./format";
import { Mark, When } from "./parts";
import { type Chart, type Past, empty, latest } from "./past";
import { columns, drawn, palette } from "./plot";
import { onTheme } from "./theme";

type Cut = (from: number, to: number) => void;

/** Pointer is where the cursor stands, told to every chart's readout. */
interface Pointer {
  index: number | null;
  listeners: Set<() => void>;
}

export function Charts({ past, cut }: { past: Past; cut: Cut }) {
  const pointer = useRef<Pointer>({ index: null, listeners: new Set() }).current;
  const [table, showTable] = useState(false);
  const some = past.charts.some((c) => c.key !== "weight" && !empty(c));
  return (
    <>
      <Cursor past={past} pointer={pointer} />
      <States past={past} />
      {!some && <p class="quiet">No answers in this range. Choose a longer one, or wait for the next probe.</p>}
      {past.charts.map((c, i) => (
        <Plot key={c.key} chart={c} past={past} pointer={pointer} cut={cut} axis={i === past.charts.length - 1} />
      ))}
      {past.truncated && <p class="quiet small">There was more in this range than one answer holds: the oldest part is left out.</p>}
      <details class="as-table" onToggle={(e) => showTable(e.currentTarget.open)}>
        <summary>The same as a table</summary>
        {table && <Table past={past} />}
      </details>
    </>
  );
}

/** Cursor is the time under the pointer, or the step that the charts have. */
function Cursor({ past, pointer }: { past: Past; pointer: Pointer }) {
  const index = usePointer(pointer);
  const t = index === null ? undefined : past.t[index];
  return (
    <p class="cursor num quiet small">
      {t === undefined ? (
        <>
          <When t={past.from * 1000} /> to <When t={past.to * 1000} />, a point each {span(past.step)}{past.simulatedUntil > past.from && "; the tinted part is simulated"}; drag to look closer
        </>
      ) : (
        <>
          {clock(t * 1000, Date.now(), true)} <span>({utc(t * 1000)})</span>
        </>
      )}
    </p>
  );
}

function usePointer(pointer: Pointer): number | null {
  const [index, set] = useState<number | null>(null);
  useEffect(() => {
    const f = () => set(pointer.index);
    pointer.listeners.add(f);
    return () => void pointer.listeners.delete(f);
  }, []);
  return index;
}

/** States is the verdict over time, a strip above the charts. */
function States({ past }: { past: Past }) {
  const length = past.to - past.from;
  const spans: { state: State | "none"; part: number }[] = [];
  const steps: { at: number; state: State | "none" }[] = [{ at: past.from, state: "none" }, ...past.states];
  for (const [i, s] of steps.entries()) {
    const end = steps[i + 1]?.at ?? past.to;
    const last = spans[spans.length - 1];
    if (end <= s.at) continue;
    const part = (end - s.at) / length;
    if (last?.state === s.state) last.part += part;
    else spans.push({ state: s.state, part });
  }
  return (
    <div class="states" role="img" aria-label={`verdicts in order: ${spans.filter((s) => s.state !== "none").map((s) => s.state).join(", ") || "none"}`}>
      {spans.map((s, i) => (
        <Span key={i} {...s} />
      ))}
    </div>
  );
}

function Span({ state, part }: { state: State | "none"; part: number }) {
  if (state === "none") return <div class="none" style={{ flexGrow: part }} title="no verdict is kept of this time" />;
  return (
    <div class={state} style={{ flexGrow: part }} title={state}>
      {part > 0.03 && <Mark state={state} quiet />} {part > 0.12 && state}
    </div>
  );
}

function Plot({ chart, past, pointer, cut, axis }: { chart: Chart; past: Past; pointer: Pointer; cut: Cut; axis: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latestCut = useRef(cut);
  latestCut.current = cut;
  const nothing = empty(chart);
  const shape = `${chart.key} ${chart.lines.map((l) => l.name).join()} ${axis} ${nothing}`;
  const now = useRef({ chart, past });
  now.current = { chart, past };
  useEffect(() => {
    const el = box.current;
    if (!el || nothing) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = drawn(el, () => now.current, { axis, cut: (a, b) => latestCut.current(a, b), moved: (i) => point(pointer, i) }, palette(el));
    };
    make();
    const off = onTheme(make);
    const size = new ResizeObserver(() => {
      const p = plot.current;
      if (p && el.clientWidth > 0 && el.clientWidth !== p.width) p.setSize({ width: el.clientWidth, height: p.height });
    });
    size.observe(el);
    return () => {
      off();
      size.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData(columns({ chart, past }), true);
  }, [past]);
  return (
    <figure class="chart" data-chart={chart.key}>
      <Readout chart={chart} pointer={pointer} />
      {nothing ? <p class="quiet small nothing">{chart.key === "weight" ? "no weight was published in this range" : "not measured in this range"}</p> : <div ref={box} class="plot" role="img" aria-label={label(chart)} />}
    </figure>
  );
}

function point(pointer: Pointer, index: number | null): void {
  if (pointer.index === index) return;
  pointer.index = index;
  for (const f of pointer.listeners) f();
}

/** Readout is the title with each line's value, at the cursor or now: legend and label in one. */
function Readout({ chart, pointer }: { chart: Chart; pointer: Pointer }) {
  const index = usePointer(pointer);
  const value = (values: (number | null)[]) => (index === null ? latest(values) : (values[index] ?? null));
  const low = chart.interval && value(chart.interval.low);
  const high = chart.interval && value(chart.interval.high);
  return (
    <figcaption>
      <b>{chart.title}</b>
      {chart.lines.map((l) => (
        <span key={l.name} class="num">
          <i class={`stroke ${l.weight}`} aria-hidden="true" />
          {l.name === "weight" ? "" : `${l.name} `}
          {print(chart, value(l.values))}
        </span>
      ))}
      {low != null && high != null && (
        <span class="num quiet">
          <i class="stroke area" aria-hidden="true" />
          {chart.interval!.name} {percent(low)} to {percent(high)}
        </span>
      )}
      {chart.note && <span class="quiet">{chart.note}</span>}
      {chart.usual && (
        <span class="num quiet">
          <i class="stroke band" aria-hidden="true" />
          usual {printUsual(chart)}
        </span>
      )}
    </figcaption>
  );
}

export function print(chart: Chart, v: number | null): string {
  if (v === null) return "–";
  switch (chart.unit) {
    case "seconds":
      return seconds(v);
    case "ratio":
      return percent(v);
    case "tokens":
      return plural(v, "token");
    case "weight":
      return weight(v);
  }
}

/** printUsual names the band, its unit once where both ends have the same. */
function printUsual(chart: Chart): string {
  if (!chart.usual) return "";
  const [low, high] = [print(chart, chart.usual.p05), print(chart, chart.usual.p95)];
  const unit = high.slice(high.indexOf(" "));
  const same = low.endsWith(unit) || (low.endsWith(" token") && unit === " tokens");
  return `${same ? low.slice(0, low.indexOf(" ")) : low} to ${high}`;
}

function label(chart: Chart): string {
  const now = chart.lines.map((l) => `${l.name} ${print(chart, latest(l.values))}`).join(", ");
  const usual = chart.usual ? `; usual ${printUsual(chart)}` : "";
  return `${chart.title} over time, now ${now}${usual}. The values are in the table below the charts.`;
}

/** Table is what the charts show, for those who do not see them; newest first. */
function Table({ past }: { past: Past }) {
  const rows = past.t.map((t, i) => ({ t, i })).filter(({ i }) => past.charts.some((c) => c.key !== "weight" && c.lines.some((l) => l.values[i] !== null)));
  const charts = past.charts.filter((c) => !empty(c));
  return (
    <>
      {past.changes.length > 0 && (
        <ul class="plain">
          {past.changes.map((c) => (
            <li key={c.at}>
              <When t={time(c.at)} withSeconds />: {known(c.from)} to {known(c.to)}
              {c.reasons?.[0] && `, ${c.reasons[0].text || words(c.reasons[0].signal)}`}
            </li>
          ))}
        </ul>
      )}
      <div class="scroll" tabIndex={0} role="region" aria-label="Values over time">
        <table>
          <thead>
            <tr>
              <th scope="col">time</th>
              {charts.flatMap((c) =>
                c.lines.map((l) => (
                  <th key={c.key + l.name} scope="col">
                    {c.title.toLowerCase()}
                    {l.name !== "weight" && ` ${l.name}`}
                  </th>
                )),
              )}
            </tr>
          </thead>
          <tbody>
            {rows.reverse().map(({ t, i }) => (
              <tr key={t}>
                <th scope="row">
                  <When t={t * 1000} withSeconds />
                </th>
                {charts.flatMap((c) =>
                  c.lines.map((l) => (
                    <td key={c.key + l.name} class="num">
                      {print(c, l.values[i] ?? null)}
                    </td>
                  )),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
