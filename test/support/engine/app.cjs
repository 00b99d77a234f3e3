/**
 * The app inside the test images: says who it is, and misbehaves as its variables tell it to.
 *
 * The rule this file keeps: plain CommonJS and nothing but Node, since nothing else is in the
 * image.
 */
const http = require('node:http');
const { env } = process;

process.on('SIGTERM', () => process.exit(0));

if (process.argv[2] === 'check') {
  // The HEALTHCHECK.
  http
    .get('http://127.0.0.1:3000/health', (res) => {
      process.stdout.write(`health said ${res.statusCode}`);
      process.exit(res.statusCode === 200 ? 0 : 1);
    })
    .on('error', (error) => {
      process.stdout.write(error.message);
      process.exit(1);
    });
} else if (env.MODE === 'exits') {
  process.stdout.write('looking for the database\n');
  process.stderr.write('no database at db:5432\n');
  process.exit(3);
} else {
  // One that says how it is on a port of its own says it there alone.
  const own = env.HEALTH_PORT !== undefined;
  if (own) http.createServer((_req, res) => res.end('of itself')).listen(Number(env.HEALTH_PORT));
  let health = env.MODE === 'sick' ? 500 : 200;
  const server = http.createServer((req, res) => {
    if (req.url === '/health' && !own) res.writeHead(health).end();
    else if (req.url === '/get-sick' || req.url === '/get-well') {
      health = req.url === '/get-sick' ? 500 : 200;
      res.end();
    } else {
      const { VERSION, NAME, MARK, ENGINE } = env;
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ version: VERSION, name: NAME, mark: MARK, engine: ENGINE, began }));
    }
  });
  const began = Date.now();
  const port = env.MODE === 'wrong-port' ? 4000 : 3000;
  setTimeout(
    () => {
      server.listen(port, () => process.stdout.write(`${env.VERSION} listens on ${port}\n`));
    },
    Number(env.SLOW_MS ?? 0),
  );
}
