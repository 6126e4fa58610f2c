// The package openai: chat, Responses and Azure.
import OpenAI, { AzureOpenAI } from 'openai'
import { note, results, system, tool } from '../questions.js'

const strictTool = { name: tool.name, description: tool.description, parameters: tool.parameters }

const options = (at) => ({ baseURL: at.url + '/v1', apiKey: at.key, maxRetries: 0 })

const chatClient = (at) => new OpenAI(options(at))

// The deployment stands in the path, so that it is escaped.
const azureClient = (at) =>
  new AzureOpenAI({ endpoint: at.url, deployment: encodeURIComponent(at.model), apiVersion: '2024-10-21', apiKey: at.key, maxRetries: 0 })

// errorOf says what callers can tell of an error.
export function errorOf(err) {
  return {
    class: err.constructor.name, status: err.status, type: err.type ?? undefined, code: err.code ?? undefined,
    message: err.message, retryAfter: err.headers?.get?.('retry-after') ?? undefined,
  }
}

function chatParams(at, q) {
  const content = q.image ? [{ type: 'text', text: q.text }, { type: 'image_url', image_url: { url: `data:image/png;base64,${q.image}` } }] : q.text
  const messages = [{ role: 'system', content: system }, { role: 'user', content }]
  if (q.after) {
    messages.push(q.after.raw)
    q.after.ids.forEach((id, i) => messages.push({ role: 'tool', tool_call_id: id, content: results[i] }))
  }
  return {
    model: at.model, messages, max_completion_tokens: 200,
    ...(q.tool && { tools: [{ type: 'function', function: strictTool }] }),
    ...(q.schema && { response_format: { type: 'json_schema', json_schema: { name: 'city', strict: true, schema: q.schema } } }),
    ...(q.n && { n: q.n }), ...(q.stop && { stop: q.stop }), ...q.extra,
  }
}

const usageOf = (u) => u && { input: u.prompt_tokens, output: u.completion_tokens, total: u.total_tokens }

async function chatPlain(client, at, q) {
  const r = await client(at).chat.completions.create(chatParams(at, q), { signal: q.signal })
  const m = r.choices[0].message
  const calls = m.tool_calls ?? []
  return {
    seen: {
      object: r.object, texts: r.choices.map((c) => c.message.content ?? ''), calls: calls.map((c) => ({ name: c.function.name, args: JSON.parse(c.function.arguments) })),
      finish: r.choices.map((c) => c.finish_reason), usage: usageOf(r.usage), id: !!r.id, model: !!r.model, created: r.created > 0, unknown: r.x_new,
    },
    raw: m, ids: calls.map((c) => c.id),
  }
}

async function chatStream(client, at, q) {
  const stream = await client(at).chat.completions.create({ ...chatParams(at, q), stream: true, ...(q.usage && { stream_options: { include_usage: true } }) }, { signal: q.signal })
  const all = { texts: [], calls: [], finish: [], events: [], ids: new Set() }
  const ids = []
  for await (const chunk of stream) {
    q.onEvent?.()
    all.ids.add(chunk.id)
    all.unknown ??= chunk.x_new
    for (const c of chunk.choices) chatChunk(all, ids, c)
    if (chunk.usage) {
      note(all.events, 'usage')
      all.usage = usageOf(chunk.usage)
      all.usageAlone = chunk.choices.length === 0
    }
  }
  if (q.n) all.events = [] // whose pieces come when is nobody's promise
  return { seen: { ...all, ids: all.ids.size, calls: all.calls.map((c) => ({ name: c.name, args: JSON.parse(c.args) })) }, ids }
}

function chatChunk(all, ids, c) {
  const d = c.delta ?? {}
  all.texts[c.index] ??= ''
  if (d.role && !all.events.length) note(all.events, 'role')
  if (d.content) {
    note(all.events, 'content')
    all.texts[c.index] += d.content
  }
  for (const t of d.tool_calls ?? []) {
    if (t.id) {
      ids.push(t.id)
      note(all.events, `call ${t.index} ${t.type} ${t.function.name}`)
      all.calls[t.index] = { name: t.function.name, args: '' }
    }
    if (t.function?.arguments) note(all.events, `arguments ${t.index}`)
    all.calls[t.index].args += t.function?.arguments ?? ''
  }
  if (c.finish_reason) {
    note(all.events, 'finish')
    all.finish[c.index] = c.finish_reason
  }
}

