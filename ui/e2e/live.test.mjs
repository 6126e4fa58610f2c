// The page lives: it follows events, says when it cannot, and comes back.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { axe, launch, missing, shot } from "./browser.mjs";
import { hostile } from "./fixtures.mjs";
import { start } from "./fake.mjs";

describe("live", { skip: missing }, () => {
  let browser;
  before(async () => void (browser = await launch()));
  afterEach(() => browser.only());
  after(() => browser?.close());

  async function opened(t, scenario, path = "/", options) {
    const fake = await start(scenario);
    t.after(() => fake.close());
    const page = await browser.page(fake.url + path, options);
    t.after(() => page.close());
    return { fake, page };
  }

  const summary = (fake, id, change) => {
    const { median, ...t } = fake.world.targets.find((t) => t.id === id);
    return { ...t, ...change };
  };

  test("a fault that is told by event is shown without asking again", async (t) => {
    const { fake, page } = await opened(t, { kind: "calm" });
    await page.waitForSelector(".link.live");
    await page.waitForSelector("[data-target=gpt-us].healthy");
    assert.match(await page.textContent("[data-testid=sentence]"), /^All 10 targets are healthy\.$/);
    const asked = fake.requests.length;
    fake.push("target", summary(fake, "gpt-us", { state: "down", score: 3, weight: 0, since: new Date(), reasons: [{ signal: "availability", code: "x", text: "every call fails", evidence: 22 }] }));
    const r = fake.world.routes[0];
    fake.push("weights", { epoch: "fake", revision: 1843, issued_at: new Date(), ttl_seconds: 60, hold_seconds: 900, routes: { chat: { mode: "normal", targets: [{ ...r.now.targets[0], weight: 0, share: 0 }, { ...r.now.targets[1], share: 1 }] } } });
    await page.waitForSelector("[data-target=gpt-us].down");
    await page.waitForFunction(() => /gpt-us is down: every call fails; 100 % of chat now goes to claude-us; since/.test(document.querySelector("[data-testid=sentence]").textContent));
    assert.equal(fake.requests.length, asked, "events are enough");
    assert.deepEqual(page.wrong, []);
  });

  test("an incident opens and resolves before one's eyes", async (t) => {
    const { fake, page } = await opened(t, { kind: "calm" });
    await page.waitForSelector(".link.live");
    await page.waitForSelector(".incidents .quiet");
    const i = { id: "7", state: "open", severity: "failing", cause: "provider", targets: ["gpt-us"], title: "gpt-us fails", first_evidence_at: new Date(Date.now() - 60_000), opened_at: new Date(), timeline: [] };
    fake.push("incident", i);
    await page.waitForSelector(".incident.failing");
    fake.push("incident", { ...i, state: "resolved" });
    await page.waitForSelector(".incident", { state: "detached" });
  });

  test("a lost connection is said with the age of what is shown, and mended by itself", async (t) => {
    const { fake, page } = await opened(t, { kind: "calm" });
    await page.waitForSelector(".link.live");
    fake.refuse(503);
    fake.drop(true);
    await page.waitForSelector("[data-testid=banner-warn]");
    assert.match(await page.textContent("[data-testid=banner-warn]"), /live connection is lost.*What is shown is \d+ s old/s);
    assert.ok(await page.isVisible("[data-target=gpt-us]"), "the last good data stays");
    assert.deepEqual(await axe(page), []);
    await shot(page, "lost-connection");
    fake.restore();
    await page.click("[data-testid=banner-warn] button");
    await page.waitForSelector(".link.live");
    await page.waitForSelector("[data-testid=banner-warn]", { state: "detached" });
  });

  test("a tab that nobody looks at lets go of its stream, and takes it up again", async (t) => {
    const fake = await start({ kind: "calm" });
    t.after(() => fake.close());
    const page = await browser.page("about:blank");
    t.after(() => page.close());
    await page.clock.install();
    await page.addInitScript(() => {
      let hidden = false;
      Object.defineProperty(Document.prototype, "hidden", { get: () => hidden });
      window.look = (seen) => {
        hidden = !seen;
        document.dispatchEvent(new Event("visibilitychange"));
      };
    });
    await page.goto(fake.url);
    await page.waitForSelector(".link.live");
    await page.evaluate(() => window.look(false));
    await page.clock.fastForward(21_000);
    await page.waitForSelector(".link.connecting");
    assert.equal(await page.locator("[data-testid=banner-warn]").count(), 0);
    await page.evaluate(() => window.look(true));
    await page.waitForSelector(".link.live");
  });

  test("nobody home at the start: a sentence, then the page when it comes up", async (t) => {
    const fake = await start({ kind: "calm" });
    t.after(() => fake.close());
    fake.refuse(503);
    const page = await browser.page(fake.url);
    t.after(() => page.close());
    await page.waitForSelector(".empty");
    assert.match(await page.textContent(".empty"), /The store does not answer/);
    await page.waitForSelector("[data-testid=banner-warn] button");
    fake.restore();
    await page.click("[data-testid=banner-warn] button");
    await page.waitForSelector("a.cell");
  });

  test("what a model said stays text", async (t) => {
    const { page } = await opened(t, { kind: "hostile" }, "/targets/gpt-us");
    await page.waitForSelector(".excerpt");
    const said = await page.locator(".excerpt").allTextContents();
    assert.equal(said[0], hostile[0]);
    assert.equal(said[1], hostile[1]);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.locator("#pwned, .excerpt img, .excerpt a").count(), 0);
    assert.deepEqual(page.wrong, []);
    await shot(page, "hostile");
  });

  test("an installation without targets says what to do next", async (t) => {
    const { page } = await opened(t, { kind: "empty" });
    await page.waitForSelector(".empty");
    assert.match(await page.textContent("main"), /bellwether demo/);
    assert.deepEqual(await axe(page), []);
    await shot(page, "empty");
  });

  test("a server with tokens asks for one, and lets in who has it", async (t) => {
    const { page } = await opened(t, { kind: "calm", tokens: { sesame: ["read"] } });
    await page.waitForSelector("form.signin");
    assert.deepEqual(await axe(page), []);
    await shot(page, "signin");
    await page.fill("#token", "wrong");
    await page.click("form.signin button");
    await page.waitForSelector("[role=alert]");
    await page.fill("#token", "sesame");
    await page.keyboard.press("Enter");
    await page.waitForSelector("a.cell");
    await page.waitForSelector(".link.live");
  });

  for (const picky of [false, true]) {
    test(`a token that may not read is ${picky ? "refused by the server" : "given back"}, and another is asked for`, async (t) => {
      const { fake, page } = await opened(t, { kind: "calm", picky, tokens: { blind: ["observe"], sesame: ["read"] } });
      await page.fill("#token", "blind");
      await page.click("form.signin button");
      await page.waitForSelector("[role=alert]");
      assert.match(await page.textContent("[role=alert]"), /scope.* read/);
      assert.equal((await (await fetch(`${fake.url}/v1/session`)).json()).authenticated, false);
      await page.fill("#token", "sesame");
      await page.click("form.signin button");
      await page.waitForSelector("a.cell");
    });
  }

  test("a session that may not read is asked for another token, and can be left", async (t) => {
    const { page } = await opened(t, { kind: "calm", session: ["observe"], tokens: { sesame: ["read"] } });
    await page.waitForSelector("form.signin [role=alert]");
    assert.match(await page.textContent("[role=alert]"), /“tester” has scope observe only/);
    assert.deepEqual(await axe(page), []);
    await shot(page, "signin-locked");
    await page.fill("#token", "sesame");
    await page.click("form.signin button");
    await page.waitForSelector("a.cell");
    await page.waitForSelector(".link.live");
    await page.click("text=Sign out");
    await page.waitForSelector("form.signin");
    assert.equal(await page.locator("a.cell, button:text-is('Sign out')").count(), 0);
    await page.fill("#token", "sesame");
    await page.click("form.signin button");
    await page.waitForSelector("a.cell");
    await page.waitForSelector(".link.live");
  });

  test("who may only read is told so where others acknowledge", async (t) => {
    const { page } = await opened(t, { session: ["read"], tokens: {} }, "/incidents/0197a1");
    await page.waitForSelector("text=token of scope operate");
    assert.equal(await page.locator("button:text-is('Acknowledge')").count(), 0);
    await page.close();
    const free = await opened(t, {}, "/incidents/0197a1");
    await free.page.waitForSelector("button:text-is('Acknowledge')");
  });

  test("a refused key is said on top, on its tile and on its page, with its weight", async (t) => {
    const { page } = await opened(t, { kind: "refused" });
    await page.waitForSelector("[data-target=gpt-us].refused");
    assert.match(await page.textContent("[data-target=gpt-us]"), /our key is refused.*weight 0/s);
    assert.match(await page.textContent("[data-testid=sentence]"), /gpt-us has no verdict: our key is refused, weight 0/);
    assert.deepEqual(await axe(page), []);
    await shot(page, "refused");
    await page.click("[data-target=gpt-us]");
    await page.waitForSelector(".why .reasons li");
    assert.match(await page.textContent("[data-testid=verdict]"), /The provider rejects our key/);
    assert.doesNotMatch(await page.textContent(".why .reasons"), /nats/);
  });

  test("a weight that is held back without a verdict says by what", async (t) => {
    const { page } = await opened(t, { kind: "shed" }, "/targets/gpt-us");
    await page.waitForSelector(".evidence-list li.over");
    assert.match(await page.textContent("[data-testid=verdict]"), /No verdict against it; weight 0.8, held back by evidence of a difference too small/);
    assert.match(await page.textContent(".evidence-list li.over"), /over the threshold but no verdict: it needs a practical size as well/);
    await page.waitForSelector(".usual");
    assert.match(await page.textContent(".usual"), /failed calls.*wrong answers/s);
    assert.match(await page.textContent(".facts"), /\$2\.50/);
    await shot(page, "shed");
  });

  test("a doubtful probe explains itself to the keyboard", async (t) => {
    const { page } = await opened(t, { kind: "calm" }, "/targets/gpt-us");
    const tip = page.locator(".hint [role=tooltip]").first();
    await tip.waitFor({ state: "attached" });
    assert.equal(await tip.isVisible(), false);
    await page.locator(".hint").first().focus();
    await tip.waitFor({ state: "visible" });
    assert.match(await tip.textContent(), /the outcome counts, the timings do not/);
    assert.deepEqual(await axe(page), []);
    await shot(page, "doubtful");
  });

  test("an objective that is met over little data says so", async (t) => {
    const { page } = await opened(t, { kind: "calm" }, "/slos");
    await page.waitForSelector("table.list td");
    assert.match(await page.textContent("table.list"), /met so far, 7 % of data/);
  });

  test("the keyboard walks everywhere", async (t) => {
    const { page } = await opened(t, {});
    await page.waitForSelector("a.cell");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Skip to content");
    await page.keyboard.press("/");
    await page.waitForSelector("dialog[open] input");
    await page.keyboard.type("claude eu");
    assert.deepEqual(await axe(page), []);
    await shot(page, "finder", false);
    await page.keyboard.press("Enter");
    await page.waitForURL(/targets\/claude-eu/);
    for (const [key, path] of [["i", "/incidents"], ["s", "/slos"], ["r", "/routing"], ["o", "/"]]) {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await page.waitForURL((u) => u.pathname === path);
    }
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open] .keys");
    assert.deepEqual(await axe(page), []);
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    await page.waitForSelector("a.cell");
    let seen = false;
    for (let i = 0; i < 30 && !seen; i++) {
      await page.keyboard.press("Tab");
      seen = await page.evaluate(() => document.activeElement.matches("a.cell"));
    }
    assert.ok(seen, "cells are reached by Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL(/targets\//);
    assert.deepEqual(page.wrong, []);
  });

  test("a target that is not there is said so", async (t) => {
    const { page } = await opened(t, { kind: "calm" }, "/targets/nobody");
    await page.waitForSelector(".empty");
    assert.match(await page.textContent(".empty"), /There is no target nobody/);
  });
});
