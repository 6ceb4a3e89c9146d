// One step of the ladder: starts the server, CLIENTS clients against it, measures MEASURE_S seconds, prints one line
// of JSON. Some clients decode what they are sent and time their commands; the others count bytes and drop them, so
// that this process is not what is measured. It is what worldlog/benches/edge does.
import { Client } from '@colyseus/sdk';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { COMMANDS_PER_SECOND, ROOM, SPEED_MAX, STEER, YOURS, setting } from './world.mjs';

const CLOCK_TICKS_PER_SECOND = 100; // what Linux tells user programs, whatever the kernel's own clock
const LOOKING_MAX = 10;
const JOINS_AT_ONCE = 20;
const WARM_UP_MS = 1_500;
const GIVE_UP_MS = 90_000;

const clients = setting('CLIENTS', 10);
const radius = setting('VIEW_RADIUS', 0);
const port = setting('PORT', 19567);
const seconds = setting('MEASURE_S', 6);

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const digits = (value) => Math.round(value * 1_000) / 1_000;

function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

function residentMib(pid) {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8').split('\n').find((text) => text.startsWith('VmRSS:'));
  return Number(line.split(/\s+/)[1]) / 1_024;
}

const server = spawn(process.execPath, [new URL('server.mjs', import.meta.url).pathname], {
  env: { ...process.env, PORT: String(port), NODE_ENV: 'production' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
function end(row) {
  server.kill('SIGKILL');
  console.log(JSON.stringify(row));
  process.exit(row.error ? 1 : 0);
}
setTimeout(() => end({ clients, error: `not done within ${GIVE_UP_MS} ms` }), GIVE_UP_MS).unref();
process.on('SIGTERM', () => end({ clients, error: 'ended from outside' }));
await new Promise((listens, failed) => {
  server.stdout.on('data', (text) => String(text).includes('LISTENING') && listens());
  server.once('exit', (code) => failed(new Error(`the server ended with ${code}`)));
});

const found = { isMeasuring: false, bytes: 0, messages: 0, latencies: [], moved: 0, seen: 0, patches: 0 };

class Player {
  constructor(room, isLooking) {
    Object.assign(this, { room, isLooking, number: 0, sent: new Map(), places: new Map(), key: undefined });
    const handle = room.connection.events.onmessage;
    room.connection.events.onmessage = (event) => {
      if (found.isMeasuring) {
        found.bytes += event.data.byteLength ?? event.data.length;
        found.messages += 1;
      }
      if (this.isLooking || !this.isReady) handle(event);
    };
    room.onMessage(YOURS, (key) => (this.key = key));
  }

  async becomeReady() {
    while (this.key === undefined || !this.room.state?.points) await sleep(5);
    this.isReady = true;
    if (this.isLooking) this.room.onStateChange(() => this.look());
    await sleep(Math.random() * (1_000 / COMMANDS_PER_SECOND));
    this.beat = setInterval(() => this.steer(), 1_000 / COMMANDS_PER_SECOND);
  }

  steer() {
    const angle = Math.random() * 2 * Math.PI;
    this.number += 1;
    if (this.isLooking) this.sent.set(this.number, performance.now());
    const [vx, vy] = [Math.fround(Math.cos(angle) * SPEED_MAX), Math.fround(Math.sin(angle) * SPEED_MAX)];
    this.room.send(STEER, { vx, vy, number: this.number });
  }

  look() {
    const now = performance.now();
    const newest = this.room.state.points.get(this.key)?.newest ?? 0;
    for (const [number, at] of this.sent) {
      if (number > newest) break; // in the order in which they were sent
      this.sent.delete(number);
      if (found.isMeasuring) found.latencies.push(now - at);
    }
    if (!found.isMeasuring) return;
    let moved = 0;
    const places = new Map();
    this.room.state.points.forEach((point, key) => {
      const [x, y] = this.places.get(key) ?? [point.x, point.y];
      if (x !== point.x || y !== point.y) moved += 1;
      places.set(key, [point.x, point.y]);
    });
    this.places = places;
    found.moved += moved;
    found.seen += places.size;
    found.patches += 1;
  }
}

const sdk = new Client(`ws://127.0.0.1:${port}`);
const looking = Math.min(LOOKING_MAX, Math.ceil(clients / 2));
const players = [];
async function join(place) {
  const player = new Player(await sdk.joinOrCreate(ROOM), place < looking);
  await player.becomeReady();
  players.push(player);
}
const begun = performance.now();
for (let first = 0; first < clients; first += JOINS_AT_ONCE) {
  const places = Array.from({ length: Math.min(JOINS_AT_ONCE, clients - first) }, (_, more) => first + more);
  await Promise.all(places.map(join));
}
const joinMs = performance.now() - begun;
await sleep(WARM_UP_MS);

const before = { server: cpuSeconds(server.pid), own: cpuSeconds(process.pid), at: performance.now() };
found.isMeasuring = true;
await sleep(seconds * 1_000);
found.isMeasuring = false;
const wall = (performance.now() - before.at) / 1_000;
const serverCpu = cpuSeconds(server.pid) - before.server;
const ownCpu = cpuSeconds(process.pid) - before.own;

const { latencies } = found;
latencies.sort((one, other) => one - other);
const quantile = (share) =>
  latencies.length ? digits(latencies[Math.min(latencies.length - 1, Math.ceil(share * latencies.length) - 1)]) : null;
const late = players.flatMap((player) => [...player.sent.values()]).filter((at) => performance.now() - at > 1_000);
const movedPerSecond = found.moved / looking / wall;
end({
  clients,
  interest: radius > 0 ? `radius ${radius}` : 'none',
  bytes_per_client_s: Math.round(found.bytes / clients / wall),
  bytes_per_moving_entity: digits(found.bytes / clients / wall / Math.max(movedPerSecond, 1e-9)),
  cpu_ms_per_client_s: digits((serverCpu * 1_000) / clients / wall),
  latency_ms: { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) },
  latencies: latencies.length,
  unseen_after_1s: late.length,
  entities: setting('ENTITIES', 1000),
  entities_seen: digits(found.seen / Math.max(found.patches, 1)),
  moving_seen_per_patch: digits(found.moved / Math.max(found.patches, 1)),
  patches_seen_per_s: digits(found.patches / looking / wall),
  messages_per_client_s: digits(found.messages / clients / wall),
  server_cpu_cores: digits(serverCpu / wall),
  server_rss_mib: Math.round(residentMib(server.pid)),
  client_process_cpu_cores: digits(ownCpu / wall),
  join_ms: Math.round(joinMs),
  wall_s: digits(wall),
  load1: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
});
