/**
 * The only importer of @grpc/grpc-js: a service of gRPC with the four kinds of calls, and a client
 * of it.
 *
 * The rule this file keeps: messages are text, so that nothing has to be compiled; and a client
 * never tries again by itself.
 */
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Client as GrpcClient,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import type { Https } from './ways.ts';

export { status };

const text = {
  requestSerialize: (value: string) => Buffer.from(value),
  requestDeserialize: (bytes: Buffer) => bytes.toString(),
  responseSerialize: (value: string) => Buffer.from(value),
  responseDeserialize: (bytes: Buffer) => bytes.toString(),
};
const call = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Shop/${name}`,
  requestStream,
  responseStream,
  ...text,
});
const service = {
  say: call('Say', false, false),
  count: call('Count', false, true),
  join: call('Join', true, false),
  talk: call('Talk', true, true),
};

export interface GrpcOrigin {
  readonly port: number;
  stop(): void;
}

/**
 * Answers with its name in front. `Say "fail"` fails with a message; `Count "n"` says 1 to n, one
 * each 5 ms; `Join` says all it was told; `Talk` says each back.
 */
export async function startGrpc(name: string, health = { serving: true }): Promise<GrpcOrigin> {
  const server = new Server();
  server.addService(service, {
    say(one: { request: string }, done: (error: unknown, value?: string) => void) {
      if (one.request !== 'fail') done(null, `${name} ${one.request}`);
      else done({ code: status.ALREADY_EXISTS, details: `${name}: für 100 %` });
    },
    count(one: { request: string; write(value: string): void; end(): void }) {
      let at = 0;
      const next = (): void => {
        one.write(`${name} ${++at}`);
        if (at < Number(one.request)) setTimeout(next, 5);
        else one.end();
      };
      next();
    },
    join(
      one: NodeJS.ReadableStream,
      done: (error: unknown, value?: string, trailer?: Metadata) => void,
    ) {
      const told: string[] = [];
      one.on('data', (value: string) => told.push(value));
      one.on('end', () => {
        const trailer = new Metadata();
        trailer.set('x-told', String(told.length));
        done(null, `${name} ${told.join(',')}`, trailer);
      });
    },
    talk(one: NodeJS.ReadWriteStream & { write(value: string): boolean }) {
      one.on('data', (value: string) => one.write(`${name} ${value}`));
      one.on('end', () => one.end());
    },
  } as never);
  server.addService(
    {
      check: {
        path: '/grpc.health.v1.Health/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: (bytes: Buffer) => bytes,
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      check(one: { request: Buffer }, done: (error: unknown, value?: Buffer) => void) {
        const asked = one.request.subarray(2).toString();
        if (asked !== '' && asked !== 'test.Shop') done({ code: status.NOT_FOUND, details: asked });
        else done(null, Buffer.from([0x08, health.serving ? 1 : 2]));
      },
    } as never,
  );
  const port = await new Promise<number>((resolve, reject) => {
    const by = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', by, (error, at) => (error ? reject(error) : resolve(at)));
  });
  const stop = (): void => server.forceShutdown();
  onTestFinished(stop);
  return { port, stop };
}

export interface Said {
  readonly code: number;
  readonly text: string;
  /** Of the trailers, or of the failure. */
  readonly metadata?: Metadata;
}

export class ShopClient {
  readonly #client: GrpcClient;

  constructor({ port, ca, servername }: Https) {
    this.#client = new GrpcClient(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(ca)), {
      'grpc.ssl_target_name_override': servername,
      'grpc.default_authority': servername,
      'grpc.enable_retries': 0,
    });
    onTestFinished(() => this.#client.close());
  }

  say(value: string): Promise<Said> {
    return new Promise((resolve) => {
      const { say } = service;
      const done = (error: ServiceError | null, got?: string): void => resolve(said(error, got));
      this.#client.makeUnaryRequest(
        say.path,
        say.requestSerialize,
        say.responseDeserialize,
        value,
        done,
      );
    });
  }

  count(to: number): Promise<readonly string[] | Said> {
    const { count } = service;
    return all(
      this.#client.makeServerStreamRequest(
        count.path,
        count.requestSerialize,
        count.responseDeserialize,
        String(to),
      ),
    );
  }

  join(values: readonly string[]): Promise<Said> {
    return new Promise((resolve) => {
      const { join } = service;
      let trailers: Metadata | undefined;
      const stream: ClientWritableStream<string> = this.#client.makeClientStreamRequest(
        join.path,
        join.requestSerialize,
        join.responseDeserialize,
        (error: ServiceError | null, got?: string) => {
          // Its trailers are told right behind it.
          setImmediate(() =>
            resolve({ ...said(error, got), ...(trailers && { metadata: trailers }) }),
          );
        },
      );
      (stream as unknown as NodeJS.EventEmitter).on('status', ({ metadata }) => {
        trailers = metadata;
      });
      for (const value of values) stream.write(value);
      stream.end();
    });
  }

  /** Says each once the one before was answered. */
  async talk(values: readonly string[]): Promise<readonly string[] | Said> {
    const stream = this.open();
    const over = all(stream);
    for (const value of values) {
      const answered = new Promise<void>((resolve) => {
        stream.once('data', () => resolve());
        stream.once('error', () => resolve());
      });
      stream.write(value);
      await answered;
    }
    stream.end();
    return over;
  }

  open(): ClientDuplexStream<string, string> {
    const { talk } = service;
    return this.#client.makeBidiStreamRequest(
      talk.path,
      talk.requestSerialize,
      talk.responseDeserialize,
    );
  }
}

function said(error: ServiceError | null, got = ''): Said {
  if (error === null) return { code: status.OK, text: got };
  return { code: error.code, text: error.details, metadata: error.metadata };
}

/** Every message, or how it failed. */
function all(stream: ClientReadableStream<string>): Promise<readonly string[] | Said> {
  const got: string[] = [];
  return new Promise((resolve) => {
    stream.on('data', (value: string) => got.push(value));
    stream.on('error', (error: ServiceError) => resolve(said(error)));
    stream.on('end', () => resolve(got));
  });
}
