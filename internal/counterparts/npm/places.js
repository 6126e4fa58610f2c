// The places where a client carries out a conduct: at the simulator itself
// and, through the router, in front of every protocol.
import { BEHIND } from './harness.js'
import { conducts } from './conducts.js'

import anthropic from './clients/anthropic.js'
import google from './clients/google.js'
import langchain from './clients/langchain.js'
import openai from './clients/openai.js'
import vercel from './clients/vercel.js'

export const clients = [...openai, ...anthropic, ...google, ...vercel, ...langchain]

const slug = (s) => s.toLowerCase().replace(/[^a-z0-9]+/g, '-')

// scopeOf names what one client asks of one target in one conduct, and nobody else.
export function scopeOf(client, conduct, behind) {
  const id = [conduct.model ?? client.family, slug(client.name), slug(conduct.name), behind ?? 'direct'].join('.')
  return { id, model: `${conduct.model ?? id}?first_token=1ms&inter_token=${conduct.gap ?? '0ms'}`, behind, ways: conduct.ways, fault: conduct.fault }
}

// cases are all clients with all conducts that they are capable of.
export const cases = clients.flatMap((client) => conducts
  .filter((conduct) => !(conduct.needs ?? []).some((need) => client.lacks.has(need)))
  .map((conduct) => ({ client, conduct })))

export const scopes = cases.flatMap(({ client, conduct }) => [undefined, ...BEHIND].map((behind) => scopeOf(client, conduct, behind)))

// placeOf is where a scope is asked, as clients see it.
export function placeOf(world, scope, listed = 'gpt-4o') {
  return {
    url: scope.behind ? world.router : world.up(scope), key: 'callers-key',
    model: scope.behind ? scope.id : scope.model,
    listed: scope.behind ? scope.id : listed,
    counts: () => world.counts(scope.id), seen: () => world.seen(scope.id),
  }
}
