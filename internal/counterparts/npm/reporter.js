// Prints what failed, and how many did not.
export default async function* reporter(events) {
  let passed = 0, failed = 0
  for await (const { type, data } of events) {
    if (type === 'test:stderr' || type === 'test:stdout') yield data.message
    if (type === 'test:pass' && !data.skip) passed++
    if (type !== 'test:fail' || data.details.error?.failureType === 'subtestsFailed') continue
    failed++
    yield `FAIL ${data.name}\n  ${String(data.details.error?.cause?.stack ?? data.details.error).replaceAll('\n', '\n  ')}\n`
  }
  yield `npm counterparts: ${passed} passed, ${failed} failed\n`
}
