/**
 * A release for end-to-end tests: it says its name, and does what the path asks for.
 *
 * The rule this file keeps: it needs nothing but Node. PORT, HOST and RELEASE come from Pointsman; a
 * release with "broken" in its name never becomes healthy, and one with "leaky" in it does, and
 * answers every fifth request with 500.
 */
import { createServer } from 'node:http';

const { PORT, HOST = '127.0.0.1', RELEASE = 'dev' } = process.env;

let asked = 0;

const server = createServer((req, res) => {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://shop');
  if (pathname === '/up' && RELEASE.includes('broken')) {
    res.statusCode = 500;
    res.end('the database migration is missing\n');
  } else if (pathname === '/fail' || (RELEASE.includes('leaky') && ++asked % 5 === 0)) {
    res.statusCode = 500;
    res.end(`${RELEASE} failed\n`);
  } else if (pathname === '/drop') {
    req.socket.destroy();
  } else if (pathname === '/events') {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write(`data: ${RELEASE}\n\n`);
  } else {
    setTimeout(() => res.end(`${RELEASE}\n`), Number(searchParams.get('ms') ?? 0));
  }
});
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
