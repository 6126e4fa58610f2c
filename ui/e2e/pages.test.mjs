// Every page in real Chromium over the fake server: no console error, no axe
// violation in both themes at three widths, nothing wider than the screen.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { axe, launch, missing, shot } from "./browser.mjs";
import { start } from "./fake.mjs";

const pages = [
  { name: "overview", path: "/", ready: "a.cell" },
  { name: "target", path: "/targets/gpt-us", ready: ".plot canvas" },
  { name: "target-down", path: "/targets/mini-eu?range=6h", ready: ".plot canvas" },
  { name: "incidents", path: "/incidents", ready: "table.list a" },
  { name: "incident", path: "/incidents/0197a0", ready: ".timeline li" },
  { name: "routing", path: "/routing", ready: "table.list td" },
  { name: "slos", path: "/slos", ready: "table.list td" },
  { name: "lost", path: "/targets/a/b", ready: ".empty" },
];

describe("pages", { skip: missing }, () => {
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

  for (const { name, path, ready } of pages) {
    test(`${name} is clean in both themes at three widths`, async () => {
      for (const theme of ["light", "dark"]) {
        const page = await browser.page(fake.url + path, { theme, motion: "reduce" });
        for (const width of [360, 1280, 2560]) {
          await page.setViewportSize({ width, height: 900 });
          await page.waitForSelector(ready);
          await page.waitForFunction(() => document.querySelector(".link.live"));
          assert.deepEqual(await axe(page), [], `${name} ${theme} ${width}: axe`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `${name} ${theme} ${width}: ${wide} px wider than the screen`);
          await shot(page, `${name}-${theme}-${width}`);
        }
        assert.deepEqual(page.wrong, [], `${name} ${theme}: console`);
        await page.close();
      }
    });
  }

  test("notes are marked in the overview and told on the target's page", async () => {
    const page = await browser.page(fake.url);
    await page.waitForSelector("a.cell");
    assert.equal(await page.locator(".noted").count(), 1); // that of claude-us is days old
    assert.match(await page.textContent("[data-target=gpt-us] .noted"), /note: answers now name the model/);
    await page.goto(fake.url + "/targets/gpt-us");
    assert.match(await page.textContent(".notes"), /Answers now name the model "gpt-4o-2026-11-06"\./);
    assert.doesNotMatch(await page.textContent(".notes"), /announces its end/);
    await page.click(".notes .more");
    assert.match(await page.textContent(".notes"), /announces its end for 2027-03-01/);
    await page.close();
  });

  test("what users and callers say is on the target's page, as text", async () => {
    const page = await browser.page(fake.url + "/targets/gpt-us");
    await page.waitForSelector(".told .trend path");
    assert.match(await page.textContent(".signals"), /gpu memory.*rack-7.*support tickets.*12\u202f345.*one value so far/s);
    assert.match(await page.textContent("[data-testid=feedback]"), /41 words on answers in the last day, 7\.3 % bad \(2\.5 % to 19 % with so few\)/);
    assert.match(await page.textContent(".opinions"), /<img src=x onerror=/);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    await page.goto(fake.url + "/targets/claude-us");
    await page.waitForSelector(".told .quiet code");
    assert.match(await page.textContent(".told"), /POST \/v1\/signals/);
    assert.deepEqual(page.wrong, []);
    await page.close();
  });

  test("routing shows what is followed in part, what routers send, and whether moving helped", async () => {
    const page = await browser.page(fake.url + "/routing");
    await page.waitForSelector(".failovers td");
    const trial = page.locator("[data-route=trial]");
    assert.match(await trial.textContent(), /10 % follows.*would be 38 %.*would be 57 %/s);
    assert.equal(await trial.locator(".bar.would .segment").count(), 3);
    assert.match(await page.textContent(".policy"), /prefers the faster, what is near the caller \(×0\.5\).*10 % of the traffic follows/);
    assert.match(await page.textContent("[data-testid=helped]"), /1\u202f310 requests moved, 1\u202f291 of them served: it helped nearly always/);
    assert.match(await page.textContent(".failovers"), /nothing could serve/);
    const routers = page.locator(".routers tbody tr");
    assert.match(await routers.nth(0).textContent(), /us-east.*chat: yes, within 0\.3 points.*small: too few requests to tell/s);
    assert.match(await routers.nth(1).locator(".wrong").textContent(), /chat: claude-us \u221212 points/);
    await page.click("summary:has-text('What router-3 sends where')");
    assert.match(await page.textContent("details[open] .split"), /claude-us.*620.*50 %.*62 %.*\u221212 points/s);
    assert.deepEqual(await axe(page), []);
    await shot(page, "routing-split");
    await page.close();
  });

  test("a chart's values are in its table", async () => {
    const page = await browser.page(fake.url + "/targets/gpt-us");
    await page.waitForSelector(".plot canvas");
    await page.click(".as-table summary");
    await page.waitForSelector(".as-table tbody tr");
    const head = await page.textContent(".as-table thead");
    assert.match(head, /first token p95/);
    assert.ok((await page.locator(".as-table tbody tr").count()) > 50);
    assert.match(await page.textContent(".as-table tbody"), /\d+ ms/);
    assert.deepEqual(await axe(page), []);
    await page.close();
  });

  test("what is counted, pooled or simulated is said where it is shown", async () => {
    const page = await browser.page(fake.url + "/targets/gpt-us");
    await page.waitForSelector(".plot canvas");
    assert.match(await page.textContent(".cursor"), /the tinted part is simulated/);
    assert.match(await page.textContent("[data-chart=errors] figcaption"), /pools up to 30 calls of one verdict/);
    assert.doesNotMatch(await page.textContent("[data-chart=first_token] figcaption"), /pools/);
    assert.match(await page.textContent(".facts"), /scheduled probes failed, last hour/);
    await page.close();
  });

  test("why stays in sight beside the charts, and off the probes", async () => {
    const page = await browser.page(fake.url + "/targets/gpt-us");
    await page.waitForSelector(".plot canvas");
    await page.waitForSelector(".probes tbody tr");
    const boxes = () => page.evaluate(() => [".why .stay", ".probes"].map((s) => document.querySelector(s).getBoundingClientRect()).map((r) => ({ top: r.top, bottom: r.bottom })));
    await page.setViewportSize({ width: 1280, height: 400 }); // where it scrolls by itself
    assert.deepEqual(await axe(page), []);
    await page.evaluate(() => scrollTo(0, 300));
    assert.ok((await boxes())[0].top >= 0, "in sight");
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    const [why, probes] = await boxes();
    assert.ok(why.bottom <= probes.top, "not over the probes");
    await page.close();
  });

  test("the range is in the address, by button and by dragging", async () => {
    const page = await browser.page(fake.url + "/targets/gpt-us");
    await page.waitForSelector(".plot canvas");
    await page.click(".ranges button:has-text('6h')");
    await page.waitForURL(/range=6h/);
    const box = await page.locator("[data-chart=first_token] .u-over").boundingBox();
    await page.mouse.move(box.x + 100, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + 260, box.y + 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=.*&to=/);
    await page.goBack();
    await page.waitForURL(/range=6h/);
    assert.deepEqual(page.wrong, []);
    await page.close();
  });

  test("a theme that was chosen stays through a reload", async () => {
    const page = await browser.page(fake.url, { theme: "dark" });
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    await page.waitForSelector("a.cell");
    const dark = await paper();
    await page.click("[aria-label='Theme: system']");
    const light = await paper();
    assert.notEqual(light, dark);
    await page.reload();
    await page.waitForSelector("a.cell");
    assert.equal(await paper(), light);
    await page.click("[aria-label='Theme: light']");
    await page.click("[aria-label='Theme: dark']");
    await page.close();
  });
});
