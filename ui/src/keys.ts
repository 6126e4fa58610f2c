// The keyboard: `/` finds, `?` helps, `g` and a letter goes. Keys typed into a
// field, or with a modifier, are left alone.

export interface Actions {
  find: () => void;
  help: () => void;
  go: (href: string) => void;
}

export const places: Record<string, { href: string; text: string }> = {
  o: { href: "/", text: "overview" },
  i: { href: "/incidents", text: "incidents" },
  r: { href: "/routing", text: "routing" },
  s: { href: "/slos", text: "SLOs" },
  p: { href: "/probes", text: "probes" },
};

const chord = 1_200; // ms between g and its letter

/** keyboard listens until the function that it returns is called. */
export function keyboard(a: Actions): () => void {
  let g = 0;
  const press = (e: KeyboardEvent) => {
    if (e.defaultPrevented || e.metaKey || e.ctrlKey || e.altKey || typing(e.target) || document.querySelector("dialog[open]")) return;
    const second = e.timeStamp - g < chord;
    g = 0;
    const place = places[e.key];
    if (second && place) a.go(place.href);
    else if (e.key === "g") g = e.timeStamp;
    else if (e.key === "/") a.find();
    else if (e.key === "?") a.help();
    else return;
    e.preventDefault();
  };
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

function typing(t: EventTarget | null): boolean {
  return t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName));
}
