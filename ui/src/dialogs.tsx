// The finder and the list of keys, as native modal dialogs: focus stays inside,
// Escape closes, focus returns where it was.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Target, known } from "./api";
import { places } from "./keys";
import { Mark } from "./parts";
import { go, targetPath } from "./path";
import { useWorld } from "./world";

function Dialog({ label, close, children }: { label: string; close: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  return (
    <dialog ref={box} aria-label={label} onClose={close} onClick={(e) => e.target === box.current && close()}>
      <div class="inside">{children}</div>
    </dialog>
  );
}

/** find ranks targets by where the words of the query stand in them. At most 12. */
export function find(targets: Target[], query: string): Target[] {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  const scored = targets.flatMap((t) => {
    const text = `${t.id} ${t.provider} ${t.model} ${t.region} ${t.state}`.toLowerCase();
    let score = 0;
    for (const w of wanted) {
      const at = text.indexOf(w);
      if (at < 0) return [];
      score += at === 0 ? 0 : at < t.id.length ? 1 : 2;
    }
    return [{ t, score }];
  });
  return scored
    .sort((a, b) => a.score - b.score || a.t.id.localeCompare(b.t.id))
    .slice(0, 12)
    .map((s) => s.t);
}

export function Finder({ close }: { close: () => void }) {
  const targets = useWorld((w) => w.targets) ?? [];
  const [query, setQuery] = useState("");
  const [chosen, choose] = useState(0);
  const found = find(targets, query);
  const open = (t: Target | undefined) => {
    if (!t) return;
    close();
    go(targetPath(t.id));
  };
  const press = (e: KeyboardEvent) => {
    const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
    if (step) choose(Math.max(0, Math.min(found.length - 1, chosen + step)));
    else if (e.key === "Enter") open(found[chosen]);
    else return;
    e.preventDefault();
  };
  return (
    <Dialog label="Find a target" close={close}>
      <input
        type="text"
        autoFocus
        role="combobox"
        aria-label="Target, model, provider, region or state"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={found[chosen] ? `found-${chosen}` : undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder="Target, model, provider, region or state"
        value={query}
        onInput={(e) => {
          setQuery(e.currentTarget.value);
          choose(0);
        }}
        onKeyDown={press}
      />
      <ul id="found" role="listbox" aria-label="Targets">
        {found.map((t, i) => (
          <li key={t.id} id={`found-${i}`} role="option" aria-selected={i === chosen} onClick={() => open(t)} onMouseMove={() => choose(i)}>
            <Mark state={known(t.state)} /> <b>{t.id}</b>{" "}
            <span class="quiet">
              {t.provider} · {t.model} · {t.region}
            </span>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="quiet">No target fits.</p>}
    </Dialog>
  );
}

export function Help({ close }: { close: () => void }) {
  return (
    <Dialog label="Keyboard" close={close}>
      <h2>Keyboard</h2>
      <dl class="keys">
        <Key keys={["/"]}>find a target</Key>
        {Object.entries(places).map(([k, p]) => (
          <Key key={k} keys={["g", k]}>
            go to {p.text}
          </Key>
        ))}
        <Key keys={["?"]}>this list</Key>
        <Key keys={["Esc"]}>close</Key>
      </dl>
      <h2>Marks</h2>
      <ul class="plain marks">
        {(["healthy", "recovering", "degraded", "failing", "down", "unknown"] as const).map((s) => (
          <li key={s}>
            <Mark state={s} quiet /> {s}
          </li>
        ))}
      </ul>
      <button type="button" onClick={close} autoFocus>
        Close
      </button>
    </Dialog>
  );
}

function Key({ keys, children }: { keys: string[]; children: ComponentChildren }) {
  return (
    <div>
      <dt>
        {keys.map((k) => (
          <kbd key={k}>{k}</kbd>
        ))}
      </dt>
      <dd>{children}</dd>
    </div>
  );
}
