// A relay in front of the simulator that does to its answers what networks and
// providers do: http://ADDR/WAYS/SCOPE/... is asked as /... with each of the
// WAYS (joined by "+") done to the answer. It remembers for each scope the last
// request that came in.
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import zlib from 'node:zlib'

export const EMOJI = 'Pa🎉🇫🇷é日本ris'

// startRelay listens on a free loopback port and relays to the origin upstream.
export async function startRelay(upstream) {
  const seen = new Map()
  const agent = new http.Agent({ keepAlive: true })
  const server = http.createServer(async (req, res) => {
    const [, ways, scope] = req.url.split('/')
    const path = req.url.slice(ways.length + scope.length + 2)
    const body = await read(req)
    seen.set(scope, { body: parsed(body), encoding: req.headers['accept-encoding'] ?? '' })
    const { host, connection, 'accept-encoding': accepted, ...headers } = req.headers
    const out = http.request(upstream + path, { method: req.method, headers, agent }, (answer) => {
      answer.on('error', () => res.destroy())
      answerWith(res, answer, new Set(ways.split('+')), accepted ?? '', path)
    })
    out.on('error', () => res.destroy())
    res.on('close', () => { if (!res.writableFinished) out.destroy() })
    out.end(body)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen: (scope) => seen.get(scope),
    stop() {
      agent.destroy()
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

async function read(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

function parsed(body) {
  try { return JSON.parse(body) } catch { return undefined }
}

async function answerWith(res, answer, ways, accepted, path) {
  const { 'content-length': length, 'transfer-encoding': chunked, ...headers } = answer.headers
  const zipped = ways.has('gzip') && /\bgzip\b/.test(accepted)
  if (zipped) headers['content-encoding'] = 'gzip'
  res.writeHead(answer.statusCode, headers)
  const sink = zipped ? zlib.createGzip() : res
  if (zipped) sink.pipe(res)
  const write = (text) => writeIn(sink, res, Buffer.from(text), ways, zipped)
  try {
    if (/event-stream/.test(headers['content-type'])) await relayEvents(answer, write, ways, path)
    else await write(unknown(emoji((await read(answer)).toString(), ways), ways))
    sink.end()
  } catch {
    res.destroy()
  }
}

// writeIn writes a buffer, in pieces that each arrive alone where that is a way.
async function writeIn(sink, res, bytes, ways, zipped) {
  if (!ways.has('split') || res.destroyed) {
    sink.write(bytes)
    if (zipped) await new Promise((resolve) => sink.flush(zlib.constants.Z_SYNC_FLUSH, resolve))
    return
  }
  res.socket?.setNoDelay(true)
  let from = 0
  for (let i = 1; i < bytes.length; i++) {
    if (bytes[i] < 0x80 || from === i) continue // only within a character
    sink.write(bytes.subarray(from, i))
    from = i
    await sleep(1)
  }
  sink.write(bytes.subarray(from))
}

async function relayEvents(answer, write, ways, path) {
  let rest = '', sent = 0
  for await (const part of answer.setEncoding('utf8')) {
    rest += part
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      const event = rest.slice(0, end)
      if (ways.has('comments')) await write(comment(path, sent))
      await write(unknownEvent(emoji(event, ways), ways) + '\n\n')
      if (says(event) && ++sent === 3 && ways.has('error')) {
        await sleep(250) // so that what stands before it has reached the caller
        await write(inBandError(path))
        return
      }
    }
  }
  await write(rest)
}

// says reports whether an event carries a part of the answer's text.
const says = (event) => /"content":"[^"]|text_delta|output_text\.delta|"text":"[^"]/.test(event)

const comment = (path, sent) => (path.includes('/messages') && sent > 0 ? 'event: ping\ndata: {"type": "ping"}\n\n' : ': keep-alive\n\n')

// inBandError is what a provider says when it fails after it began to answer.
function inBandError(path) {
  if (path.includes('/messages')) return 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded for now"}}\n\n'
  if (path.includes('/responses')) return 'event: error\ndata: {"type":"error","code":"server_error","message":"Overloaded for now","param":null,"sequence_number":7}\n\n'
  if (path.includes('streamGenerateContent')) return 'data: {"error":{"code":503,"message":"Overloaded for now","status":"UNAVAILABLE"}}\n\n'
  return 'data: {"error":{"message":"Overloaded for now","type":"server_error","param":null,"code":null}}\n\n'
}

const emoji = (text, ways) => (ways.has('emoji') ? text.replaceAll('Paris', EMOJI) : text)

const unknown = (text, ways) => (ways.has('unknown') ? text.replace('{', '{"x_new":{"answer":42},') : text)

const unknownEvent = (event, ways) => (ways.has('unknown') ? event.replace('data: {', 'data: {"x_new":{"answer":42},').replace('data:{', 'data:{"x_new":{"answer":42},') : event)
