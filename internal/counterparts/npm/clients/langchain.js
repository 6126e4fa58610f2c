// The package @langchain/openai: chat and Responses.
import { AIMessage, HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { note, results, system, tool } from '../questions.js'
import { errorOf } from './openai.js'

function modelOf(at, q, responses) {
  const m = new ChatOpenAI({
    model: at.model, apiKey: at.key, configuration: { baseURL: at.url + '/v1' }, maxRetries: 0, maxTokens: 200, useResponsesApi: responses,
    streamUsage: !!q.usage, ...(q.n && { n: q.n }), ...(q.stop && { stop: q.stop }), ...(q.extra && { modelKwargs: q.extra }),
  })
  if (!q.tool) return m
  return m.bindTools([{ type: 'function', function: { name: tool.name, description: tool.description, parameters: tool.parameters } }])
}

function messagesOf(q) {
  const content = q.image ? [{ type: 'text', text: q.text }, { type: 'image_url', image_url: { url: `data:image/png;base64,${q.image}` } }] : q.text
  const messages = [new SystemMessage(system), new HumanMessage({ content })]
  if (q.after) messages.push(q.after.raw, ...q.after.ids.map((id, i) => new ToolMessage({ content: results[i], tool_call_id: id })))
  return messages
}

function seenOf(m) {
  const calls = m.tool_calls ?? [], u = m.usage_metadata
  return {
    seen: {
      texts: [m.text], calls: calls.map((c) => ({ name: c.name, args: c.args })), finish: [m.response_metadata.finish_reason ?? m.response_metadata.status],
      usage: u && { input: u.input_tokens, output: u.output_tokens, total: u.total_tokens }, id: !!m.id, model: !!m.response_metadata.model_name,
    },
    raw: m, ids: calls.map((c) => c.id),
  }
}

const plainBy = (responses) => async (at, q) => {
  const model = modelOf(at, q, responses)
  if (q.n) {
    const { generations } = await model.generate([messagesOf(q)], { signal: q.signal })
    return { seen: { texts: generations[0].map((g) => g.text) } }
  }
  if (!q.schema) return seenOf(await model.invoke(messagesOf(q), { signal: q.signal }))
  const { raw, parsed } = await model.withStructuredOutput(q.schema, { name: 'city', method: 'jsonSchema', strict: true, includeRaw: true }).invoke(messagesOf(q))
  return { seen: { ...seenOf(raw).seen, texts: [JSON.stringify(parsed)] } }
}

const streamBy = (responses) => async (at, q) => {
  const events = []
  let all
  for await (const chunk of await modelOf(at, q, responses).stream(messagesOf(q), { signal: q.signal })) {
    q.onEvent?.()
    all = all ? all.concat(chunk) : chunk
    if (chunk.text) note(events, 'text')
    for (const c of chunk.tool_call_chunks ?? []) {
      if (c.name) note(events, `call ${c.name}`)
      if (c.args) note(events, `arguments ${c.index}`)
    }
    if (chunk.usage_metadata) note(events, 'usage')
  }
  const { seen, raw, ids } = seenOf(all ?? new AIMessage(''))
  return { seen: { ...seen, events }, raw, ids }
}

async function embed(at, texts) {
  const e = new OpenAIEmbeddings({ model: at.model, apiKey: at.key, configuration: { baseURL: at.url + '/v1' }, maxRetries: 0 })
  return { vectors: await e.embedDocuments(texts), usage: true }
}

const client = (name, front, responses, lacks) => ({
  deaf: responses, name, front, family: 'gpt-4o', errorOf, lacks: new Set(['models', 'n streamed', 'unknown', ...lacks]),
  plain: plainBy(responses), stream: streamBy(responses), embed,
})

export default [client('langchain chat', 'openai', false, []), client('langchain responses', 'openai_responses', true, ['n', 'stop', 'embed'])]
