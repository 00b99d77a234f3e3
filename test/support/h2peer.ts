/**
 * A client of HTTP/2 that is not ours: Debian's python3-h2, in a process of its own.
 *
 * The rule this file keeps: it sends what it is told and judges what it gets; the judgement is the
 * library's.
 */
import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Fields } from './frames.ts';

const script = fileURLToPath(new URL('h2peer.py', import.meta.url));
/** Debian's own, whatever else is first on PATH. */
const python = '/usr/bin/python3';

/** Why there is none here; null: there is. */
export const h2peerMissing: string | null = missing();

function missing(): string | null {
  try {
    execFileSync(python, ['-c', 'import h2.connection'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'no python3-h2 (apt-get install python3-h2)';
  }
}

export interface PeerRequest {
  readonly fields: Fields;
  /** One frame of DATA each; null: the head ends the stream. */
  readonly body: readonly string[] | null;
  readonly trailers?: Fields;
}

/** What became of it, in latin1. */
export interface PeerOutcome {
  /** 0: there was no answer. */
  readonly status: number;
  readonly headers: Fields;
  readonly interims: readonly number[];
  readonly trailers: Fields;
  readonly body: string;
  readonly whole: boolean;
  readonly reset?: number;
  readonly goaway?: number;
  /** What the library found wrong with what it got. */
  readonly wrong?: string;
}

/** Asks for each on a connection of its own, one after the other. */
export function askByPeer(
  port: number,
  requests: readonly PeerRequest[],
): Promise<readonly PeerOutcome[]> {
  return new Promise((resolve, reject) => {
    const peer = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    peer.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    peer.once('error', reject);
    peer.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(out) as readonly PeerOutcome[]);
      else reject(new Error(`python3-h2 ended with ${code}`));
    });
    peer.stdin.end(JSON.stringify({ port, requests }));
  });
}
