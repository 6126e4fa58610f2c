// The page of probes in real Chromium over the fake server.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { axe, launch, missing, shot } from "./browser.mjs";
import { start } from "./fake.mjs";

describe("probes", { skip: missing }, () => {
  let fake, browser;
  before(async () => {
    fake = await start({ simulated: true });
    browser = await launch();
  });
  afterEach(() => browser.only());
  after(async () => {
    await browser?.close();
    await fake?.close();
  });

  test("is clean in both themes at three widths", async () => {
    for (const theme of ["light", "dark"]) {
      const page = await browser.page(fake.url + "/probes", { theme, motion: "reduce" });
      for (const width of [360, 1280, 2560]) {
        await page.setViewportSize({ width, height: 900 });
        for (const ready of [".canaries td", ".results .last", ".budget .track", "#agents-title + .scroll td"]) await page.waitForSelector(ready);
        await page.waitForFunction(() => document.querySelector(".link.live"));
        assert.deepEqual(await axe(page), [], `${theme} ${width}: axe`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${theme} ${width}: ${wide} px wider than the screen`);
        await shot(page, `probes-${theme}-${width}`);
      }
      assert.deepEqual(page.wrong, [], `${theme}: console`);
      await page.close();
    }
  });

  test("says what came back, what a budget left unprobed, and how agents are", async () => {
    const page = await browser.page(fake.url + "/probes");
    await page.waitForSelector(".results .last");
    const row = (table, name) => page.textContent(`${table} tr:has(th:text-is("${name}"))`);
    assert.match(await page.textContent(".results tr:has(a:text-is('mini-eu'))"), /server error from us-east, server error from eu-central/);
    assert.match(await page.textContent(".results tr:has(a:text-is('mini-us'))"), /bad output from eu-central/);
    assert.match(await page.textContent("#budgets-title + .scroll"), /57 \(gpt-us 57\)/);
    assert.match(await page.textContent("section:has(#budgets-title)"), /On one target at most 20\u202f000 probes, \$5\.00 a day/);
    assert.match(await page.textContent("section:has(#health-title)"), /us-east asked for 120 model lists \(2 failed\) and 12 status pages/);
    assert.match(await row("#health-title + .scroll", "us-east"), /well.*all 2 answer.*steady.*61 of 1\u202f024/s);
    assert.match(await page.textContent("#health-title + .scroll"), /no name can be resolved, the clock was set.*i\/o timeout, 4 times in a row.*21 ms.*processor p99 4 ms, at worst 21 ms.*set back by 1 min.*16 of 256.*2 probes due, without a slot.*openai is full.*2: no free slot/s);
    assert.match(await page.textContent("#budgets-title + .scroll"), /29\u202f000, no limit/);
    assert.match(await row("#agents-title + .scroll", "mumbai"), /not under vantages.*away since.*2 min behind, corrected.*412.*12.*no provider openai/s);
    assert.match(await row("#agents-title + .scroll", "frankfurt"), /right.*nothing.*up to date/s);
    await page.close();
  });

  test("is reached by keyboard, and runs a canary", async () => {
    const page = await browser.page(fake.url);
    await page.waitForSelector("a.cell");
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await page.waitForURL(/\/probes$/);
    await page.click("button[aria-label='Run now: capital']");
    await page.waitForFunction(() => document.querySelector(".canaries [role=status]")?.textContent === "done");
    assert.ok(fake.requests.includes("/v1/probes"));
    fake.refuse(429);
    await page.click("button[aria-label='Run now: capital']");
    await page.waitForSelector(".canaries .wrong");
    fake.restore();
    await page.close();
  });

  test("says what to do where there is nothing", async () => {
    const empty = await start({ kind: "empty" });
    const page = await browser.page(empty.url + "/probes");
    await page.waitForSelector("#agents-title + p");
    assert.match(await page.textContent("main"), /bellwether agent on a host elsewhere/);
    assert.deepEqual(await axe(page), []);
    await page.close();
    await empty.close();
  });
});
