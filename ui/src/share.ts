/**
 * share returns next with every part that equals its old self replaced by that
 * old self, so that what did not change keeps its identity and is not drawn
 * again. Both are plain JSON. O(size of next).
 */
export function share<T>(old: unknown, next: T): T {
  if (Object.is(old, next)) return next;
  if (typeof old !== "object" || typeof next !== "object" || old === null || next === null) return next;
  if (Array.isArray(next)) {
    if (!Array.isArray(old)) return next;
    const out = next.map((v, i) => share(old[i], v));
    return (out.length === old.length && out.every((v, i) => Object.is(v, old[i])) ? old : out) as T;
  }
  if (Array.isArray(old)) return next;
  const a = old as Record<string, unknown>;
  const b = next as Record<string, unknown>;
  const out: Record<string, unknown> = {};
  let same = Object.keys(a).length === Object.keys(b).length;
  for (const k of Object.keys(b)) {
    out[k] = share(a[k], b[k]);
    same &&= Object.hasOwn(a, k) && Object.is(out[k], a[k]);
  }
  return (same ? old : out) as T;
}
