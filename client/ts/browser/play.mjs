// Plays the page in Chromium and says what it saw, one JSON object a line; for `worldlog/tests/browser.rs`.
//
// usage: node play.mjs CHROMIUM URL FOLDER. Lines: "playing", then, once the edge was started again, "resumed", then "done".

import { join } from "node:path";
import { chromium } from "playwright-core";

const [executablePath, url, folder] = process.argv.slice(2);
const WAIT_MS = 30_000;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  const seen = () => page.evaluate(() => ({ ...window.worldlog, cut: undefined }));
  const until = (condition, argument) => page.waitForFunction(condition, argument, { timeout: WAIT_MS });
  const say = async (event, more = {}) => console.log(JSON.stringify({ event, ...(await seen()), ...more, errors }));

  await page.goto(url);
  await until(() => window.worldlog?.connected && window.worldlog.own !== undefined);
  const before = await seen();
  await page.mouse.move(800, 300);
  await page.mouse.down();
  const isOff = (a, b) => a && b && Math.hypot(a.x - b.x, a.y - b.y) > 0.2;
  // One of four directions is free, wherever the body stands. All four would bring it back to there.
  const keys = ["d", "w", "a", "s"];
  for (let press = 0; !isOff(before.own, (await seen()).own); press += 1) {
    if (press === 12) throw new Error("the body does not move");
    await page.keyboard.down(keys[press % keys.length]);
    await page.waitForTimeout(400);
    await page.keyboard.up(keys[press % keys.length]);
  }
  await page.mouse.up();
  // Others may come into sight later, and the map be told.
  await until(() => {
    const now = window.worldlog;
    const first = (window.firstSeen ??= {});
    const hasMoved = ([entity, at]) => {
      const from = (first[entity] ??= { x: at.x, y: at.y });
      return Math.hypot(at.x - from.x, at.y - from.y) > 0.2;
    };
    return Object.entries(now.others).some(hasMoved) && now.ackMs > 0 && now.walls > 0;
  });
  await page.screenshot({ path: join(folder, "playing.png") });
  await page.keyboard.down("Tab");
  await page.waitForTimeout(100);
  await page.screenshot({ path: join(folder, "scores.png") });
  await page.keyboard.up("Tab");
  await say("playing");

  await until(() => window.worldlog.losses > 0 && window.worldlog.connected);
  const { tick, player } = await seen();
  await until((tick) => window.worldlog.tick > tick + 30, tick);
  await page.setViewportSize({ width: 1920, height: 1080 });
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, "resumed.png") });
  await say("resumed", { isSamePlayer: player === before.player });
} finally {
  await browser.close();
}
