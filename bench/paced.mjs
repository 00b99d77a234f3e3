/**
 * Clients of HTTP/2 that behave, in a process of their own: they ask at a steady pace, whether they
 * are answered or not, so that what is waited for is not left out of what is measured.
 *
 * Told `{ port, seconds, perSecond }`, it answers `{ requests, errors, p50Ms, p99Ms, maxMs }`.
 */
import http2 from 'node:http2';

const connections = 4;

process.on('message', async ({ port, seconds, perSecond }) => {
  const sessions = Array.from({ length: connections }, () => {
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    session.on('error', () => {});
    return session;
  });
  const took = [];
  let errors = 0;
  const asked = [];
  const total = Math.round(seconds * perSecond);
  const began = performance.now();
  for (let at = 0; at < total; at++) {
    const due = began + (at * 1000) / perSecond;
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    asked.push(
      ask(sessions[at % connections]).then((right) => {
        if (right) took.push(performance.now() - due);
        else errors++;
      }),
    );
  }
  await Promise.all(asked);
  for (const session of sessions) session.destroy();
  took.sort((a, b) => a - b);
  const at = (part) =>
    took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? Number.NaN;
  const figures = { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
  process.send({ requests: took.length, errors, ...figures });
});

function ask(session) {
  return new Promise((resolve) => {
    const stream = session.request({ ':path': '/small', ':authority': 'bench.example' });
    let status = 0;
    stream.once('response', (head) => {
      status = head[':status'];
    });
    stream.on('error', () => {});
    stream.resume();
    stream.once('close', () => resolve(status === 200 && stream.rstCode === 0));
  });
}
