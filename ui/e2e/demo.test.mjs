// The dashboard over a real server, whose address is in BELLWETHER_URL; with
// `bellwether demo` behind it a fault comes by within the time waited here. Its
// name sorts first, so that it meets the demo's first fault.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { axe, launch, missing, shot } from "./browser.mjs";

const url = process.env.BELLWETHER_URL;

describe("a real server", { skip: missing || (url ? false : "BELLWETHER_URL is not set") }, () => {
  let browser;
  before(async () => void (browser = await launch()));
  afterEach(() => browser.only());
  after(() => browser?.close());

  test("the overview goes live and shows every target", async () => {
    const page = await browser.page(url);
    await page.waitForSelector(".link.live");
    await page.waitForSelector("a.cell");
    const { targets } = await (await fetch(`${url}/v1/targets`)).json();
    assert.equal(await page.locator("a.cell").count(), targets.length);
    assert.ok((await page.textContent("[data-testid=sentence]")).length > 10);
    assert.deepEqual(await axe(page), []);
    await shot(page, "real-overview");
    assert.deepEqual(page.wrong, []);
    await page.close();
  });

  test("a fault appears by itself, with its reason", { timeout: 300_000 }, async () => {
    const page = await browser.page(url);
    const sick = page.locator("a.cell.degraded, a.cell.failing, a.cell.down").first();
    await sick.waitFor({ timeout: 280_000 });
    const id = await sick.getAttribute("data-target");
    await shot(page, "real-fault");
    await page.goto(`${url}/targets/${id}?range=15m`);
    await page.waitForSelector(".plot canvas");
    await page.waitForSelector(".probes tbody tr");
    await page.waitForSelector(".evidence-list li, .why .quiet");
    assert.deepEqual(await axe(page), []);
    await shot(page, "real-target");
    assert.deepEqual(page.wrong, []);
    await page.close();
  });

  test("every other page opens without an error", async () => {
    for (const path of ["/incidents", "/routing", "/slos"]) {
      const page = await browser.page(url + path);
      await page.waitForSelector("main h1");
      await page.waitForSelector(".link.live");
      assert.deepEqual(await axe(page), [], path);
      await shot(page, `real-${path.slice(1)}`);
      assert.deepEqual(page.wrong, [], path);
      await page.close();
    }
  });
});
