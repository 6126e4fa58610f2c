// Server-sent events over fetch. EventSource hides the status of a refusal, the
// silence of a dead connection and events whose names it was not told; all
// three matter here.

export interface Event {
  type: string;
  data: string;
}

/** parser returns a function that takes text as it arrives and yields whole events. */
export function parser(onEvent: (e: Event) => void): (chunk: string) => void {
  let rest = "";
  let type = "";
  let data: string[] = [];
  const line = (l: string) => {
    if (l === "") {
      if (data.length > 0) onEvent({ type: type || "message", data: data.join("\n") });
      type = "";
      data = [];
      return;
    }
    if (l.startsWith(":")) return; // a comment, which keeps the connection alive
    const colon = l.indexOf(":");
    const field = colon < 0 ? l : l.slice(0, colon);
    const value = colon < 0 ? "" : l.slice(colon + 1).replace(/^ /, "");
    if (field === "event") type = value;
    if (field === "data") data.push(value);
  };
  return (chunk) => {
    rest += chunk;
    // A lone CR at the end may be half of a CRLF: wait for what follows.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const l of lines) line(l);
  };
}

export interface StreamOptions {
  onOpen: () => void;
  onEvent: (e: Event) => void;
  /** after this many milliseconds without a byte the connection counts as dead */
  silence: number;
  signal: AbortSignal;
}

/** Refused is an answer to the stream's request that is not a stream. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`the server answered ${status}`);
  }
}

/** stream reads url until it ends; it returns or throws when it does. */
export async function stream(url: string, o: StreamOptions): Promise<void> {
  const quit = new AbortController();
  const stop = () => quit.abort();
  if (o.signal.aborted) stop();
  o.signal.addEventListener("abort", stop);
  let timer = setTimeout(stop, o.silence);
  try {
    const res = await fetch(url, {
      headers: { Accept: "text/event-stream" },
      cache: "no-store",
      signal: quit.signal,
    });
    if (!res.ok || !res.body) throw new Refused(res.status);
    o.onOpen();
    const feed = parser(o.onEvent);
    const decoder = new TextDecoder();
    const reader = res.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(stop, o.silence);
      feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(timer);
    o.signal.removeEventListener("abort", stop);
    quit.abort();
  }
}

/** backoff returns the wait before attempt n (from 0) in milliseconds, with jitter from r in [0, 1). */
export function backoff(n: number, r: number): number {
  return Math.min(15_000, 500 * 2 ** n) * (0.5 + r / 2);
}
