/**
 * What is refused and with which status, beside what other proxies on PATH do with the same bytes.
 *
 * The rule this file keeps: the cases are those of the tests, so the table cannot be kinder to us
 * than they are; and both of our lanes have to answer alike.
 */
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';
import { start } from './contenders.mjs';
import { print } from './table.mjs';

const casesFile = fileURLToPath(new URL('../test/proxy/lane/refused.ts', import.meta.url));
const patienceMs = 3_000;
const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Valid, and refused by some. */
const served = [
  ['an absolute form', 'GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['an absolute form of another host', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a path of 9,000 bytes', `GET /${'p'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['a path of 20,000 bytes', `GET /${'p'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['a field of 20,000 bytes', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`],
  ['Expect without a body', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n'],
  ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n'],
];

/** @returns {Promise<number>} cases in which our lanes differ, or a refusal is not the one it is to be. */
export async function refusalBench({ names }) {
  const { module } = await runnerImport(casesFile);
  const known = ['pointsman', 'pointsman general', 'haproxy', 'nginx'];
  const columns = known.filter((name) => names.includes(name));
  const origin = await startRawOrigin();
  const proxies = [];
  for (const name of columns) proxies.push(await start(name, origin.port));
  const rows = [];
  let wrong = 0;
  for (const [what, bytes, status = null] of [...served, ...module.refused]) {
    const got = [];
    for (const { port } of proxies) got.push(await ask(port, bytes));
    const ours = got.filter((_, at) => columns[at].startsWith('pointsman'));
    if (ours.some((one) => one !== ours[0] || (status !== null && one !== String(status)))) wrong++;
    rows.push([what, ...got]);
  }
  for (const proxy of proxies) proxy.stop();
  origin.close();
  print('What is sent, and the status of the answer', ['', ...columns], rows);
  return wrong;
}

/** @returns {Promise<string>} the status; `-`: the connection closes, or nothing comes. */
function ask(port, bytes) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let got = '';
    const over = () => {
      socket.destroy();
      resolve(/^HTTP\/1\.[01] ([2-5]\d\d)/m.exec(got)?.[1] ?? '-');
    };
    socket.setTimeout(patienceMs, over);
    socket.on('error', over);
    socket.on('close', over);
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (/^HTTP\/1\.[01] [2-5]/m.test(got)) over();
    });
    socket.write(bytes, 'latin1');
  });
}

/** A target that answers whatever it gets, so that only the proxy can refuse. */
function startRawOrigin() {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write(answer));
    });
    server.listen(0, '127.0.0.1', () => {
      resolve({ port: server.address().port, close: () => server.close() });
    });
  });
}
