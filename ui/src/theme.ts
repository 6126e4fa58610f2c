// Light and dark: the system's wish, or the reader's. public/theme.js applies
// the kept choice before the first paint; the two agree on key and attribute.

export type Theme = "system" | "light" | "dark";

const key = "bellwether.theme";

export function theme(): Theme {
  const t = document.documentElement.dataset.theme;
  return t === "light" || t === "dark" ? t : "system";
}

export function setTheme(t: Theme): void {
  if (t === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = t;
  try {
    if (t === "system") localStorage.removeItem(key);
    else localStorage.setItem(key, t);
  } catch {
    // storage is refused: the choice lasts as long as the page
  }
  dispatchEvent(new CustomEvent("themechange"));
}

export function nextTheme(t: Theme): Theme {
  return t === "system" ? "light" : t === "light" ? "dark" : "system";
}

/** onTheme calls f when colours changed, by choice or by the system. */
export function onTheme(f: () => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", f);
  addEventListener("themechange", f);
  return () => {
    system.removeEventListener("change", f);
    removeEventListener("themechange", f);
  };
}
