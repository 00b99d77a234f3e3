/**
 * The origin that every contender stands before: as little work as possible, so that it is never
 * what is measured. It reads heads and Content-Length bodies, keeps connections, and answers by
 * path: `/small` 12 bytes, `/64k` 64 KiB, anything else 12 bytes. An upgrade is accepted, and every
 * frame of `chatter.mjs` answered with one of the same text.
 */
import { createServer } from 'node:net';

const answers = new Map([
  ['/64k', answer(Buffer.alloc(64 * 1024, 'x'))],
  ['/', answer(Buffer.from('hello world\n'))],
]);
const closing = answer(Buffer.from('hello world\n'), 'connection: close\r\n');

const accepted =
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n' +
  'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';
/** From the client: 2 bytes of head, 4 of mask, 16 letters. */
const frameBytes = 22;
const echo = Buffer.from([0x81, 16, ...Buffer.from('abcdefghijklmnop')]);

const serve = (socket) => {
  let pending = Buffer.alloc(0);
  let bodyLeft = 0;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (bodyLeft > 0) {
        const take = Math.min(bodyLeft, pending.length);
        pending = pending.subarray(take);
        bodyLeft -= take;
        if (bodyLeft > 0) return;
        respond(socket, '/');
        continue;
      }
      const end = pending.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = pending.latin1Slice(0, end);
      pending = pending.subarray(end + 4);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (/\r\nexpect: *100/i.test(head)) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      if (/\r\nupgrade: *websocket/i.test(head)) return converse(socket, pending);
      if (length > 0) bodyLeft = length;
      else if (/\r\nconnection: *close/i.test(head)) socket.end(closing);
      else respond(socket, head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP/')));
    }
  });
};

/** On as many addresses of the loopback network as a service has targets: the same port on each. */
const addresses = Number(process.argv[2] ?? 1);
const listen = (host, port) =>
  new Promise((resolve) => {
    const server = createServer({ noDelay: true }, serve);
    server.listen(port, host, () => resolve(server.address().port));
  });
const port = await listen('127.0.0.1', 0);
for (let at = 2; at <= addresses; at++) await listen(`127.0.0.${at}`, port);
process.send?.(port);
process.on('disconnect', () => process.exit(0));

function converse(socket, early) {
  let bytes = early.length;
  socket.removeAllListeners('data');
  socket.on('data', (chunk) => {
    for (bytes += chunk.length; bytes >= frameBytes; bytes -= frameBytes) socket.write(echo);
  });
  socket.write(accepted);
}

function respond(socket, path) {
  socket.write(answers.get(path) ?? answers.get('/'));
}

function answer(body, extra = '') {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n${extra}content-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
