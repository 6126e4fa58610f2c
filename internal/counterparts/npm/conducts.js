// What is done with every client at every place. A conduct returns what the
// client saw; the direct one must satisfy check, and what it sees through the
// router must agree with that.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { capital, city, count, picture, results, weather } from './questions.js'
import { EMOJI } from './relay.js'

const COUNT = '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12'

// short asks for one word. Whether a point ends it is the model's mood.
const short = (call) => async (client, at) => {
  const seen = await call(client, at)
  return { ...seen, texts: seen.texts.map((t) => t.replace(/\.$/, '')), usage: undefined, deltas: undefined }
}

const ask = (q) => async (client, at) => (await client.plain(at, q)).seen
const pour = (q) => async (client, at) => (await client.stream(at, q)).seen

// failing returns the error that a call ends with, as callers can tell it.
const failing = (call) => async (client, at) => {
  try {
    await call(client, at)
  } catch (err) {
    return { ...client.errorOf(err), ...(err.texts && { texts: err.texts }) }
  }
  return { class: 'none' }
}

const says = (text) => (seen) => assert.equal(seen.texts[0], text)

const counts = (seen) => {
  says(COUNT)(seen)
  assert.equal(seen.finish.length, 1)
}

const usage = (seen) => {
  counts(seen)
  assert.equal(seen.usage.output, 23)
  assert.ok(seen.usage.input > 5)
}

// orError returns what was seen, or the error.
const orError = (call) => async (client, at) => {
  let seen
  const err = await failing(async () => { seen = await call(client, at) })(client, at)
  return seen ?? err
}

function twoCalls(seen) {
  assert.deepEqual(seen.calls.map((c) => c.args), [{ city: 'Paris', unit: 'celsius' }, { city: 'Tokyo', unit: 'celsius' }])
}

async function roundTrip(client, at) {
  const first = await client.plain(at, weather)
  twoCalls(first.seen)
  const after = { raw: first.raw, ids: first.ids }
  const { seen } = await client.plain(at, { ...weather, after })
  // Ids count as tokens of the question, and each provider has its own.
  return { ...seen, answered: results.every((r) => seen.texts[0].includes(r)), texts: [], usage: undefined }
}

// left makes a call, leaves when told to, and says what the simulator saw of it.
const left = (stream, leave) => async (client, at) => {
  const c = new AbortController()
  const q = { ...count, signal: c.signal, onEvent: leave.onEvent?.(c) }
  const call = stream ? client.stream(at, q) : client.plain(at, q)
  const gone = call.then(() => 'answered', (err) => (/abort/i.test(err.name + err.constructor.name + err.message) ? 'aborted' : `failed: ${err.message}`))
  if (!leave.onEvent) {
    await until(at, (n) => n?.received === 1)
    c.abort()
  }
  const outcome = await gone
  const n = await until(at, (n) => n?.cancelled === 1)
  return { outcome, received: n.received, cancelled: n.cancelled }
}

const wantLeft = ({ received, cancelled }) => assert.deepEqual({ received, cancelled }, { received: 1, cancelled: 1 })

async function until(at, fits) {
  for (let i = 0; i < 100; i++) {
    const n = await at.counts()
    if (fits(n)) return n
    await sleep(20)
  }
  throw new Error(`the simulator counted ${JSON.stringify(await at.counts())}`)
}

// third leaves at the third event.
const third = (c) => {
  let n = 0
  return () => { if (++n === 3) c.abort() }
}

const long = { text: 'Notes: ' + 'The river is wide. '.repeat(55_000) + capital.text }

// sent asks with a field that no dialect knows and says whether it arrived.
async function sent(client, at) {
  const { seen } = await client.plain(at, { ...count, extra: { x_asked: { deep: [1, 'é'] } } })
  return { ...seen, arrived: at.seen().body.x_asked }
}

async function vectors(client, at) {
  const r = await client.embed(at, ['the cat sat on the mat', 'quarterly revenue grew'])
  return { of: r.vectors.map((v) => v.length), unit: r.vectors.map((v) => Math.round(v.reduce((s, x) => s + x * x, 0) * 1000)), first: r.vectors[0].slice(0, 3).map((x) => Math.round(x * 1e5)), usage: r.usage }
}

function wantVectors(seen) {
  assert.equal(seen.of.length, 2)
  assert.ok(seen.of[0] >= 256)
  assert.deepEqual(seen.unit, [1000, 1000])
}

