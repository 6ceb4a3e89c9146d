// What stands around the field: health, ammunition, scores, and how the connection is.

import type { Session } from "../src/index.js";
import type { ArenaComponents, Seat } from "./components.js";
import { colourOf } from "./draw.js";
import { type World, PICKUP } from "./world.js";

const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
};

const TEAM_NAMES = ["Blue", "Red", "Green", "Gold"];
const FEED_MS = 5_000;
const REACH = 1.2;

/** Sets text only where it changed, so that nothing is laid out anew without need. */
function say(id: string, text: string): void {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

function put(id: string, html: string): void {
  const element = byId(id);
  if (element.dataset["shown"] === html) return;
  element.dataset["shown"] = html;
  element.innerHTML = html;
}

export function showVeil(title: string, text: string, again?: () => void): void {
  byId("veil").hidden = false;
  say("veil-title", title);
  say("veil-text", text);
  const button = byId("again") as HTMLButtonElement;
  button.hidden = again === undefined;
  button.onclick = again ?? null;
}

export function hideVeil(): void {
  byId("veil").hidden = true;
  byId("hud").hidden = false;
}

export function updateHud(session: Session<ArenaComponents>, world: World, isScoreShown: boolean, now: number): void {
  const seat = world.seat;
  updateScore(world, seat);
  updateVitals(world, seat);
  updateNet(session, world);
  updateFeed(world, session.player, now);
  updateDeath(world, seat);
  byId("scores").hidden = !isScoreShown;
  if (isScoreShown) updateScores(world, session.player);
}

function updateScore(world: World, seat: Seat | undefined): void {
  for (const [, score] of world.mirror.all("Score")) {
    const teams = [score["teams.0"], score["teams.1"], score["teams.2"], score["teams.3"]];
    const playing = new Set([...world.mirror.all("Seat")].map(([, other]) => other.team));
    const shown = teams.flatMap((points, team) => {
      if (!playing.has(team) && points === 0) return [];
      const own = team === seat?.team ? " own" : "";
      return [`<div class="team${own}" style="--team:${colourOf(team)}"><small>${TEAM_NAMES[team]}</small>${points}</div>`];
    });
    put("teams", shown.join(""));
    const left = Math.max(0, Math.round((Number(score.ends_at) - world.mirror.tick) / world.clock.rate));
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    put("clock", `<small>${score.over ? "next round in" : `round ${score.round}`}</small>${time}`);
    return;
  }
}

function updateVitals(world: World, seat: Seat | undefined): void {
  const avatar = seat?.avatar ?? 0;
  const health = world.mirror.get(avatar, "Health");
  const part = health === undefined || health.max === 0 ? 0 : health.points / health.max;
  byId("health").style.width = `${100 * part}%`;
  byId("health").classList.toggle("low", part < 0.35);
  byId("shield").style.width = `${Math.min(100, health?.shield ?? 0)}%`;
  say("points", health === undefined ? "" : `${health.points}`);
  const loadout = world.mirror.get(avatar, "Loadout");
  say("weapon-name", loadout === undefined ? "" : (world.content?.weapons[loadout.weapon]?.name ?? "weapon"));
  say("ammo", loadout === undefined ? "" : loadout.reloading ? "···" : `${loadout.ammo}`);
  say("reserve", loadout === undefined ? "" : `/ ${loadout.reserve}`);
  say("hint", weaponInReach(world, avatar));
}

function weaponInReach(world: World, avatar: number): string {
  const at = world.mirror.get(avatar, "Position");
  if (at === undefined) return "";
  for (const [entity, pickup] of world.mirror.all("Pickup")) {
    if (pickup.item !== 4 || pickup.back_at !== 0n) continue;
    const place = world.mirror.get(entity, "Position");
    if (place === undefined || world.mirror.get(entity, "Kind")?.kind !== PICKUP) continue;
    if (Math.hypot(place.x - at.x, place.y - at.y) <= REACH) {
      return `E: take the ${world.content?.weapons[pickup.weapon]?.name ?? "weapon"}`;
    }
  }
  return "";
}

function updateNet(session: Session<ArenaComponents>, world: World): void {
  const { stats } = session;
  const view = world.mirror.view;
  const rows: [string, string][] = [
    ["ping", `${stats.pingMs.toFixed(0)} ms`],
    ["command", `${stats.ackMs.toFixed(0)} ms`],
    ["tick", `${world.mirror.tick}`],
    ["entities", `${world.mirror.entityCount}`],
    ["loss", view === undefined ? "ordered" : `${((100 * view.missing) / 64).toFixed(0)} %`],
    ["hash errors", `${world.mirror.counts.hashMismatches} of ${world.mirror.counts.hashChecks}`],
  ];
  put("net", rows.map(([name, value]) => `<span>${name}</span><span>${value}</span>`).join(""));
}

function updateFeed(world: World, player: number, now: number): void {
  const fresh = world.deaths.filter((death) => now - death.at < FEED_MS).slice(-6);
  world.deaths.splice(0, world.deaths.length, ...fresh);
  const teams = new Map([...world.mirror.all("Seat")].map(([, seat]) => [seat.player, seat.team]));
  const name = (who: number): string =>
    `<b style="color:${colourOf(teams.get(who) ?? -1)}">${who === player ? "You" : `P${who}`}</b>`;
  const lines = fresh.map(({ victim, killer }) =>
    killer === undefined ? `${name(victim)} fell` : `${name(killer)} ✕ ${name(victim)}`,
  );
  put("feed", lines.map((line) => `<div>${line}</div>`).join(""));
}

function updateDeath(world: World, seat: Seat | undefined): void {
  const isDead = seat !== undefined && seat.avatar === 0;
  byId("death").hidden = !isDead;
  if (!isDead) return;
  const left = Math.max(0, (Number(seat.respawn_at) - world.mirror.tick) / world.clock.rate);
  say("death", `Back in ${left.toFixed(1)} s`);
}

function updateScores(world: World, player: number): void {
  const seats = [...world.mirror.all("Seat")].map(([, seat]) => seat).sort((a, b) => b.score - a.score);
  const rows = seats.slice(0, 24).map(
    (seat) =>
      `<tr class="${seat.player === player ? "own" : ""}"><td><i class="dot" style="--team:${colourOf(seat.team)}"></i>` +
      `${seat.player === player ? "You" : `P${seat.player}`}</td><td>${seat.score}</td><td>${seat.kills}</td><td>${seat.deaths}</td></tr>`,
  );
  const head = "<tr><th>Player</th><th>Score</th><th>Kills</th><th>Deaths</th></tr>";
  put("scores", `<table>${head}${rows.join("")}</table>`);
}
