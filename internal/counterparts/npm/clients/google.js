// The package @google/genai.
import { GoogleGenAI } from '@google/genai'
import { note, results, system, tool } from '../questions.js'

const clientOf = (at) => new GoogleGenAI({ apiKey: at.key, httpOptions: { baseUrl: at.url } })

const modelOf = (at) => encodeURIComponent(at.model)

function errorOf(err) {
  let said
  try { said = JSON.parse(err.message) } catch { /* its words are no JSON then */ }
  said = said?.error ?? said
  return { class: err.constructor.name, status: err.status, type: said?.status, message: said?.message ?? err.message }
}

function params(at, q) {
  const parts = [{ text: q.text }]
  if (q.image) parts.unshift({ inlineData: { mimeType: 'image/png', data: q.image } })
  const contents = [{ role: 'user', parts }]
  if (q.after) {
    contents.push(q.after.raw)
    contents.push({ role: 'user', parts: q.after.ids.map((id, i) => ({ functionResponse: { ...(id && { id }), name: tool.name, response: { output: results[i] } } })) })
  }
  return {
    model: modelOf(at), contents,
    config: {
      systemInstruction: system, maxOutputTokens: 200, abortSignal: q.signal,
      ...(q.tool && { tools: [{ functionDeclarations: [{ name: tool.name, description: tool.description, parametersJsonSchema: tool.parameters }] }] }),
      ...(q.schema && { responseMimeType: 'application/json', responseJsonSchema: q.schema }),
      ...(q.n && { candidateCount: q.n }), ...(q.stop && { stopSequences: q.stop }), ...(q.extra && { httpOptions: { extraBody: q.extra } }),
    },
  }
}

const textIn = (c) => (c.content?.parts ?? []).map((p) => p.text ?? '').join('')

const callsIn = (c) => (c.content?.parts ?? []).flatMap((p) => (p.functionCall ? [p.functionCall] : []))

const usageOf = (u) => u && { input: u.promptTokenCount, output: u.candidatesTokenCount, total: u.totalTokenCount }

async function plain(at, q) {
  const r = await clientOf(at).models.generateContent(params(at, q))
  const calls = callsIn(r.candidates[0])
  return {
    seen: {
      texts: r.candidates.map(textIn), calls: calls.map((c) => ({ name: c.name, args: c.args })), finish: r.candidates.map((c) => c.finishReason),
      usage: usageOf(r.usageMetadata), id: !!r.responseId, model: !!r.modelVersion,
    },
    raw: r.candidates[0].content, ids: calls.map((c) => c.id ?? ''),
  }
}

async function stream(at, q) {
  const all = { texts: [''], calls: [], finish: [], events: [] }
  for await (const r of await clientOf(at).models.generateContentStream(params(at, q))) {
    q.onEvent?.()
    for (const c of r.candidates ?? []) {
      const text = textIn(c), calls = callsIn(c)
      all.texts[0] += text
      all.calls.push(...calls.map((f) => ({ name: f.name, args: f.args })))
      if (text) note(all.events, 'text')
      calls.forEach((f) => note(all.events, `call ${f.args.city}`))
      if (c.finishReason) {
        note(all.events, 'finish')
        all.finish.push(c.finishReason)
      }
    }
    if (r.usageMetadata) all.usage = usageOf(r.usageMetadata)
  }
  return { seen: all, ids: [] }
}

async function embed(at, texts) {
  const r = await clientOf(at).models.embedContent({ model: modelOf(at), contents: texts })
  return { vectors: r.embeddings.map((e) => e.values), usage: true }
}

async function models(at) {
  for await (const m of await clientOf(at).models.list({ config: { pageSize: 1000 } })) if (m.name === 'models/' + at.listed) return { actions: (m.supportedActions ?? []).length > 0 }
}

export default [{ name: 'google genai', front: 'gemini', family: 'gemini-2.5-flash', lacks: new Set(['n streamed', 'unknown']), errorOf, plain, stream, embed, models, listed: 'gemini-2.5-flash' }]
