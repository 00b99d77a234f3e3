/**
 * Who is measured: Pointsman, what it is built on, and every peer that is found on PATH.
 *
 * The rule this file keeps: each gets one worker, access log off, metrics as it ships them,
 * keep-alive to the origin, and the same place to run.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tree } from './cpu.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const launched = new Set();

/**
 * @typedef {{ name: string, version: string, port: number, pid: number, admin?: number, stop():
 *   void }} Contender
 */

/** Proxies in the order they are printed: name to what starts it. */
export const kinds = {
  'bare http-proxy': { on: null, start: bare },
  pointsman: { on: null, start: (o) => pointsman(o, { workers: 1 }) },
  // Another checkout of it, built, where one is given: what a change costs.
  'pointsman before': {
    on: null,
    start: (o) => pointsman(o, { workers: 1, root: process.env.POINTSMAN_BEFORE }),
  },
  'pointsman general': { on: null, start: (o) => pointsman(o, { workers: 1, lanes: 'general' }) },
  haproxy: { on: 'haproxy', version: ['-v'], start: haproxy },
  nginx: { on: 'nginx', version: ['-v'], start: nginx },
  caddy: { on: 'caddy', version: ['version'], start: caddy },
  traefik: { on: 'traefik', version: ['version'], start: traefik },
  'kamal-proxy': { on: 'kamal-proxy', version: ['version'], start: kamal },
};

