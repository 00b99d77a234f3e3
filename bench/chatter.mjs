/**
 * WebSocket clients: opens many, then sends small text frames on each in turn at a steady rate, and
 * waits for what comes back. It never opens one again, so whatever a proxy loses shows as an error.
 *
 * A child process: takes `{ port, count }`, answers `{ open, errors }` once all are up, then takes
 * `{ rate, seconds }` (frames/s over all) and answers `{ frames, errors, p50Ms, p99Ms }`.
 */
import { connect } from 'node:net';

/** A masked text frame of 16 letters: RFC 6455 section 5.2, with a mask of zeros. */
const frame = Buffer.from([0x81, 0x90, 0, 0, 0, 0, ...Buffer.from('abcdefghijklmnop')]);
const echoBytes = frame.length - 4;
const upgrade =
  'GET /chat HTTP/1.1\r\nhost: bench.example\r\nconnection: Upgrade\r\nupgrade: websocket\r\n' +
  'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
/** How long the last answers may take. */
const graceMs = 2_000;
const openAtOnce = 50;
const ticksPerSecond = 200;

const clients = [];
let errors = 0;
let times = [];

process.on('message', async (order) => {
  process.send('count' in order ? await openAll(order) : await chat(order));
});
process.on('disconnect', () => process.exit(0));

async function openAll({ port, count }) {
  while (clients.length + errors < count) {
    const some = Math.min(openAtOnce, count - clients.length - errors);
    await Promise.all(Array.from({ length: some }, () => open(port)));
  }
  return { open: clients.length, errors };
}

function open(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const client = { socket, up: false, due: 0, sentMs: [] };
    const lost = () => {
      errors++;
      resolve();
    };
    socket.once('error', () => {});
    socket.setTimeout(graceMs, () => client.up || socket.destroy());
    socket.once('close', lost);
    socket.on('data', (bytes) => {
      if (client.up) return echoed(client, bytes.length);
      if (!bytes.latin1Slice(0, 12).startsWith('HTTP/1.1 101')) return socket.destroy();
      client.up = true;
      clients.push(client);
      resolve();
    });
    socket.write(upgrade);
  });
}

function echoed(client, length) {
  client.due += length;
  while (client.due >= echoBytes && client.sentMs.length > 0) {
    client.due -= echoBytes;
    times.push(performance.now() - client.sentMs.shift());
  }
}

async function chat({ rate, seconds }) {
  times = [];
  const lostBefore = errors;
  const startMs = performance.now();
  let sent = 0;
  for (let overMs = 0; overMs < seconds * 1000; overMs = performance.now() - startMs) {
    for (const due = (rate * overMs) / 1000; sent < due; sent++) {
      const client = clients[sent % clients.length];
      client.sentMs.push(performance.now());
      client.socket.write(frame);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 / ticksPerSecond));
  }
  const endMs = performance.now() + graceMs;
  while (times.length < sent && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const sorted = times.sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(sorted.length * share)] ?? 0;
  const failed = errors - lostBefore + (sent - sorted.length);
  return { frames: sorted.length, errors: failed, p50Ms: at(0.5), p99Ms: at(0.99) };
}
