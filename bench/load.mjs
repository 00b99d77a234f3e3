/**
 * The load: raw sockets that send prepared bytes and read answers by Content-Length. It never
 * retries, so whatever a proxy loses shows as an error.
 *
 * A child process: takes one order `{ port, path, body, connections, keepAlive, requests | seconds,
 * rate, secure }` and sends back `{ requests, errors, seconds, p50Ms, p99Ms, maxMs }`. With `rate`
 * (requests/s over all connections) it is an open loop: a request counts from when it was due, not
 * from when it was sent. With `secure`, options of `tls.connect`, it begins with a full handshake.
 */
import { connect } from 'node:net';
import tls from 'node:tls';

process.on('message', async (order) => process.send(await run(order)));
process.on('disconnect', () => process.exit(0));

/** Longest a run may take beyond its time: what hangs then is counted as an error. */
const graceMs = 5000;
/** An open loop catches up with what it starts too late: so much of a run is not timed. */
const settleShare = 0.2;

async function run(order) {
  const bytes = request(order);
  const limit = order.requests ?? Number.POSITIVE_INFINITY;
  const tally = { sent: 0, done: 0, errors: 0, times: [] };
  // What connecting costs is no part of what a request on a kept connection takes.
  const sockets = await Promise.all(
    Array.from({ length: order.keepAlive ? order.connections : 0 }, () => warm(order, bytes)),
  );
  const startMs = performance.now();
  const endMs = startMs + (order.seconds ?? 60) * 1000;
  const clients = Array.from({ length: order.connections }, (_, at) =>
    client(order, bytes, tally, limit, endMs, startMs, at, sockets[at] ?? null),
  );
  await Promise.race([
    Promise.all(clients),
    new Promise((resolve) => setTimeout(resolve, endMs - startMs + graceMs)),
  ]);
  const seconds = (performance.now() - startMs) / 1000;
  const times = tally.times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const errors = tally.errors + (tally.sent - tally.errors - tally.done);
  return { requests: tally.done, errors, seconds, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/** @returns {Promise<import('node:net').Socket | null>} null: it failed, and is tried again under the clock */
async function warm(order, bytes) {
  let socket = null;
  try {
    socket = await open(order);
    await exchange(socket, bytes);
    return socket;
  } catch {
    return close(socket);
  }
}

async function client(order, bytes, tally, limit, endMs, startMs, index, opened) {
  const everyMs = order.rate ? (order.connections / order.rate) * 1000 : 0;
  const timedMs = startMs + (everyMs > 0 ? (endMs - startMs) * settleShare : 0);
  let dueMs = startMs + (everyMs * index) / order.connections;
  let socket = opened;
  while (tally.sent < limit && performance.now() < endMs) {
    if (everyMs > 0) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    const sinceMs = everyMs > 0 ? dueMs : performance.now();
    dueMs += everyMs;
    tally.sent++;
    try {
      socket ??= await open(order);
      await exchange(socket, bytes);
      tally.done++;
      if (sinceMs >= timedMs) tally.times.push(performance.now() - sinceMs);
      if (!order.keepAlive) socket = close(socket);
    } catch {
      tally.errors++;
      socket = close(socket);
    }
  }
  close(socket);
}

function request({ path = '/small', body = 0, keepAlive }) {
  const length = body > 0 ? `content-length: ${body}\r\n` : '';
  const connection = keepAlive ? '' : 'connection: close\r\n';
  const head = `${body > 0 ? 'POST' : 'GET'} ${path} HTTP/1.1\r\nhost: bench.example\r\nuser-agent: bench\r\naccept: */*\r\n${length}${connection}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(body, 'x')]);
}

function open({ port, secure }) {
  return new Promise((resolve, reject) => {
    const to = { port, host: '127.0.0.1', noDelay: true };
    const named = { servername: 'bench.example', rejectUnauthorized: false };
    const socket = secure ? tls.connect({ ...to, ...named, ...secure }) : connect(to);
    socket.once(secure ? 'secureConnect' : 'connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends one request and resolves when its whole answer has come. */
function exchange(socket, bytes) {
  return new Promise((resolve, reject) => {
    let head = '';
    let left = -1;
    const done = (failed) => {
      socket.removeAllListeners('data');
      socket.removeAllListeners('close');
      socket.removeAllListeners('error');
      if (failed) reject(failed);
      else resolve();
    };
    socket.on('data', (chunk) => {
      if (left === -1) {
        head += chunk.latin1Slice();
        const end = head.indexOf('\r\n\r\n');
        if (end === -1) return;
        if (!head.startsWith('HTTP/1.1 200')) return done(new Error(head.slice(0, 60)));
        const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end + 2));
        left = Number(length?.[1] ?? 0) - (head.length - end - 4);
      } else {
        left -= chunk.length;
      }
      if (left <= 0) done(left < 0 ? new Error('more than was announced') : null);
    });
    socket.on('error', done);
    socket.on('close', () => done(new Error('closed')));
    socket.write(bytes);
  });
}

function close(socket) {
  socket?.on('error', () => {});
  socket?.destroy();
  return null;
}
