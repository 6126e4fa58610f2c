// The package ai, with its providers for OpenAI (chat and Responses), Anthropic and Google.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { embedMany, generateText, jsonSchema, Output, streamText, tool as aiTool } from 'ai'
import { note, results, system, tool } from '../questions.js'

function errorOf(err) {
  const said = err.data?.error ?? err.data ?? {}
  return {
    class: err.name, status: err.statusCode, type: said.type ?? said.status ?? undefined, message: said.message ?? err.message,
    retryAfter: err.responseHeaders?.['retry-after'], retryable: err.isRetryable,
  }
}

// Anthropic's tools are asked for without eager_input_streaming: with it, or
// with anything else beside a tool's name, description, schema and strictness,
// llm does not read a tool as one.
function params(model, q) {
  const content = [{ type: 'text', text: q.text }]
  if (q.image) content.unshift({ type: 'image', image: `data:image/png;base64,${q.image}` })
  const messages = [{ role: 'user', content }]
  if (q.after) {
    messages.push(...q.after.raw)
    messages.push({ role: 'tool', content: q.after.ids.map((id, i) => ({ type: 'tool-result', toolCallId: id, toolName: tool.name, output: { type: 'text', value: results[i] } })) })
  }
  return {
    model, system, messages, providerOptions: { anthropic: { toolStreaming: false } }, maxRetries: 0, maxOutputTokens: 200, abortSignal: q.signal,
    ...(q.tool && { tools: { [tool.name]: aiTool({ description: tool.description, inputSchema: jsonSchema(tool.parameters) }) } }),
    ...(q.schema && { output: Output.object({ schema: jsonSchema(q.schema), name: 'city' }) }),
    ...(q.stop && { stopSequences: q.stop }),
  }
}

const usageOf = (u) => ({ input: u.inputTokens, output: u.outputTokens, total: u.totalTokens })

const callsOf = (calls) => calls.map((c) => ({ name: c.toolName, args: c.input }))

async function plain(model, q) {
  const r = await generateText(params(model, q))
  return {
    seen: {
      texts: [q.schema ? JSON.stringify(r.output) : r.text], calls: callsOf(r.toolCalls), finish: [r.finishReason], usage: usageOf(r.usage),
      id: !!r.response.id, model: !!r.response.modelId, unknown: r.response.body?.x_new,
    },
    raw: r.response.messages, ids: r.toolCalls.map((c) => c.toolCallId),
  }
}

async function stream(model, q) {
  const r = streamText({ ...params(model, q), includeRawChunks: !!q.unknown, onError() {} })
  const events = []
  let text = '', unknown
  for await (const part of r.fullStream) {
    q.onEvent?.()
    if (part.type === 'raw') {
      unknown ??= part.rawValue?.x_new
      continue
    }
    if (part.type === 'error') throw Object.assign(new Error(), errorParts(part.error), { texts: [text] })
    note(events, [part.type, part.toolName, part.input?.city].filter(Boolean).join(' '))
    if (part.type === 'text-delta') text += part.text
  }
  q.signal?.throwIfAborted()
  const calls = await r.toolCalls
  return { seen: { texts: [text], calls: callsOf(calls), finish: [await r.finishReason], usage: usageOf(await r.usage), events, unknown }, ids: calls.map((c) => c.toolCallId) }
}

// errorParts makes fields of what a stream calls its error, which need not be one.
function errorParts(err) {
  if (typeof err === 'string') return { message: err }
  const said = err.error ?? err
  return { name: err.name, statusCode: err.statusCode, data: err.data, responseHeaders: err.responseHeaders, isRetryable: err.isRetryable, message: said.message, code: said.code }
}

async function embed(model, values) {
  const r = await embedMany({ model, values, maxRetries: 0 })
  return { vectors: r.embeddings, usage: r.usage.tokens > 0 }
}

const provider = (name, front, family, model, lacks, embedder) => ({
  name, front, family, errorOf, lacks: new Set(['n', 'extra', 'models', ...lacks]),
  plain: (at, q) => plain(model(at), q), stream: (at, q) => stream(model(at), q),
  embed: embedder && ((at, texts) => embed(embedder(at), texts)),
})

const openai = (at) => createOpenAI({ baseURL: at.url + '/v1', apiKey: at.key })

const google = (at) => createGoogleGenerativeAI({ baseURL: at.url + '/v1beta', apiKey: at.key })

const escaped = (at) => encodeURIComponent(at.model)

export default [
  provider('ai openai chat', 'openai', 'gpt-4o', (at) => openai(at).chat(at.model), [], (at) => openai(at).embedding(at.model)),
  provider('ai openai responses', 'openai_responses', 'gpt-4o', (at) => openai(at).responses(at.model), ['stop', 'embed']),
  provider('ai anthropic', 'anthropic', 'claude-sonnet-4-5', (at) => createAnthropic({ baseURL: at.url + '/v1', apiKey: at.key })(at.model), ['embed']),
  provider('ai google', 'gemini', 'gemini-2.5-flash', (at) => google(at)(escaped(at)), [], (at) => google(at).embedding(escaped(at))),
]
