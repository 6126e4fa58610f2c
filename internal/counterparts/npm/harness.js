// Starts what the tests talk to: the simulator and the router as the real
// binary, and the relay, each on a free loopback port.
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { startRelay } from './relay.js'

const root = path.resolve(import.meta.dirname, '../../..')

// BEHIND are the protocols that the router asks targets in.
export const BEHIND = ['openai', 'openai_responses', 'anthropic', 'gemini', 'azure']

const below = { openai: '/v1', openai_responses: '/v1', gemini: '/v1beta', anthropic: '', azure: '' }

// start builds the binary and starts everything. scopes are all that will be
// asked: {id, model, behind, ways, fault}; those without behind are asked
// directly. faults are the simulator's, by name: each strikes in a region of
// that name.
export async function start(scopes, faults) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'counterparts-'))
  const binary = process.env.BELLWETHER_BINARY ?? path.join(dir, 'bellwether')
  if (!process.env.BELLWETHER_BINARY) execFileSync('go', ['build', '-o', binary, './cmd/bellwether'], { cwd: root, stdio: 'inherit' })
  const running = []
  let relay
  const stop = async () => {
    await relay?.stop()
    for (const child of running.reverse()) await ended(child)
    fs.rmSync(dir, { recursive: true, force: true })
  }
  try {
    const sim = await listening(running, binary, ['simulate', '--listen', '127.0.0.1:0'])
    await put(sim + '/_faults', Object.entries(faults).map(([region, fault]) => ({ region, ...fault })))
    relay = await startRelay(sim)
    const up = (s) => (s.ways ? `${relay.url}/${s.ways}/${s.id}` : sim) + `/r/${s.fault ?? 'well'}`
    fs.writeFileSync(path.join(dir, 'router.json'), JSON.stringify(config(scopes.filter((s) => s.behind), up)))
    const router = await listening(running, binary, ['router', '--config', path.join(dir, 'router.json')])
    return {
      up, router, stop, seen: relay.seen,
      counts: async (id) => (await (await fetch(sim + '/_requests')).json())[id],
    }
  } catch (err) {
    await stop()
    throw err
  }
}

// config makes each scope a target, of a provider of its own: keys and
// breakers that one conduct wears out are nobody else's.
function config(scopes, up) {
  const providers = {}
  for (const s of scopes) providers[s.id] = { protocol: s.behind, base_url: up(s) + below[s.behind], api_key: 'provider-key' }
  return {
    providers,
    targets: scopes.map((s) => ({ id: s.id, provider: s.id, model: s.model })),
    router: { listen: '127.0.0.1:0' },
  }
}

// listening starts the binary and returns the address that it says it serves.
function listening(running, binary, args) {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.push(child)
  let said = ''
  return new Promise((resolve, reject) => {
    const hear = (part) => {
      if (said === undefined) return
      said += part
      const at = said.match(/http:\/\/127\.0\.0\.1:\d+/)
      if (at) { said = undefined; resolve(at[0]) }
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('exit', (code) => reject(new Error(`bellwether ${args[0]} ended with ${code}: ${said}`)))
  })
}

async function ended(child) {
  if (child.exitCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(late)
}

async function put(url, body) {
  const r = await fetch(url, { method: 'PUT', body: JSON.stringify(body) })
  if (!r.ok) throw new Error(`${url}: ${r.status} ${await r.text()}`)
}