async function embed(client, at, texts) {
  const r = await client(at).embeddings.create({ model: at.model, input: texts })
  return { vectors: r.data.map((d) => d.embedding), usage: r.usage.prompt_tokens > 0 }
}

async function models(client, at) {
  for await (const m of client(at).models.list()) if (m.id === at.listed) return { object: m.object, owner: !!m.owned_by, created: typeof m.created }
}

const chatLike = (name, front, client, lacks) => ({
  name, front, family: 'gpt-4o', lacks: new Set(lacks), errorOf,
  plain: (at, q) => chatPlain(client, at, q), stream: (at, q) => chatStream(client, at, q),
  embed: (at, texts) => embed(client, at, texts), models: (at) => models(client, at),
})

function responsesParams(at, q) {
  const content = q.image ? [{ type: 'input_text', text: q.text }, { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${q.image}` }] : q.text
  const input = [{ role: 'user', content }]
  if (q.after) {
    input.push(...q.after.raw)
    q.after.ids.forEach((id, i) => input.push({ type: 'function_call_output', call_id: id, output: results[i] }))
  }
  return {
    model: at.model, instructions: system, input, max_output_tokens: 200, store: false,
    ...(q.tool && { tools: [{ type: 'function', strict: true, ...strictTool }] }),
    ...(q.schema && { text: { format: { type: 'json_schema', name: 'city', strict: true, schema: q.schema } } }), ...q.extra,
  }
}

function responseSeen(r) {
  const calls = r.output.filter((o) => o.type === 'function_call')
  return {
    seen: {
      object: r.object, texts: [r.output.flatMap((o) => (o.type === 'message' ? o.content.map((c) => c.text) : [])).join('')], finish: [r.status],
      calls: calls.map((c) => ({ name: c.name, args: JSON.parse(c.arguments), status: c.status })), id: /^resp_/.test(r.id), model: !!r.model, created: r.created_at > 0,
      usage: r.usage && { input: r.usage.input_tokens, output: r.usage.output_tokens, total: r.usage.total_tokens }, unknown: r.x_new,
    },
    raw: r.output, ids: calls.map((c) => c.call_id),
  }
}

async function responsesPlain(at, q) {
  return responseSeen(await chatClient(at).responses.create(responsesParams(at, q), { signal: q.signal }))
}

async function responsesStream(at, q) {
  const stream = await chatClient(at).responses.create({ ...responsesParams(at, q), stream: true }, { signal: q.signal })
  const events = []
  let text = '', end, next = 0, inOrder = true, failed, unknown
  for await (const ev of stream) {
    q.onEvent?.()
    note(events, ev.type)
    unknown ??= ev.x_new
    inOrder &&= ev.sequence_number === next++
    if (ev.type === 'response.output_text.delta') text += ev.delta
    if (ev.type === 'response.completed') end = ev.response
    if (ev.type === 'response.failed') failed = ev.response.error
    if (ev.type === 'error') failed = ev
  }
  if (failed) throw Object.assign(new Error(failed.message), { code: failed.code, texts: [text] })
  if (!end) return { seen: { texts: [text], calls: [], finish: [], events } }
  const { seen, raw, ids } = responseSeen(end)
  return { seen: { ...seen, events, deltas: text, inOrder, unknown }, raw, ids }
}

export default [
  chatLike('openai chat', 'openai', chatClient, []),
  chatLike('openai azure', 'azure', azureClient, []),
  {
    name: 'openai responses', front: 'openai_responses', family: 'gpt-4o', lacks: new Set(['n', 'stop', 'embed', 'models']), errorOf,
    plain: responsesPlain, stream: responsesStream,
  },
]