// errors are refusals that every client sees as they are. limited tells when
// to come again, later than a router would wait for.
export const faults = {
  s400: { kind: 'status', value: 400 }, s401: { kind: 'status', value: 401 }, s404: { kind: 'status', value: 404 }, s413: { kind: 'status', value: 413 },
  s422: { kind: 'status', value: 422 }, s429: { kind: 'status', value: 429 }, limited: { kind: 'rate_limit', value: 60 }, s500: { kind: 'status', value: 500 },
  s529: { kind: 'status', value: 529 }, hang: { kind: 'hang' }, undone: { kind: 'no_done' },
}

const status = (fault, want) => ['plain', 'streamed'].map((how) => ({
  name: `${fault} ${how}`, fault, run: failing(how === 'plain' ? ask(capital) : pour(capital)),
  check: (seen) => assert.ok(seen.status === want || (how === 'streamed' && seen.status === undefined && seen.class !== 'none')),
}))

export const conducts = [
  { name: 'plain', run: ask(count), check: usage },
  { name: 'streamed', run: pour(count), check: counts },
  { name: 'streamed with usage', run: pour({ ...count, usage: true }), check: usage },
  { name: 'parallel calls streamed', run: pour(weather), check: twoCalls },
  { name: 'tool results', run: roundTrip, check: (seen) => assert.ok(seen.answered) },
  { name: 'picture', run: short(ask(picture)), check: (seen) => assert.match(seen.texts[0], /^Red/) },
  { name: 'schema', run: ask(city), check: (seen) => assert.deepEqual(JSON.parse(seen.texts[0]), { city: 'Tokyo', country: 'Japan' }) },
  { name: 'two choices', needs: ['n'], run: ask({ ...count, n: 2 }), check: (seen) => assert.deepEqual(seen.texts, [COUNT, COUNT]) },
  { name: 'two choices streamed', needs: ['n', 'n streamed'], run: pour({ ...count, n: 2 }), check: (seen) => assert.deepEqual(seen.texts, [COUNT, COUNT]) },
  { name: 'stop sequence', needs: ['stop'], run: ask({ ...count, stop: [', 5'] }), check: says('1, 2, 3, 4') },
  { name: 'stop sequence streamed', needs: ['stop'], run: pour({ ...count, stop: [', 5'] }), check: says('1, 2, 3, 4') },
  ...status('s400', 400), ...status('s401', 401), ...status('s404', 404), ...status('s413', 413), ...status('s422', 422),
  ...status('s429', 429), ...status('limited', 429), ...status('s500', 500), ...status('s529', 529),
  { name: 'left before the first byte', fault: 'hang', run: left(false, {}), check: wantLeft },
  { name: 'left before the first byte of a stream', fault: 'hang', run: left(true, {}), check: wantLeft },
  { name: 'left mid-stream', gap: '100ms', run: left(true, { onEvent: third }), check: wantLeft },
  { name: 'a megabyte', run: short(ask(long)), check: (seen) => assert.match(seen.texts[0], /^Paris/) },
  { name: 'a megabyte streamed', run: short(pour(long)), check: (seen) => assert.match(seen.texts[0], /^Paris/) },
  { name: 'split characters', ways: 'emoji+split', run: short(ask(capital)), check: says(EMOJI) },
  { name: 'split characters streamed', ways: 'emoji+split', run: short(pour(capital)), check: says(EMOJI) },
  { name: 'no end of stream', fault: 'undone', run: orError(pour(count)), check: (seen, client) => (client.strict ? assert.notEqual(seen.class, undefined) : counts(seen)) },
  { name: 'error after content', ways: 'error', gap: '30ms', run: failing(pour(count)), check: (seen, client) => assert.equal(seen.class === 'none', !!client.deaf) },
  { name: 'keep-alive comments', ways: 'comments', run: pour(count), check: counts },
  { name: 'compressed', ways: 'gzip', run: ask(count), check: usage },
  { name: 'compressed stream', ways: 'gzip', run: pour(count), check: counts },
  { name: 'unknown fields sent', needs: ['extra'], ways: 'watched', run: sent, check: (seen) => assert.deepEqual(seen.arrived, { deep: [1, 'é'] }) },
  { name: 'unknown fields answered', needs: ['unknown'], ways: 'unknown', run: ask({ ...count, unknown: true }), check: (seen) => assert.deepEqual(seen.unknown, { answer: 42 }) },
  { name: 'unknown fields streamed', needs: ['unknown'], ways: 'unknown', run: pour({ ...count, unknown: true }), check: (seen) => assert.deepEqual(seen.unknown, { answer: 42 }) },
  { name: 'embeddings', needs: ['embed'], model: 'text-embedding-3-small', // whose space all share
    run: vectors, check: wantVectors },
  { name: 'models', needs: ['models'], run: async (client, at) => (await client.models(at)) ?? { class: 'not listed' }, check: (seen) => assert.notEqual(seen.class, 'not listed') },
]
