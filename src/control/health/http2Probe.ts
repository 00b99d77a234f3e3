/**
 * One question over HTTP/2 and what comes of it: the part of a probe that speaks it, and the words
 * of gRPC for it (grpc.health.v1).
 *
 * The rule this file keeps: one stream on a connection that was made for it; what comes is bounded,
 * and told once.
 */
import http2, {
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { Socket } from 'node:net';

export interface Question {
  readonly fields: OutgoingHttpHeaders;
  /** null: the head is all. */
  readonly body: Buffer | null;
}

/** As far as it came. */
export interface Heard {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const bodyBytesMax = 1_024;

/**
 * @param socket is connected, or is about to be.
 * @param done called once. @returns ends it, and the connection; `done` may not have been called.
 */
export function askByHttp2(
  socket: Socket,
  { fields, body }: Question,
  done: (error: NodeJS.ErrnoException | null, heard: Heard) => void,
): () => void {
  const session: ClientHttp2Session = http2.connect('http://target.invalid', {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  let status = 0;
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const parts: Buffer[] = [];
  let bytes = 0;
  let told = false;
  const tell = (error: Error | null): void => {
    if (!told) done(error, { status, headers, trailers, body: Buffer.concat(parts) });
    told = true;
  };
  session.on('error', tell);
  const stream = session.request(fields, { endStream: body === null });
  stream.on('response', (head) => {
    status = Number(head[':status']);
    headers = head;
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('data', (part: Buffer) => {
    parts.push(part);
    bytes += part.length;
    if (bytes >= bodyBytesMax) tell(null);
  });
  stream.on('error', tell);
  stream.on('close', () => tell(status === 0 ? new Error('it closed the stream') : null));
  if (body !== null) stream.end(body);
  return () => session.destroy();
}

/** @param service whose health is asked for; '': of the whole server. */
export function healthQuestion(service: string): Question {
  const name = Buffer.from(service);
  const message =
    name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const fields = {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  return { fields, body: Buffer.concat([head, message]) };
}

const words = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const notFound = 5;
const unimplemented = 12;

/** Why this is no health, as a sentence; null: it serves. */
export function healthVerdict(
  { status, headers, trailers, body }: Heard,
  service: string,
  where: string,
): string | null {
  if (status !== 200) return `${where} answered ${status} to a call of gRPC`;
  const said = trailers['grpc-status'] ?? headers['grpc-status'];
  const code = said === undefined ? Number.NaN : Number(said);
  if (code === unimplemented) return `${where} has no grpc.health.v1.Health: register it there`;
  if (code === notFound) return `${where} knows of no service ${JSON.stringify(service)}`;
  if (code !== 0) return `${where} answered its health check with gRPC status ${said ?? 'none'}`;
  // A message without fields says the default, which is UNKNOWN.
  const word =
    body.length >= 7 && body[5] === 0x08 ? (words[body[6] ?? 0] ?? 'UNKNOWN') : 'UNKNOWN';
  return word === 'SERVING' ? null : `${where} says ${word}, and SERVING is wanted`;
}
