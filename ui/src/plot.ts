// One chart as uPlot draws it. Colours come from the style sheet, so that there
// is one palette for both themes.

import uPlot from "uplot";
import { known, time } from "./api";
import { clock, seconds, trim } from "./format";
import type { Chart, Column, Past } from "./past";

interface Now {
  chart: Chart;
  past: Past;
}

interface Options {
  axis: boolean; // whether the time axis is labelled
  cut: (from: number, to: number) => void;
  moved: (index: number | null) => void;
}

export type Palette = (name: string) => string;

/** palette reads the colours that hold at el now, as the canvas understands them. */
export function palette(el: Element): Palette {
  const probe = document.createElement("i");
  const known = new Map<string, string>();
  return (name) => {
    let c = known.get(name);
    if (c === undefined) {
      el.append(probe);
      probe.style.color = `var(--${name})`;
      c = getComputedStyle(probe).color;
      probe.remove();
      known.set(name, c);
    }
    return c;
  };
}

/** height of a plot grows with its width, so that slopes keep their meaning on a wide screen. */
const height = (width: number) => Math.round(Math.min(150, Math.max(92, width / 9)));
const axisHeight = 26;

export function drawn(el: HTMLElement, now: () => Now, o: Options, colour: Palette): uPlot {
  const { chart } = now();
  const font = `11px ${getComputedStyle(el).fontFamily}`;
  const axes: uPlot.Axis[] = [timeAxis(o.axis, font, colour), valueAxis(chart, font, colour)];
  return new uPlot(
    {
      width: Math.max(200, el.clientWidth),
      height: height(el.clientWidth) + (o.axis ? axisHeight : 0),
      padding: [6, 8, o.axis ? 0 : 4, 0],
      legend: { show: false },
      cursor: { sync: { key: "past", setSeries: false }, y: false, points: { size: 5 }, drag: { setScale: false, x: true, y: false } },
      scales: {
        x: { time: true, range: () => [now().past.from, now().past.to] },
        y: { range: (_u, _min, max) => scale(now().chart, max) },
      },
      axes,
      series: [{}, ...bounds(chart), ...lines(chart, colour)], // the interval first, or it would cover the line
      bands: chart.interval ? [{ series: [1, 2], fill: colour("interval") }] : [],
      hooks: {
        drawClear: [(u) => underlay(u, now(), colour)],
        draw: [(u) => verdicts(u, now().past, colour), (u) => inventedWord(u, now().past, colour)],
        setCursor: [(u) => o.moved(u.cursor.idx ?? null)],
        setSelect: [(u) => select(u, o.cut)],
      },
    },
    columns(now()),
    el,
  );
}

/** columns are a chart's data in the order of its series. */
export function columns({ chart, past }: Now): uPlot.AlignedData {
  const bounds = chart.interval ? [chart.interval.high, chart.interval.low] : [];
  return [past.t, ...[...bounds, ...chart.lines.map((l) => l.values)].map((c) => bridged(past.t, c, past.gap))];
}

/**
 * bridged turns holes shorter than gap seconds into undefined, over which uPlot
 * draws on; at null it breaks the line. A single failed call is no gap.
 */
export function bridged(t: number[], values: Column, gap: number): (number | null | undefined)[] {
  const out: (number | null | undefined)[] = [...values];
  let last = -1; // index of the latest value
  for (let i = 0; i < out.length; i++) {
    if (values[i] === null) continue;
    if (last >= 0 && t[i]! - t[last]! <= gap) out.fill(undefined, last + 1, i);
    last = i;
  }
  return out;
}

function lines(chart: Chart, colour: Palette): uPlot.Series[] {
  const stepped = uPlot.paths.stepped;
  return chart.lines.map((l) => ({
    stroke: colour(`line-${l.weight}`),
    width: l.weight === "strong" ? 1.75 : 1,
    dash: l.weight === "faint" ? [3, 3] : undefined,
    spanGaps: false,
    points: { show: chart.stepped ? false : lone, size: 3, fill: colour(`line-${l.weight}`), width: 0 },
    paths: chart.stepped && stepped ? stepped({ align: 1 }) : undefined,
  }));
}

/** lone shows points only where there are so few that a line would hide them. */
function lone(u: uPlot, series: number): boolean {
  let n = 0;
  for (const v of u.data[series] ?? []) if (v != null) n++;
  return n < 40;
}

function bounds(chart: Chart): uPlot.Series[] {
  if (!chart.interval) return [];
  const none: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false } };
  return [none, { ...none }];
}

