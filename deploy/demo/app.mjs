/**
 * The demo app: what a release looks like to its clients. It answers with its own name, so that a
 * flip is seen at once. PORT and RELEASE come from Pointsman; a release whose name contains
 * "broken" never becomes healthy, to see a deployment fail.
 */
import { createServer } from 'node:http';

const { PORT = '3000', HOST = '0.0.0.0', RELEASE = 'dev' } = process.env;

const server = createServer((req, res) => {
  const { pathname } = new URL(req.url ?? '/', 'http://demo');
  if (pathname === '/up') return health(res);
  if (pathname === '/events') return events(res);
  res.setHeader('content-type', 'text/plain; charset=utf-8');
  res.end(`Hello from ${RELEASE} (pid ${process.pid})\n`);
});

server.listen(Number(PORT), HOST, () => console.log(`${RELEASE} listens on ${HOST}:${PORT}`));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

function health(res) {
  res.statusCode = RELEASE.includes('broken') ? 500 : 200;
  res.end(res.statusCode === 200 ? 'ok\n' : 'the database migration is missing\n');
}

function events(res) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let count = 0;
  const tick = setInterval(() => res.write(`data: ${RELEASE} ${count++}\n\n`), 1000);
  res.on('close', () => clearInterval(tick));
}
