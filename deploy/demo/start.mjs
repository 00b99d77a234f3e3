/**
 * `npm start`: the proxy in front of the demo service, and what to try next once it is ready.
 *
 * The rule this file keeps: it only starts what everybody starts (`pointsman run -c …`), waits until
 * that says it is up, and passes signals and the exit code on. It asks nobody before: whoever answers
 * on the port may be another one.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', '..', 'dist', 'main.js');
const admin = 'http://127.0.0.1:9400';
const lookEveryMs = 100;
const saidMax = 1000;

// A group of its own: Ctrl-C goes to all of a terminal's group, and asked twice, by the terminal and
// by us, the proxy would end at once and let nothing finish.
const proxy = spawn(process.execPath, [main, 'run', '-c', join(here, 'pointsman.yaml')], {
  stdio: ['inherit', 'inherit', 'pipe'],
  detached: true,
});
const up = new Promise((resolve) => {
  let said = '';
  proxy.stderr.on('data', (text) => {
    process.stderr.write(text);
    said = (said + text).slice(-saidMax);
    if (said.includes('Pointsman is up')) resolve();
  });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => proxy.kill(signal));
// The terminal is gone; to the proxy SIGHUP would say that its config has changed.
process.on('SIGHUP', () => proxy.kill('SIGTERM'));
proxy.on('exit', (code) => process.exit(code ?? 1));

await up;
while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
process.stdout.write(await hints());

async function ready() {
  try {
    return (await fetch(`${admin}/readyz`)).ok;
  } catch {
    return false;
  }
}

async function hints() {
  const { live, pools } = await (await fetch(`${admin}/v1/services/shop`)).json();
  return `
Pointsman is ready: http://127.0.0.1:8080 serves ${pools[live].release} from ${live}.

Try, in another terminal:
  curl http://127.0.0.1:8080/                  who answers?
  npx pointsman deploy shop v2                 a new release beside the old one, then one flip
  npx pointsman status shop                    what is live, what is warm
  npx pointsman rollback shop                  back, in milliseconds
  npx pointsman deploy shop v3-broken          a release that never gets healthy: nothing happens to traffic
  npx pointsman events -f                      watch it all
The page: ${admin}/   The API: ${admin}/docs   Metrics: ${admin}/metrics
Ctrl-C ends it all.
`;
}