/** scale starts at zero: a doubling looks like a doubling. */
function scale(chart: Chart, max: number): [number, number] {
  let top = Math.max(max ?? 0, chart.least ?? 0, (chart.usual?.p95 ?? 0) * 1.15);
  if (chart.most !== undefined) top = Math.min(top, chart.most);
  if (chart.unit === "ratio" || chart.unit === "weight") return [0, top * 1.04];
  return [0, top > 0 ? top * 1.08 : 1];
}

function timeAxis(shown: boolean, font: string, colour: Palette): uPlot.Axis {
  return {
    show: true,
    size: shown ? axisHeight : 0,
    font,
    stroke: colour("quiet"),
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { show: false },
    space: 90,
    values: (u, splits) => {
      if (!shown) return splits.map(() => "");
      const day = (u.scales.x!.max! - u.scales.x!.min!) > 36 * 3600;
      return splits.map((s) => (day ? dayLabel(s) : clock(s * 1000, s * 1000, u.scales.x!.max! - u.scales.x!.min! < 600)));
    },
  };
}

function dayLabel(s: number): string {
  const d = new Date(s * 1000);
  return d.getHours() === 0 ? d.toLocaleDateString("en-GB", { day: "numeric", month: "short" }) : clock(s * 1000, s * 1000);
}

function valueAxis(chart: Chart, font: string, colour: Palette): uPlot.Axis {
  return {
    size: 58,
    font,
    stroke: colour("quiet"),
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { show: false },
    gap: 6,
    space: 28,
    values: (_u, splits) => splits.map((v) => tick(chart, v)),
  };
}

function tick(chart: Chart, v: number): string {
  switch (chart.unit) {
    case "seconds":
      return v === 0 ? "0" : v >= 1 ? `${trim(v, 2)} s` : seconds(v);
    case "ratio":
      return `${trim(v * 100, 1)} %`;
    case "tokens":
      return trim(v, 1);
    case "weight":
      return trim(v, 2);
  }
}

/** underlay draws what is usual, and marks history that was invented. */
function underlay(u: uPlot, { chart, past }: Now, colour: Palette): void {
  const { ctx, bbox } = u;
  ctx.save();
  invented(u, past, colour);
  if (chart.usual && chart.usual.p95 > 0) {
    const top = Math.max(bbox.top, u.valToPos(chart.usual.p95, "y", true));
    const bottom = Math.min(bbox.top + bbox.height, u.valToPos(chart.usual.p05, "y", true));
    ctx.fillStyle = colour("band");
    ctx.fillRect(bbox.left, top, bbox.width, Math.max(1, bottom - top));
    ctx.fillStyle = colour("band-line");
    ctx.fillRect(bbox.left, Math.round(u.valToPos(chart.usual.median, "y", true)), bbox.width, devicePixelRatio);
  }
  ctx.restore();
}

/** inventedWidth is how much of the plot is history that was made up, in device pixels. */
function inventedWidth(u: uPlot, past: Past): number {
  if (!(past.simulatedUntil > past.from)) return 0;
  return Math.min(u.bbox.width, u.valToPos(Math.min(past.simulatedUntil, past.to), "x", true) - u.bbox.left);
}

/** invented tints history that was made up; inventedWord says so, over the lines, where there is room. */
function invented(u: uPlot, past: Past, colour: Palette): void {
  const { ctx, bbox } = u;
  ctx.fillStyle = colour("invented");
  ctx.fillRect(bbox.left, bbox.top, inventedWidth(u, past), bbox.height);
}

function inventedWord(u: uPlot, past: Past, colour: Palette): void {
  const { ctx, bbox } = u;
  if (inventedWidth(u, past) < 80 * devicePixelRatio) return;
  ctx.save();
  ctx.strokeStyle = colour("invented"); // clears the lines around the word
  ctx.lineWidth = 4 * devicePixelRatio;
  ctx.lineJoin = "round";
  ctx.fillStyle = colour("quiet");
  ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(u.root).fontFamily}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  const [x, y] = [bbox.left + 6 * devicePixelRatio, bbox.top + 5 * devicePixelRatio];
  ctx.strokeText("simulated", x, y);
  ctx.fillText("simulated", x, y);
  ctx.restore();
}

/** verdicts draws a line where the verdict changed. */
function verdicts(u: uPlot, past: Past, colour: Palette): void {
  const { ctx, bbox } = u;
  ctx.save();
  for (const c of past.changes) {
    const x = Math.round(u.valToPos(time(c.at) / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.fillStyle = colour(known(c.to));
    ctx.fillRect(x, bbox.top, Math.max(1, devicePixelRatio), bbox.height);
  }
  ctx.restore();
}

function select(u: uPlot, cut: Options["cut"]): void {
  const { left, width } = u.select;
  if (width < 8) return;
  const from = u.posToVal(left, "x");
  const to = u.posToVal(left + width, "x");
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (to - from >= 10) cut(from, to);
}
