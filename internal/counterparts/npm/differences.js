// Compares what is seen at two places, and knows where they may differ.
import fs from 'node:fs'
import { isDeepStrictEqual } from 'node:util'

export const rows = JSON.parse(fs.readFileSync(new URL('differences.json', import.meta.url)))

const used = new Set()

// differing lists the places where two values differ, as {path, direct, routed}.
export function differing(direct, routed, path = '') {
  if (isDeepStrictEqual(direct, routed)) return []
  const both = [direct, routed].every((v) => v && typeof v === 'object' && !Array.isArray(v))
  if (!both) return [{ path, direct, routed }]
  return [...new Set([...Object.keys(direct), ...Object.keys(routed)])].flatMap((k) => differing(direct[k], routed[k], path ? `${path}.${k}` : k))
}

// known reports whether a row speaks of a difference. A row's client, conduct
// and path match names of which they are the beginning, or all if left out.
export function known(client, conduct, behind, path) {
  const row = rows.find((r) => fits(r.clients, client.name) && fits(r.fronts, client.front, true) && fits(r.behind, behind, true) && fits(r.conducts, conduct.name) && fits(r.paths, path))
  if (row) used.add(row.id)
  return !!row
}

const fits = (list, name, whole) => !list || list.some((x) => (whole ? name === x : name.startsWith(x)))

// unused lists the rows that no difference was found for.
export const unused = () => rows.filter((r) => !used.has(r.id)).map((r) => r.id)
