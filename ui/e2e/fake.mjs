// A server that speaks as much of the API as the dashboard listens to, over
// invented but plausible data, so that the edges of the page can be tested:
// hostile answers, lost connections, empty and enormous installations.
//
// `node e2e/fake.mjs [scenario]` serves it for a look by hand.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { world } from "./fixtures.mjs";

const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

/**
 * start serves a world; see fixtures.mjs for what a scenario can be.
 * scenario.tokens: scopes by token, where one is needed; scenario.session: the
 * scopes of a session that a page comes with.
 */
export async function start(scenario = {}) {
  const state = { world: world(scenario), streams: new Set(), refuse: undefined, noEvents: false, scopes: scenario.session, requests: [] };
  const server = createServer((req, res) => serve(state, scenario, req, res));
  await new Promise((done) => server.listen(scenario.port ?? 0, "127.0.0.1", done));
  const beat = setInterval(() => state.streams.forEach((s) => s.write(": beat\n\n")), 5_000);
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    world: state.world,
    requests: state.requests,
    /** push sends an event to every open page. */
    push(type, data) {
      for (const s of state.streams) s.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    open: () => state.streams.size,
    /** drop cuts the streams; with true it also refuses new ones. */
    drop(stay = false) {
      state.noEvents = stay;
      for (const s of state.streams) s.destroy();
      state.streams.clear();
    },
    /** refuse answers every request of the API with this status; undefined ends it. */
    refuse(status) {
      state.refuse = status;
    },
    restore() {
      state.noEvents = false;
      state.refuse = undefined;
    },
    async close() {
      clearInterval(beat);
      for (const s of state.streams) s.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function serve(state, scenario, req, res) {
  const url = new URL(req.url, "http://fake");
  res.setHeader("Content-Security-Policy", "default-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'");
  if (!url.pathname.startsWith("/v1/")) return file(url.pathname, res);
  state.requests.push(url.pathname + url.search);
  if (url.pathname === "/v1/session") return session(state, scenario, req, res);
  if (state.refuse) return problem(res, state.refuse, "The store does not answer.");
  if (scenario.tokens && !state.scopes) return problem(res, 401, "A token is needed.");
  if (scenario.tokens && !state.scopes.includes("read")) return problem(res, 403, "This needs read.");
  if (url.pathname === "/v1/events") return events(state, res);
  const answer = state.world.answer(url.pathname, url.searchParams);
  if (answer === undefined) return problem(res, 404, "There is no such thing.");
  json(res, 200, answer);
}

function events(state, res) {
  if (state.noEvents) return problem(res, 503, "No streams now.");
  res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  res.write(`event: hello\ndata: ${JSON.stringify({ at: new Date(), version: "fake", simulated: state.world.simulated })}\n\n`);
  state.streams.add(res);
  res.on("close", () => state.streams.delete(res));
}

function session(state, scenario, req, res) {
  const seen = () => ({ open: !scenario.tokens, authenticated: !scenario.tokens || !!state.scopes, ...(state.scopes ? { name: "tester" } : {}), scopes: scenario.tokens ? (state.scopes ?? []) : ["read", "observe", "operate"] });
  if (req.method === "GET") return json(res, 200, seen());
  if (req.method === "DELETE") {
    state.scopes = undefined;
    res.writeHead(204);
    return res.end();
  }
  let body = "";
  req.on("data", (d) => (body += d));
  req.on("end", () => {
    const scopes = scenario.tokens?.[JSON.parse(body).token];
    if (!scopes) return problem(res, 401, "No such token");
    if (scenario.picky && !scopes.includes("read")) return problem(res, 403, "This token lacks scope read");
    state.scopes = scopes;
    json(res, 200, seen());
  });
}

function file(path, res) {
  const wanted = normalize(join(dist, path));
  const found = extname(path) && wanted.startsWith(dist) && existsSync(wanted) ? wanted : extname(path) ? undefined : join(dist, "index.html");
  if (!found) return problem(res, 404, "No such file.");
  res.setHeader("Content-Type", types[extname(found)] ?? "application/octet-stream");
  createReadStream(found).pipe(res);
}

function json(res, status, body) {
  res.writeHead(status, { "Content-Type": "application/json" });
  res.end(JSON.stringify(body));
}

function problem(res, status, detail) {
  res.writeHead(status, { "Content-Type": "application/problem+json" });
  res.end(JSON.stringify({ type: "about:blank", title: "Problem", status, detail }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fake = await start({ kind: process.argv[2] ?? "degraded", port: 8790 });
  console.log(fake.url);
}
