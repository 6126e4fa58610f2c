// The package @anthropic-ai/sdk.
import Anthropic from '@anthropic-ai/sdk'
import { note, results, system, tool } from '../questions.js'

const clientOf = (at) => new Anthropic({ baseURL: at.url, apiKey: at.key, authToken: null, maxRetries: 0 })

function errorOf(err) {
  const said = err.error?.error
  return { class: err.constructor.name, status: err.status, type: said?.type, message: said?.message ?? err.message, retryAfter: err.headers?.get?.('retry-after') ?? undefined }
}

function params(at, q) {
  const content = [{ type: 'text', text: q.text }]
  if (q.image) content.unshift({ type: 'image', source: { type: 'base64', media_type: 'image/png', data: q.image } })
  const messages = [{ role: 'user', content }]
  if (q.after) {
    messages.push({ role: 'assistant', content: q.after.raw })
    messages.push({ role: 'user', content: q.after.ids.map((id, i) => ({ type: 'tool_result', tool_use_id: id, content: results[i] })) })
  }
  return {
    model: at.model, max_tokens: 200, system, messages,
    ...(q.tool && { tools: [{ name: tool.name, description: tool.description, input_schema: tool.parameters }] }),
    ...(q.schema && { output_config: { format: { type: 'json_schema', schema: q.schema } } }),
    ...(q.stop && { stop_sequences: q.stop }), ...q.extra,
  }
}

function seenOf(m) {
  const calls = m.content.filter((b) => b.type === 'tool_use')
  return {
    seen: {
      object: m.type, texts: [m.content.map((b) => b.text ?? '').join('')], calls: calls.map((c) => ({ name: c.name, args: c.input })), finish: [m.stop_reason],
      sequence: m.stop_sequence, usage: { input: m.usage.input_tokens, output: m.usage.output_tokens }, id: !!m.id, model: !!m.model, unknown: m.x_new,
    },
    raw: m.content, ids: calls.map((c) => c.id),
  }
}

async function plain(at, q) {
  return seenOf(await clientOf(at).messages.create(params(at, q), { signal: q.signal }))
}

async function stream(at, q) {
  const s = clientOf(at).messages.stream(params(at, q), { signal: q.signal })
  const events = []
  let unknown, text = ''
  try {
    for await (const ev of s) {
      q.onEvent?.()
      unknown ??= ev.x_new
      const what = ev.content_block?.type ?? ev.delta?.type
      note(events, [ev.type, ev.index, what].filter((x) => x !== undefined).join(' '))
      text += ev.delta?.text ?? ''
    }
  } catch (err) {
    throw Object.assign(err, { texts: [text] })
  }
  const { seen, raw, ids } = seenOf(await s.finalMessage())
  return { seen: { ...seen, events, unknown }, raw, ids }
}

async function models(at) {
  for await (const m of clientOf(at).models.list()) if (m.id === at.listed) return { type: m.type, name: !!m.display_name, created: !Number.isNaN(Date.parse(m.created_at)) }
}

export default [{ name: 'anthropic', front: 'anthropic', family: 'claude-sonnet-4-5', lacks: new Set(['n', 'embed']), errorOf, plain, stream, models, listed: 'claude-haiku-4-5', strict: true }]
