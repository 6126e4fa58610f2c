// Addresses: which page is shown, and what of it, is in the URL and nowhere else.

import { useEffect, useState } from "preact/hooks";

export type Page =
  | { name: "overview" }
  | { name: "target"; id: string }
  | { name: "incidents"; id?: string }
  | { name: "slos" }
  | { name: "routing" }
  | { name: "probes" }
  | { name: "lost" };

export function page(path: string): Page {
  const parts = path.split("/").filter(Boolean).map(decode);
  const [first, second] = parts;
  if (first === undefined) return { name: "overview" };
  if (first === "targets" && second !== undefined && parts.length === 2) return { name: "target", id: second };
  if (first === "incidents" && parts.length <= 2) return second === undefined ? { name: "incidents" } : { name: "incidents", id: second };
  if (parts.length === 1 && (first === "slos" || first === "routing" || first === "probes")) return { name: first };
  return { name: "lost" };
}

function decode(s: string): string {
  try {
    return decodeURIComponent(s);
  } catch {
    return s;
  }
}

export const targetPath = (id: string) => `/targets/${encodeURIComponent(id)}`;

/** Where is the address as pages need it. */
export interface Where {
  path: string;
  query: URLSearchParams;
}

const here = (): Where => ({ path: location.pathname, query: new URLSearchParams(location.search) });

const listeners = new Set<() => void>();
const tell = () => listeners.forEach((f) => f());

/** go moves to an address without loading the page again. */
export function go(href: string, replace = false): void {
  if (href === location.pathname + location.search) return;
  const moved = new URL(href, location.href).pathname !== location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", href);
  tell();
  if (moved) scrollTo(0, 0);
}

/** query changes parameters of the present address; undefined removes one. */
export function setQuery(changes: Record<string, string | undefined>): void {
  const q = new URLSearchParams(location.search);
  for (const [k, v] of Object.entries(changes)) {
    if (v === undefined) q.delete(k);
    else q.set(k, v);
  }
  const s = q.toString();
  go(location.pathname + (s ? `?${s}` : ""));
}

/** useWhere follows the address. */
export function useWhere(): Where {
  const [where, set] = useState(here);
  useEffect(() => {
    const f = () => set(here());
    listeners.add(f);
    return () => void listeners.delete(f);
  }, []);
  return where;
}

/** listen makes links of our own move without loading, and back and forward work. */
export function listen(): void {
  addEventListener("popstate", tell);
  document.addEventListener("click", (e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const a = (e.target as Element).closest?.("a[href]");
    if (!(a instanceof HTMLAnchorElement) || a.target || a.download || a.origin !== location.origin) return;
    if (a.pathname.startsWith("/v1/") || page(a.pathname).name === "lost" || a.hash) return;
    e.preventDefault();
    go(a.pathname + a.search);
  });
}
