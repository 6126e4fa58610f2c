// Numbers and times as people read them. Pure; every number leaves with its
// unit, every time can say itself in UTC.

const dash = "–";

/** seconds prints a duration that was measured: "0.52 s", "420 ms", "12 s". */
export function seconds(s: number | undefined): string {
  if (s === undefined || !Number.isFinite(s)) return dash;
  if (s === 0) return "0 s";
  if (s < 0.001) return "<1 ms";
  if (s < 0.1) return `${trim(s * 1000, s < 0.01 ? 1 : 0)} ms`;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(2)} s`;
  if (s < 100) return `${s.toFixed(1)} s`;
  return `${Math.round(s)} s`;
}

/** percent prints a ratio: "0.4 %", "62 %". */
export function percent(ratio: number | undefined): string {
  if (ratio === undefined || !Number.isFinite(ratio)) return dash;
  const p = ratio * 100;
  if (p !== 0 && Math.abs(p) < 0.1) return "<0.1 %";
  return `${Math.abs(p) < 10 && p % 1 !== 0 ? trim(p, 1) : Math.round(p)} %`;
}

/** count prints a plain number with thin spaces between thousands. */
export function count(n: number | undefined): string {
  if (n === undefined || !Number.isFinite(n)) return dash;
  const s = trim(n, Math.abs(n) < 10 ? 1 : 0);
  return s.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

/** figure prints a number of unknown kind, with four digits that count: "0.8312", "12 340". */
export function figure(n: number): string {
  if (!Number.isFinite(n)) return dash;
  const abs = Math.abs(n);
  if (abs >= 1e7 || (n !== 0 && abs < 0.001)) return n.toExponential(2).replace("e+", "e").replace("-", "\u2212");
  const s = abs >= 1000 ? count(Math.round(abs)) : String(Number(abs.toPrecision(4)));
  return n < 0 ? `\u2212${s}` : s;
}

/** share prints a ratio that was rounded along with its siblings: "62 %", "0.4 %"; "<0.1 %" where rounding left nothing of something. */
export function share(ratio: number, trickles = false): string {
  if (trickles && ratio === 0) return "<0.1 %";
  return `${trim(ratio * 100, 1)} %`;
}

/** plural prints a count with its noun: "1 token", "2 tokens", "1 canary", "3 canaries". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${count(n) === "1" ? one : many}`;
}

/** weight prints a fraction as the API has it: "1", "0.4", "0.05". */
export function weight(w: number | undefined): string {
  return w === undefined || !Number.isFinite(w) ? dash : trim(w, 2);
}

/** nats prints evidence: "17 nats", "0.4 nats"; nothing where there is none to speak of. */
export function nats(n: number): string {
  if (!(n >= 0.05)) return "";
  return `${trim(n, n < 10 ? 1 : 0)} nats`;
}

/** usd prints a cost that may be far below a cent. */
export function usd(n: number | undefined): string {
  if (n === undefined || !Number.isFinite(n)) return dash;
  if (n === 0) return "$0";
  return n < 0.01 ? `$${n.toPrecision(2)}` : `$${n.toFixed(2)}`;
}

/** price prints dollars per million tokens, all its digits: "$2.50", "$0.075". */
export function price(n: number): string {
  const cents = n.toFixed(2);
  return `$${Math.abs(Number(cents) - n) < 1e-9 ? cents : trim(n, 4)}`;
}

/** span prints a long duration, coarsely: "40 s", "12 min", "3 h 5 min", "2 d". */
export function span(s: number): string {
  s = Math.max(0, Math.round(s));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return m % 60 === 0 || h >= 10 ? `${h} h` : `${h} h ${m % 60} min`;
  const d = Math.floor(h / 24);
  return h % 24 === 0 || d >= 10 ? `${d} d` : `${d} d ${h % 24} h`;
}

const pad = (n: number) => String(n).padStart(2, "0");

/** clock prints a time of day, local: "03:12", or with its date when it is not of today. */
export function clock(t: number, now: number, withSeconds = false): string {
  const d = new Date(t);
  const hm = `${pad(d.getHours())}:${pad(d.getMinutes())}${withSeconds ? ":" + pad(d.getSeconds()) : ""}`;
  const today = new Date(now);
  if (d.toDateString() === today.toDateString()) return hm;
  const day = `${d.getDate()} ${months[d.getMonth()]}`;
  return d.getFullYear() === today.getFullYear() ? `${day} ${hm}` : `${day} ${d.getFullYear()} ${hm}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** utc prints a time for the hover: "2026-11-20 03:12:05 UTC". */
export function utc(t: number): string {
  return new Date(t).toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

/** words turns a wire name into English: "first_token" to "first token". */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

/** trim prints n with at most digits decimals and no trailing zeros. */
export function trim(n: number, digits: number): string {
  const s = n.toFixed(digits);
  return s.includes(".") ? s.replace(/\.?0+$/, "") : s;
}
