// What probes cannot see: the numbers that the target's users measure
// themselves, and what callers said of answers. Comments are hostile: text here,
// and nothing else.

import { type FeedbackSeen, type SignalSeen, get, time } from "./api";
import { figure, percent, plural, words } from "./format";
import { useEvery, useLoad } from "./load";
import { Age, When } from "./parts";

export function Told({ id }: { id: string }) {
  const [signals, signalsAgain] = useLoad(id, async () => (await get<{ signals: SignalSeen[] }>("/v1/signals", { target: id })).signals);
  const [feedback, feedbackAgain] = useLoad(id, async () => (await get<{ feedback: FeedbackSeen[] }>("/v1/feedback", { target: id })).feedback[0] ?? null);
  useEvery(15_000, () => {
    signalsAgain();
    feedbackAgain();
  });
  const error = signals.error ?? feedback.error;
  return (
    <section class="told" aria-labelledby="told-title">
      <h2 id="told-title">From you and your callers</h2>
      {error && <p class="banner warn">Signals and feedback could not be fetched ({error}).</p>}
      {signals.data?.length === 0 && feedback.data === null && (
        <p class="quiet">
          Nothing yet. <code>POST /v1/signals</code> takes a number that you measure, such as session success or GPU memory; <code>POST /v1/feedback</code> takes thumbs for an answer. Both are scored against the target's own past.
        </p>
      )}
      {signals.data && signals.data.length > 0 && <Signals all={signals.data} />}
      {feedback.data && <Feedback of={feedback.data} />}
    </section>
  );
}

function Signals({ all }: { all: SignalSeen[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table of signals, scrolls sideways">
      <table class="list signals">
        <thead>
          <tr>
            <th scope="col">signal</th>
            <th scope="col">last value</th>
            <th scope="col">latest {Math.max(...all.map((s) => s.recent?.length ?? 1))} values</th>
            <th scope="col">heard</th>
          </tr>
        </thead>
        <tbody>
          {all.map((s) => (
            <tr key={s.signal + s.vantage}>
              <th scope="row">
                {words(s.signal)}
                {s.vantage !== "user" && <span class="sub">{s.vantage}</span>}
              </th>
              <td class="num">{figure(s.value)}</td>
              <td>
                <Trend of={s} />
              </td>
              <td>
                <Age t={time(s.at)} suffix=" ago" />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const width = 160;
const height = 26;

function Trend({ of }: { of: SignalSeen }) {
  const t = trend(of.recent ?? []);
  if (!t) return <span class="quiet">one value so far</span>;
  return (
    <svg class="trend" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={`from ${figure(t.low)} to ${figure(t.high)}, now ${figure(of.value)}`}>
      <title>{`from ${figure(t.low)} to ${figure(t.high)}`}</title>
      <path class="line" d={t.path} />
    </svg>
  );
}

/** trend draws values over their time, from the lowest to the highest; undefined for fewer than two. */
export function trend(values: { at: string; value: number }[]): { path: string; low: number; high: number } | undefined {
  if (values.length < 2) return undefined;
  const low = Math.min(...values.map((v) => v.value));
  const high = Math.max(...values.map((v) => v.value));
  const from = time(values[0]!.at);
  const long = time(values[values.length - 1]!.at) - from;
  const x = (v: { at: string }, i: number) => (long > 0 ? (time(v.at) - from) / long : i / (values.length - 1)) * width;
  const y = (v: number) => (high > low ? height - 2 - ((v - low) / (high - low)) * (height - 4) : height / 2);
  const path = values.map((v, i) => `${i === 0 ? "M" : "L"}${x(v, i).toFixed(1)} ${y(v.value).toFixed(1)}`).join("");
  return { path, low, high };
}

function Feedback({ of }: { of: FeedbackSeen }) {
  return (
    <>
      <p data-testid="feedback">{verdict(of)}</p>
      <ul class="plain opinions">
        {of.last.slice(0, 6).map((o, i) => (
          <li key={o.at + i}>
            <When t={time(o.at)} withSeconds />
            <span class={o.score < 0.5 ? "outcome bad" : "outcome good"}>
              <span aria-hidden="true">{o.score < 0.5 ? "✕" : "✓"}</span> {opinion(o.score)}
            </span>
            <span class="quiet">
              {o.route}
              {o.comment && <q>{o.comment}</q>}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** verdict sums the day's feedback up, with what so few words allow to say. */
export function verdict(f: FeedbackSeen): string {
  if (!f.bad) return "No word on an answer within the last day.";
  const { ratio, low, high, total } = f.bad;
  const few = total < 1000 ? " with so few" : "";
  return `${plural(total, "word")} on answers in the last day, ${percent(ratio)} bad (${percent(low)} to ${percent(high)}${few}).`;
}

const opinion = (score: number) => (score === 1 ? "good" : score === 0 ? "bad" : `${percent(score)} good`);
