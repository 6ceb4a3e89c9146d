// The room. Settings: PORT, ENTITIES, VIEW_RADIUS (0: no views), VIEW_REFRESH_HZ. Says LISTENING when it does.
import { Room, Server } from '@colyseus/core';
import { Encoder, StateView } from '@colyseus/schema';
import { WebSocketTransport } from '@colyseus/ws-transport';
import { MOVING_ONE_OF, Point, ROOM, SPEED_MAX, STEER, TICKS_PER_SECOND, WIDTH, YOURS, setting, stateOf } from './world.mjs';

const entities = setting('ENTITIES', 1000);
const radius = setting('VIEW_RADIUS', 0);
// Who is near is looked up a few times a second; each tick would cost this peer more.
const ticksPerRefresh = Math.max(1, Math.round(TICKS_PER_SECOND / setting('VIEW_REFRESH_HZ', 5)));
const World = stateOf(radius > 0);

// The whole state must fit once.
Encoder.BUFFER_SIZE = 256 * entities;

/** Numbers from 0 to below 1, the same in each run. */
function chance(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

class Points extends Room {
  onCreate() {
    this.maxClients = 10_000;
    this.seatReservationTimeout = 60;
    this.patchRate = 1000 / TICKS_PER_SECOND;
    this.state = new World();
    const draw = chance(5);
    this.all = Array.from({ length: entities }, (_, index) => {
      const point = new Point();
      Object.assign(point, { x: draw() * WIDTH, y: draw() * WIDTH, health: 100, newest: 0 });
      point.vx = (draw() * 2 - 1) * SPEED_MAX;
      point.vy = (draw() * 2 - 1) * SPEED_MAX;
      this.state.points.set(String(index), point);
      return point;
    });
    this.movers = this.all.filter((_, index) => index % MOVING_ONE_OF === 0);
    this.taken = 0;
    this.tick = 0;
    this.onMessage(STEER, (client, wish) => {
      const { point } = client.userData;
      [point.vx, point.vy, point.newest] = [wish.vx, wish.vy, wish.number];
    });
    this.setTimestep(() => this.step(), 1000 / TICKS_PER_SECOND);
  }

  onJoin(client) {
    // Those that move come first, one fifth after the other.
    const turn = this.taken++ % entities;
    const index = ((turn % this.movers.length) * MOVING_ONE_OF + Math.floor(turn / this.movers.length)) % entities;
    client.userData = { point: this.all[index], near: new Set() };
    if (radius > 0) {
      client.view = new StateView();
      this.lookAround(client);
    }
    client.send(YOURS, String(index));
  }

  step() {
    const seconds = 1 / TICKS_PER_SECOND;
    for (const point of this.movers) {
      const [x, y] = [point.x + point.vx * seconds, point.y + point.vy * seconds];
      if (x < 0 || x > WIDTH) point.vx = -point.vx;
      if (y < 0 || y > WIDTH) point.vy = -point.vy;
      point.x = Math.min(Math.max(x, 0), WIDTH);
      point.y = Math.min(Math.max(y, 0), WIDTH);
    }
    if (radius > 0 && this.tick++ % ticksPerRefresh === 0) {
      this.clients.forEach((client) => this.lookAround(client));
    }
  }

  lookAround(client) {
    const { point, near } = client.userData;
    for (const other of this.all) {
      const [dx, dy] = [other.x - point.x, other.y - point.y];
      const isNear = dx * dx + dy * dy <= radius * radius;
      if (isNear === near.has(other)) continue;
      if (isNear) {
        near.add(other);
        client.view.add(other);
      } else {
        near.delete(other);
        client.view.remove(other);
      }
    }
  }
}

const transport = new WebSocketTransport({ maxPayload: 64 * 1024 });
const server = new Server({ transport, greet: false, gracefullyShutdown: false });
server.define(ROOM, Points);
await server.listen(setting('PORT', 19567), '127.0.0.1');
console.log('LISTENING');