/** @param {string} command @returns {boolean} */
export function onPath(command) {
  try {
    execFileSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The first line that says which version it is. */
export function versionOf(name) {
  const kind = kinds[name];
  if (!kind?.on) return `Node ${process.versions.node}`;
  const both = execFileSync('sh', ['-c', `${kind.on} ${kind.version.join(' ')} 2>&1 || true`]);
  return /\d+\.\d+[.\d]*/.exec(String(both))?.[0] ?? '?';
}

/**
 * A proxy of this kind before the origin, once it accepts connections.
 *
 * @param pair files of a certificate: it speaks HTTPS, and HTTP/2 with who asks for it. Pointsman, haproxy and nginx alone.
 */
export async function start(name, originPort, pair = null) {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-bench-'));
  const port = await freePort();
  const contender = await kinds[name].start({ folder, port, originPort, pair });
  await accepting(port);
  const stop = () => {
    endTree(contender.child.pid);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  return { name, port, pid: contender.child.pid, admin: contender.admin, stop };
}

/**
 * Pointsman with static pools; `services` and `targets` for the questions of scale. `bench` takes
 * the place of the one service.
 */
export async function pointsman({ folder, port, originPort, pair = null }, options) {
  const admin = await freePort();
  const at = `127.0.0.1:${port}`;
  const certificates = pair === null ? [] : [{ cert: pair.cert, key: pair.key }];
  const listen =
    pair === null ? { listen: at } : { listen: [], tls: { listen: at, certificates, http2: true } };
  const targets = Array.from(
    { length: options.targets ?? 1 },
    (_, at) => `127.0.0.${at + 1}:${originPort}`,
  );
  const service = (hosts) => ({
    ...(hosts ? { hosts } : {}),
    run: { static: {} },
    health: { path: '/', interval: '10s', rise: 1 },
    first: { release: 'v1', targets },
  });
  const services = { bench: options.bench ?? service(null) };
  for (let at = 1; at < (options.services ?? 1); at++) {
    services[`s${at}`] = service([`s${at}.example`]);
  }
  const config = {
    ...listen,
    workers: options.workers,
    state: join(folder, 'state'),
    admin: { listen: `127.0.0.1:${admin}` },
    ...(options.lanes ? { lanes: options.lanes } : {}),
    ...(options.notify ? { notify: options.notify } : {}),
    services,
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'pointsman.yaml'), JSON.stringify(config));
  const main = join(options.root ?? join(here, '..'), 'dist', 'main.js');
  const command = [main, 'run', '-c', join(folder, 'pointsman.yaml')];
  const env = { ...process.env, ...options.env };
  const child = launch(process.execPath, command, env, options.pinned ?? true);
  await accepting(port);
  await ready(admin);
  return { child, admin };
}

async function bare({ port, originPort }) {
  return { child: launch(process.execPath, [join(here, 'bare.mjs'), port, originPort]) };
}

async function haproxy({ folder, port, originPort, pair }) {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 9900
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:${port}${pair ? ` ssl crt ${pair.both} alpn h2,http/1.1` : ''}
  default_backend b
backend b
  server s 127.0.0.1:${originPort} maxconn 4096
`,
  );
  return { child: launch('haproxy', ['-db', '-f', file]) };
}

async function nginx({ folder, port, originPort, pair }) {
  const ssl = pair
    ? `ssl_certificate ${pair.cert}; ssl_certificate_key ${pair.key}; ssl_protocols TLSv1.2 TLSv1.3;`
    : '';
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; user root; worker_processes 1; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 19800; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  keepalive_requests 1000000000; client_body_buffer_size 64k;
  map $http_upgrade $wish { default upgrade; '' ''; }
  upstream o { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}${pair ? ' ssl http2' : ''}; ${ssl}
    location / {
      proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection $wish;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`,
  );
  return { child: launch('nginx', ['-c', file, '-p', folder]) };
}

async function caddy({ folder, port, originPort }) {
  const file = join(folder, 'Caddyfile');
  writeFileSync(
    file,
    `{
  admin off
  auto_https off
}
http://127.0.0.1:${port}, http://bench.example:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${originPort}
}
`,
  );
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, GOMAXPROCS: '1' };
  return { child: launch('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], env) };
}

async function traefik({ folder, port, originPort }) {
  const file = join(folder, 'dynamic.yml');
  const url = `http://127.0.0.1:${originPort}`;
  const services = { o: { loadBalancer: { servers: [{ url }] } } };
  const routers = { r: { rule: 'PathPrefix(`/`)', service: 'o', entryPoints: ['web'] } };
  writeFileSync(file, JSON.stringify({ http: { routers, services } }));
  const args = [`--entrypoints.web.address=127.0.0.1:${port}`, `--providers.file.filename=${file}`];
  return { child: launch('traefik', args, { ...process.env, GOMAXPROCS: '1' }) };
}

async function kamal({ folder, port, originPort }) {
  const env = { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, GOMAXPROCS: '1' };
  const child = launch('kamal-proxy', ['run', '--http-port', port], env);
  await accepting(port);
  const target = ['deploy', 'bench', '--target', `127.0.0.1:${originPort}`];
  execFileSync('kamal-proxy', [...target, '--health-check-path', '/'], { env });
  return { child };
}

/** Ends a proxy and all that it started: nginx and Pointsman are several processes each. */
export function endTree(pid) {
  for (const one of tree(pid)) endOne(one);
}

/** Whatever a bench that failed half-way leaves behind ends with it. */
process.on('exit', () => {
  for (const pid of launched) endTree(pid);
});

function endOne(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** On core 0, where it is pinned: the load and the origin run on the other. */
function launch(command, args, env = process.env, pinned = true) {
  const words = [command, ...args.map(String)];
  const all = pinned && onPath('taskset') ? ['taskset', '-c', '0', ...words] : words;
  const child = spawn(all[0], all.slice(1), { stdio: 'ignore', env });
  launched.add(child.pid);
  child.once('exit', () => launched.delete(child.pid));
  return child;
}

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Resolves once something accepts on the port; at most ten seconds. */
export async function accepting(port) {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing accepts on port ${port}`);
}

async function ready(admin) {
  for (let tries = 0; tries < 1_200; tries++) {
    const answer = await fetch(`http://127.0.0.1:${admin}/readyz`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('Pointsman did not get ready');
}
