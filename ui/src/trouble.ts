// Which targets need somebody's eye, and what to say of one that has no verdict.
// Pure.

import { type Reason, type State, type Target, known, severity } from "./api";

/** What a target's silence is about, by the code of its reason, in few words. */
const silences: Record<string, { words: string; weight: "none" | "stands" }> = {
  key_rejected: { words: "our key is refused", weight: "none" },
  no_credit: { words: "our credit is used up", weight: "none" },
  request_rejected: { words: "our request is refused", weight: "stands" },
  blocked: { words: "our probes are blocked", weight: "stands" },
};

type Judged = Pick<Target, "state" | "cause" | "reasons">;

/**
 * refusal says in few words why there can be no verdict on t though it
 * answers: because what we send is turned away. Undefined where that is not so.
 */
export function refusal(t: Judged): string | undefined {
  if (known(t.state) !== "unknown") return undefined;
  const why = refused(t.reasons);
  if (why) return silences[why.code!]!.words;
  return t.cause === "account" ? "our key, quota or bill is refused" : undefined;
}

const refused = (rs: Reason[] | null) => rs?.find((r) => r.code !== undefined && Object.hasOwn(silences, r.code));

/** gravity orders targets as state does, with those that refuse us among them: 0 nothing to see, 3 takes no traffic. */
export function gravity(t: Judged): number {
  const s = severity(known(t.state));
  if (s > 0 || !refusal(t)) return s;
  const code = refused(t.reasons)?.code;
  return code && silences[code]!.weight === "stands" ? 1 : 3;
}

/** tint is the class by which a target's tile is coloured. */
export function tint(t: Judged): State | "refused" {
  return refusal(t) ? "refused" : known(t.state);
}
