// Debian's Chromium, driven by playwright-core. Where it is missing the tests
// skip with a word, or fail where BELLWETHER_TEST_REQUIRE=all is set.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
export const artifacts = join(here, "..", "artifacts");
mkdirSync(artifacts, { recursive: true });

const executablePath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-headless-shell"].find((p) => p && existsSync(p));

/** missing is the reason to skip, or false. */
export const missing = executablePath || process.env.BELLWETHER_TEST_REQUIRE === "all" ? false : "no Chromium at /usr/bin/chromium; apt-get install chromium";

/** launch starts a browser with a profile of its own; close it when done. */
export async function launch() {
  if (!executablePath) throw new Error("no Chromium at /usr/bin/chromium; apt-get install chromium");
  const profile = mkdtempSync(join(tmpdir(), "bellwether-e2e-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport: { width: 1280, height: 800 },
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  return {
    /** only closes all pages but the first: a test that failed leaves its own behind. */
    async only() {
      for (const p of context.pages().slice(1)) await p.close();
    },
    /** page opens url and collects what must not be: errors, and requests to other hosts. */
    async page(url, { width = 1280, height = 800, theme = "light", motion = "no-preference" } = {}) {
      const page = await context.newPage();
      page.setDefaultTimeout(15_000);
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme: theme, reducedMotion: motion });
      const wrong = [];
      page.on("console", (m) => m.type() === "error" && wrong.push(m.text()));
      page.on("pageerror", (e) => wrong.push(String(e)));
      page.on("request", (r) => new URL(r.url()).host !== new URL(url).host && wrong.push(`asks ${r.url()}`));
      page.wrong = wrong;
      await page.goto(url, { waitUntil: "load" });
      return page;
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** axe returns the violations of WCAG 2.2 A and AA on a page, as readable lines. */
export async function axe(page) {
  if (!(await page.evaluate(() => "axe" in window))) {
    const { readFileSync } = await import("node:fs");
    await page.evaluate(readFileSync(axePath, "utf8"));
  }
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${v.help}: ${n.target.join(" ")} ${n.any.map((a) => a.message).join("; ")}`));
}

/** shot keeps a screenshot among the artifacts. */
export async function shot(page, name, fullPage = true) {
  await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage });
}
