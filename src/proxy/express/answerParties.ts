/**
 * Who has to do with an answer on its way: its client, the request that it answers, the try that it
 * comes from, and the service.
 *
 * The rule this file keeps: roles only, each as narrow as the relay of an answer needs it.
 */
import type { Duplex } from 'node:stream';
import type { FaultCode } from '../../errors.ts';
import type { Policy } from '../../wire.ts';
import type { HeaderEdits } from '../edge/headerEdits.ts';
import type { Loss } from '../failurePolicy.ts';

/** The connection of the client that is answered. */
export interface AnsweredClient {
  readonly socket: Duplex;
  readonly proto: 'http' | 'https';
  /** Sets its one deadline anew. */
  arm(delayMs: number): void;
  disarm(): void;
  /** Breaks it off: the client must see that the answer is not whole. */
  destroy(): void;
}

/** Why what came is no answer. */
export type NoAnswer = Extract<Loss, 'malformed' | 'oversized' | 'endless'>;

/** Whose answer it is, told how it goes. */
export interface Recipient {
  /** What came is no answer, and nothing of it was passed on. */
  lost(loss: NoAnswer): void;
  /** What Date says where the target did not. */
  date(): string;
  /** An interim answer came: the target is at work, and the wait for its answer begins anew. */
  awaitAnswer(): void;
  /** The client has part of an answer, and the rest will not come. */
  broken(code: FaultCode): void;
  /** The client has taken all of it. */
  taken(): void;
  /** The connection to the client ends with this answer. */
  mustClose(): boolean;
}

/** Where it comes from: the try of the request that is answered. */
export interface AnswerSource {
  /**
   * All of the answer has come.
   *
   * @param reusable it ended exactly where it said, and the connection is kept by the target.
   * @param keepsForMs for so long; 0: nothing was said.
   */
  complete(reusable: boolean, keepsForMs: number): void;
  /** The bytes last received are still being written. */
  keepBuffer(): void;
}

/** Whose targets answer. */
export interface AnsweringService {
  readonly policy: Pick<Policy, 'idleMs' | 'hstsSeconds' | 'responseHeaderBytesMax'>;
  readonly rules: { readonly response: HeaderEdits | null } | null;
}
