/** How the clients of a suite speak to a lane: the promises are the same, whatever it is. */
import { type Ask, ask, type Got } from '../../support/client.ts';

export interface Speaker {
  ask(port: number, what?: Ask): Promise<Got>;
  readonly proto: 'http' | 'https';
  /** It can be said byte by byte what comes, and tunnels can be asked for. */
  readonly speaksBytes: boolean;
}

export const http1: Speaker = { ask, proto: 'http', speaksBytes: true };
