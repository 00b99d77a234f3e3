/**
 * The application behind the end-to-end tests: every answer says which release gave it, and from
 * which process.
 *
 * The rule this file keeps: it needs nothing but Node and `ws`. As a replica it takes RELEASE and
 * PORT from the environment; with names as arguments it is a release for each of them, on ports of
 * its own, which it prints as one line of JSON.
 *
 * / and /slow?ms answer with text, /echo with the digest of what was posted, /sse with numbered
 * events, /ws echoes, /download?chunks&ms is paced and its digest comes as a trailer, /up is 200
 * unless the name of the release contains "broken".
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const chunk = Buffer.alloc(32 * 1024, 'points');
const tickMs = 50;

function listen(release, port, host) {
  const tunnels = new WebSocketServer({ noServer: true });
  const server = createServer((req, res) => {
    const url = new URL(req.url, 'http://release');
    res.setHeader('x-release', release);
    res.setHeader('x-pid', process.pid);
    const answer = answers[url.pathname] ?? answers['/'];
    answer(req, res, url.searchParams, release);
  });
  // Longer than any pause of the clients that a test keeps connected.
  server.keepAliveTimeout = 60_000;
  server.on('upgrade', (req, socket, head) => {
    socket.on('error', () => socket.destroy());
    tunnels.handleUpgrade(req, socket, head, (tunnel) => {
      tunnel.send(`hello ${release}`);
      tunnel.on('message', (data) => tunnel.send(`${release} ${data}`));
      tunnel.on('error', () => tunnel.terminate());
    });
  });
  return new Promise((resolve) => {
    server.listen(port, host, () => resolve(server.address().port));
  });
}

const answers = {
  '/': (_req, res, _query, release) => res.end(`hello from ${release}\n`),
  '/up': (_req, res, _query, release) => {
    res.statusCode = release.includes('broken') ? 500 : 200;
    res.end(res.statusCode === 200 ? 'ok\n' : 'the database migration is missing\n');
  },
  '/slow': (_req, res, query) => {
    setTimeout(() => res.end('slow\n'), Number(query.get('ms')));
  },
  '/echo': async (req, res) => {
    const hash = createHash('sha256');
    try {
      for await (const part of req) hash.update(part);
    } catch {
      return;
    }
    res.end(hash.digest('hex'));
  },
  '/sse': (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    let id = 0;
    const tick = setInterval(() => res.write(`id: ${id}\ndata: ${id++}\n\n`), tickMs);
    res.on('close', () => clearInterval(tick));
  },
  '/download': (_req, res, query) => {
    const chunks = Number(query.get('chunks'));
    const hash = createHash('sha256');
    res.writeHead(200, { trailer: 'x-digest' });
    let sent = 0;
    const pace = setInterval(
      () => {
        hash.update(chunk);
        res.write(chunk);
        sent++;
        if (sent < chunks) return;
        clearInterval(pace);
        res.addTrailers({ 'x-digest': hash.digest('hex') });
        res.end();
      },
      Number(query.get('ms')),
    );
    res.on('close', () => clearInterval(pace));
  },
};

const { PORT, HOST = '127.0.0.1', RELEASE } = process.env;
const names = process.argv.slice(2);
if (names.length === 0) {
  await listen(RELEASE, Number(PORT), HOST);
} else {
  const ports = await Promise.all(names.map((name) => listen(name, 0, HOST)));
  const where = Object.fromEntries(names.map((name, at) => [name, ports[at]]));
  process.stdout.write(`${JSON.stringify(where)}\n`);
}
process.on('SIGTERM', () => process.exit(0));
