// Looks at recorded matches in Chromium as a designer would, and says what it saw, one JSON object a line; for
// `worldlog/tests/replay_page.rs`.
//
// usage: node replay.mjs CHROMIUM URL FOLDER. Lines: "opened", "scrubbed", "stepped", "asked", "compared", "done".

import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, url, folder] = process.argv.slice(2);
const WAIT_MS = 60_000;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(WAIT_MS);
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  const probe = () =>
    page.evaluate(() => {
      const { tick, playing, selected, hashMismatches } = window.worldlog;
      return { tick, playing, selected, hashMismatches };
    });
  const say = async (event, more = {}) => console.log(JSON.stringify({ event, ...(await probe()), ...more, errors }));
  const until = (condition, argument) => page.waitForFunction(condition, argument);
  /** What is shown is of this tick. */
  const settled = () => until(() => /^hash /.test(document.getElementById("hash").textContent));
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
    await settled();
    return (await probe()).tick;
  };

  await page.goto(url);
  await until(() => window.worldlog && document.querySelectorAll("#entities .row").length > 1);
  await settled();
  const last = await page.evaluate(() => Number(document.getElementById("timeline").getAttribute("aria-valuemax")));
  await say("opened", { last });

  const track = await page.locator("#timeline").boundingBox();
  const at = (part) => [track.x + part * track.width, track.y + track.height / 2];
  await page.mouse.move(...at(0.2));
  await page.mouse.down();
  const passed = [];
  for (const part of [0.3, 0.4, 0.5, 0.6]) {
    await page.mouse.move(...at(part), { steps: 4 });
    passed.push((await probe()).tick);
  }
  await page.mouse.up();
  await page.mouse.move(400, 300);
  await settled();
  await say("scrubbed", { passed });

  const begun = (await probe()).tick;
  const keys = { begun };
  keys.right = await press("ArrowRight");
  keys.left = await press("ArrowLeft", "ArrowLeft");
  keys.secondOn = await press("Shift+ArrowRight");
  keys.home = await press("Home");
  // What happened is known once the server has played the match through.
  for (let presses = 0; presses < 300 && !keys.moment; presses++) {
    if (presses > 0) await page.waitForTimeout(100);
    keys.moment = await press("]");
  }
  keys.end = await press("End");
  await press("Home");
  await page.keyboard.press("Space");
  await until(() => window.worldlog.playing && window.worldlog.tick > 15);
  await page.keyboard.press("Space");
  await settled();
  // By keys alone: to the timeline, whose focus is seen.
  for (let presses = 0; presses < 80; presses++) {
    if (await page.evaluate(() => document.activeElement.id === "timeline")) break;
    await page.keyboard.press("Tab");
  }
  keys.focus = await page.evaluate(() => {
    const { id, role } = document.activeElement;
    return { id, role, outline: getComputedStyle(document.activeElement).outlineStyle };
  });
  await say("stepped", { keys });

  // Somebody who was hurt: why has that body the health that it has?
  await page.mouse.click(...at(0.6));
  await settled();
  await page.keyboard.press("/");
  await page.keyboard.type("avatar health.points<100");
  await until(() => document.querySelector("#entities [data-entity]") !== null);
  await page.keyboard.press("Enter");
  await until(() => window.worldlog.selected !== null);
  const { selected, tick: asked } = await probe();
  const path = `${selected}.Health.points`;
  await page.click(`[data-path="${path}"]`);
  await page.waitForSelector("#why .writers li");
  const cause = await page.evaluate(() => {
    const text = (selector) => document.querySelector(`#why .writers li ${selector}`)?.textContent ?? null;
    return { tick: text(".jump"), system: text("code"), change: text(".change"), by: text(".cause") };
  });
  await page.screenshot({ path: join(folder, "why.png") });
  // What does not fit where it is shown, on the screen of a laptop and on one that shows less.
  const cutOff = () =>
    page.evaluate(() => {
      const over = (name, by) => (by > 0 ? [`${name} by ${by} pixels`] : []);
      const wide = ["bar", "tabs", "transport"].map((id) => document.getElementById(id));
      const values = document.getElementById("components");
      const list = document.getElementById("why");
      return [
        ...wide.flatMap(({ id, scrollWidth, clientWidth }) => over(id, scrollWidth - clientWidth)),
        ...over("values", values.scrollHeight - values.clientHeight),
        ...over("causes", Math.min(list.scrollHeight, 120) - list.clientHeight),
      ];
    });
  const laptop = await cutOff();
  await page.setViewportSize({ width: 1280, height: 680 });
  const shown = await page.evaluate(() => {
    const { bottom } = document.getElementById("components").getBoundingClientRect();
    const values = [...document.querySelectorAll("#components .value")];
    return values.filter((value) => value.getBoundingClientRect().bottom <= bottom).length / values.length;
  });
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.click("#why .writers .jump");
  await settled();
  await say("asked", { path, asked, cause, cutOff: laptop, shown });

  // Two forks of the same tick: one with the health, one with another.
  const fork = async (value) => {
    await page.click("#edits-clear").catch(() => undefined);
    await page.locator(`[data-path="${path}"] ~ .edit`).click();
    await page.fill(`[data-set="${path}"]`, String(value));
    await page.click("#fork-run");
    await page.waitForSelector("#fork-compare");
  };
  const match = page.locator("#file");
  const count = await match.locator("option").count();
  await page.click('[aria-controls="panel-whatif"]');
  await fork(77);
  await fork(33);
  const names = await match.locator("option").evaluateAll((options) => options.map(({ value }) => value));
  const forks = names.slice(count);
  const { tick } = await probe();
  await match.selectOption(forks[0]);
  await page.waitForFunction((name) => document.title.startsWith(name), forks[0]);
  await page.fill("#tick", String(tick));
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await settled();
  await page.keyboard.press("c");
  await page.locator("#other-file").selectOption(forks[1]);
  await page.fill("#other-tick", String(tick));
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await page.click('[aria-controls="panel-differences"]');
  const row = page.locator(`#differences tr[data-entity="${selected}"]`, { hasText: "points" });
  await row.waitFor();
  await page.screenshot({ path: join(folder, "compare.png") });
  const cells = await row.locator("td").allTextContents();
  await page.setViewportSize({ width: 1920, height: 1080 });
  await page.keyboard.press("Home");
  await settled();
  await page.waitForFunction(() => /the same/.test(document.getElementById("differences").textContent));
  await say("compared", { forks, cells, path });
  await say("done");
} finally {
  await browser.close();
}
