// The frame around every page: navigation, banners, keyboard, sign-in.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Canaries } from "./canaries";
import { Finder, Help } from "./dialogs";
import { Incidents } from "./incidents";
import { keyboard } from "./keys";
import { Overview } from "./overview";
import { Age } from "./parts";
import { type Page, go, page, useWhere } from "./path";
import { Routing } from "./routing";
import { SignIn, SignOut } from "./signin";
import { Slos } from "./slos";
import { TargetPage } from "./target";
import { type Theme, nextTheme, setTheme, theme } from "./theme";
import { useWorld, watcher } from "./world";

const pages = [
  { href: "/", text: "Overview", name: "overview" },
  { href: "/incidents", text: "Incidents", name: "incidents" },
  { href: "/routing", text: "Routing", name: "routing" },
  { href: "/slos", text: "SLOs", name: "slos" },
  { href: "/probes", text: "Probes", name: "probes" },
];

export function App() {
  const where = useWhere();
  const shown = page(where.path);
  const signedOut = useWorld((w) => w.signedOut);
  const [dialog, setDialog] = useState<"find" | "help" | undefined>();
  useEffect(() => keyboard({ find: () => setDialog("find"), help: () => setDialog("help"), go }), []);
  const close = () => setDialog(undefined);
  useTitle(shown);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="frame">
        <a class="brand" href="/">
          Bellwether
        </a>
        <nav aria-label="Pages">
          {pages.map((p) => (
            <a key={p.href} href={p.href} aria-current={p.name === shown.name ? "page" : undefined}>
              {p.text}
            </a>
          ))}
        </nav>
        <div class="tools">
          <Link />
          <button type="button" class="tool" onClick={() => setDialog("find")} aria-keyshortcuts="/" title="Find a target ( / )">
            Find <kbd>/</kbd>
          </button>
          <ThemeButton />
          <SignOut />
          <button type="button" class="tool" onClick={() => setDialog("help")} aria-label="Keyboard help" title="Keyboard help ( ? )">
            ?
          </button>
        </div>
      </header>
      <Banners />
      <main id="main" tabIndex={-1}>
        {signedOut ? <SignIn /> : <Shown page={shown} />}
      </main>
      {dialog === "find" && <Finder close={close} />}
      {dialog === "help" && <Help close={close} />}
    </>
  );
}

function Shown({ page }: { page: Page }) {
  switch (page.name) {
    case "overview":
      return <Overview />;
    case "target":
      return <TargetPage key={page.id} id={page.id} />;
    case "incidents":
      return <Incidents id={page.id} />;
    case "routing":
      return <Routing />;
    case "slos":
      return <Slos />;
    case "probes":
      return <Canaries />;
    case "lost":
      return (
        <section class="empty">
          <h1 class="headline">Nothing is shown at this address.</h1>
          <p>
            The <a href="/">overview</a> has all targets; <kbd>/</kbd> finds one by name.
          </p>
        </section>
      );
  }
}

/** useTitle names the page in the tab, and moves focus to it when it changes. */
function useTitle(p: Page): void {
  const first = useRef(true);
  const name = p.name === "target" ? p.id : (pages.find((x) => x.name === p.name)?.text ?? "Bellwether");
  useEffect(() => {
    document.title = p.name === "overview" ? "Bellwether" : `${name} · Bellwether`;
    if (!first.current) document.getElementById("main")?.focus({ preventScroll: true });
    first.current = false;
  }, [name]);
}

/** Link says whether what is shown is live. */
function Link() {
  const link = useWorld((w) => w.link);
  const revision = useWorld((w) => w.revision);
  const text = link === "live" ? "live" : link === "lost" ? "not live" : "connecting";
  return (
    <span class={`link ${link}`} role="status" title={revision ? `weights of revision ${revision}` : undefined}>
      <i aria-hidden="true" />
      {text}
    </span>
  );
}

function ThemeButton() {
  const [t, set] = useState<Theme>(theme);
  const next = () => {
    const n = nextTheme(t);
    setTheme(n);
    set(n);
  };
  const sign = t === "system" ? "◐" : t === "light" ? "○" : "●";
  return (
    <button type="button" class="tool" onClick={next} aria-label={`Theme: ${t}`} title={`Theme: ${t}`}>
      {sign}
    </button>
  );
}

/** Banners say what one must know before believing a number on the page. */
function Banners() {
  const simulated = useWorld((w) => w.simulated);
  const link = useWorld((w) => w.link);
  const error = useWorld((w) => w.error);
  const at = useWorld((w) => (w.link === "live" && !w.error ? 0 : w.at)); // a moving time would draw for nothing
  const out = useWorld((w) => w.signedOut);
  const first = at === 0 && link !== "lost";
  return (
    <div aria-live="polite">
      {simulated && <Banner kind="note">A demonstration: the targets, their faults and the day before the start are simulated.</Banner>}
      {!out && !first && (link === "lost" || error) && (
        <Banner kind="warn">
          {link === "lost" ? "The live connection is lost" : "The last refresh did not work"}
          {error ? ` (${error})` : ""}.{" "}
          {at > 0 && (
            <>
              What is shown is <Age t={at} /> old.{" "}
            </>
          )}
          Trying again by itself.{" "}
          <button type="button" onClick={() => watcher.again()}>
            Try now
          </button>
        </Banner>
      )}
    </div>
  );
}

function Banner({ kind, children }: { kind: "note" | "warn"; children: ComponentChildren }) {
  return (
    <p class={`banner ${kind}`} data-testid={`banner-${kind}`}>
      {children}
    </p>
  );
}
