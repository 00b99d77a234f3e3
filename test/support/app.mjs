/**
 * A small application to be run by drivers: answers every request on PORT with what it knows of itself.
 *
 * The rule this file keeps: it needs nothing but Node. The environment makes it misbehave:
 * APP_EXIT=code ends at once with two lines of output; APP_SLOW_MS listens late; APP_DEAF never listens;
 * APP_IGNORE_TERM takes no SIGTERM; APP_CHILD=group|session starts a child that sleeps, in its group or
 * out of it; APP_SAY=text writes a line. GET /exit?3 ends it with code 3, /say?text writes a line.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

const {
  PORT,
  HOST,
  RELEASE,
  APP_EXIT,
  APP_SLOW_MS,
  APP_DEAF,
  APP_IGNORE_TERM,
  APP_CHILD,
  APP_SAY,
} = process.env;

if (APP_EXIT !== undefined) {
  process.stdout.write('opening the database\n');
  process.stderr.write('\u001b[31mcannot open the database\u001b[0m: no such host\n');
  process.exit(Number(APP_EXIT));
}
if (APP_SAY !== undefined) process.stdout.write(`${APP_SAY}\n`);
if (APP_IGNORE_TERM !== undefined) process.on('SIGTERM', () => {});

let child = null;
if (APP_CHILD !== undefined) {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], {
    stdio: 'ignore',
    detached: APP_CHILD === 'session',
  });
}

const server = createServer((req, res) => {
  const { pathname, search } = new URL(req.url, 'http://app');
  const said = decodeURIComponent(search.slice(1));
  if (pathname === '/say') process.stdout.write(`${said}\n`);
  if (pathname === '/exit') res.once('finish', () => process.exit(Number(said)));
  res.setHeader('content-type', 'application/json');
  res.setHeader('connection', 'close');
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !key.startsWith('npm_')),
  );
  const about = { release: RELEASE, pid: process.pid, child: child?.pid ?? null };
  res.end(
    JSON.stringify({ ...about, cwd: process.cwd(), args: process.argv.slice(2), environment }),
  );
});
if (APP_DEAF === undefined) setTimeout(() => server.listen(PORT, HOST), Number(APP_SLOW_MS ?? 0));
else setInterval(() => {}, 1e6);
