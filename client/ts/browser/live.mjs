// Looks at a live match in Chromium as a designer would, and says what it saw, one JSON object a line; for
// `worldlog/tests/replay_page.rs`.
//
// usage: node live.mjs CHROMIUM URL FOLDER. Lines: "live"; once the server was ended "gone"; once it is back "back".

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
  const probe = () =>
    page.evaluate(() => {
      const { tick, playing, selected, hashMismatches } = window.worldlog;
      return { tick, playing, selected, hashMismatches };
    });
  const say = async (event, more = {}) => console.log(JSON.stringify({ event, ...(await probe()), ...more, errors }));
  const until = (condition, argument) => page.waitForFunction(condition, argument);
  await page.goto(url);
  await until(() => window.worldlog?.playing);
  await until((begun) => window.worldlog.tick > begun + 60, (await probe()).tick);
  await page.keyboard.press("/");
  await page.keyboard.type("avatar");
  await until(() => document.querySelectorAll("#entities [data-entity]").length > 1);
  await page.screenshot({ path: join(folder, "live.png") });
  await say("live");

  const trouble = () => document.getElementById("trouble").textContent;
  await until(() => document.getElementById("trouble").textContent !== "");
  await say("gone", { trouble: await page.evaluate(trouble) });

  await until(() => document.getElementById("trouble").textContent === "");
  const { tick } = await probe();
  await until((tick) => window.worldlog.tick > tick + 30, tick);
  await say("back");
} finally {
  await browser.close();
}
