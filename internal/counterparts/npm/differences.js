// Compares what is seen at two places, and knows where they may differ.
import fs from 'node:fs'
import { isDeepStrictEqual } from 'node:util'

export const rows = JSON.parse(fs.readFileSync(new URL('differences.json', import.meta.url)))

const used = new Set()

// failed is how a place that ends a call with an error differs from one that does not.
export const failed = (err) => [{ path: 'failed', routed: err.message }]

// differing lists the places where two values differ, as {path, direct, routed}.
export function differing(direct, routed, path = '') {
  if (isDeepStrictEqual(direct, routed)) return []
  const both = [direct, routed].every((v) => v && typeof v === 'object' && !Array.isArray(v))
  if (!both) return [{ path, direct, routed }]
  return [...new Set([...Object.keys(direct), ...Object.keys(routed)])].flatMap((k) => differing(direct[k], routed[k], path ? `${path}.${k}` : k))
}

// known reports whether a row speaks of a difference d.
export function known(client, conduct, behind, d) {
  const row = rows.find((r) => fits(r.clients, client.name) && fits(r.fronts, client.front, true) && fits(r.behind, behind, true) && (!r.other || house(client.front) !== house(behind)) &&
    fits(r.conducts, conduct.name) && fits(r.paths, d.path) && as(r.routed, d))
  if (row) used.add(row.id)
  return !!row
}

// fits reports whether a list has a name, or the beginning of one; no list has all.
const fits = (list, name, whole) => !list || list.some((x) => (whole ? name === x : name.startsWith(x)))

// house is whose words a protocol's are.
const house = (protocol) => (protocol === 'azure' ? 'openai' : protocol)

// as reports whether what is seen through the router is what a row says of the
// place: the same value, or a text that holds its words.
const as = (routed, d) => routed?.[d.path] === undefined || isDeepStrictEqual(routed[d.path], d.routed) ||
  (typeof d.routed === 'string' && typeof routed[d.path] === 'string' && d.routed.includes(routed[d.path]))

// unused lists the rows that no difference was found for.
export const unused = () => rows.filter((r) => !used.has(r.id)).map((r) => r.id)

const page = new URL('../../../docs/dialects.md', import.meta.url)
const head = '<!-- npm differences: written by a test, see internal/counterparts/npm -->\n', end = '\n<!-- end of npm differences -->'

// documented returns the table that the documentation has now.
export function documented() {
  const text = fs.readFileSync(page, 'utf8')
  const from = text.indexOf(head), to = text.indexOf(end)
  return from < 0 || to < 0 ? '' : text.slice(from + head.length, to)
}

// write puts the table into the documentation, where its marks are.
export const write = () => fs.writeFileSync(page, fs.readFileSync(page, 'utf8').replace(head + documented() + end, () => head + table() + end))

const cell = (list) => (list ? list.join(', ') : 'every')

// table is the rows as the documentation shows them.
export const table = () => [
  '| client | behind | conduct | what is otherwise | why |', '|---|---|---|---|---|',
  ...rows.map((r) => `| ${r.clients ? cell(r.clients) : r.fronts ? `of ${cell(r.fronts)}` : 'every'} | ${r.other ? 'of another dialect' : cell(r.behind)} | ${cell(r.conducts)} | ${r.what} | ${r.why} |`),
].join('\n')
