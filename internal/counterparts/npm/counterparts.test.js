// Official clients from npm, at the simulator and through the router in front
// of every protocol: what they see must agree, but for known differences.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { BEHIND, start } from './harness.js'
import { faults } from './conducts.js'
import { differing, documented, failed, known, table, unused, write } from './differences.js'
import { cases, placeOf, scopeOf, scopes } from './places.js'

const through = process.env.COUNTERPARTS_DIRECT_ONLY ? [] : BEHIND

let world
before(async () => { world = await start(scopes, faults) })
after(() => world?.stop())

const atOnce = 12

describe('official clients', { concurrency: atOnce }, () => {
  for (const { client, conduct } of cases) {
    test(`${client.name}: ${conduct.name}`, { timeout: 50_000 }, async (t) => {
      const direct = await seenAt(client, conduct)
      conduct.check(direct, client)
      for (const behind of through) await t.test(`${client.name}: ${conduct.name}: through the router to ${behind}`, () => agree(client, conduct, behind, direct))
    })
  }
})

test('every known difference is one', { skip: through.length === 0 }, () => assert.deepEqual(unused(), []))

test('docs/dialects.md has the known differences; COUNTERPARTS_UPDATE=1 writes them', () => {
  if (process.env.COUNTERPARTS_UPDATE) write()
  assert.equal(documented(), table())
})

async function agree(client, conduct, behind, direct) {
  const found = await seenAt(client, conduct, behind).then((routed) => differing(direct, routed), failed)
  assert.deepEqual(found.filter((d) => !known(client, conduct, behind, d)), [])
}

// seenAt carries out a conduct and returns what was seen, as JSON has it.
async function seenAt(client, conduct, behind) {
  const at = placeOf(world, scopeOf(client, conduct, behind), client.listed)
  return JSON.parse(JSON.stringify(await conduct.run(client, at)))
}
