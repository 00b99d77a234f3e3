/**
 * What a Pointsman and its successor say to each other, and what the successor is born with.
 *
 * The rule this file keeps: both may be of different versions, on different Nodes. What is said is
 * plain JSON, whatever is not known is left alone, and two that cannot understand each other say so
 * before anything has changed hands (`protocol`).
 */
import type { Address } from '../config/config.ts';
import type { FromController, ToController, WorkerInfo } from '../ipc.ts';

/** Raised where an older and a newer one would misunderstand each other, or the wire changed so. */
export const protocol = 1;

/** From the old one to its successor. */
export type ToSuccessor =
  /** The state is free and nobody writes it: take it, and serve. */
  | { readonly kind: 'go'; readonly workers: readonly WorkerInfo[] }
  /** For the controller: what the old workers and their supervisor say. */
  | { readonly kind: 'told'; readonly message: ToController }
  /** It has told all, and ends. */
  | { readonly kind: 'farewell' };

/** From the successor to the old one. */
export type FromSuccessor =
  /** Its code and config are read and its workers wait; it has written nothing. */
  | { readonly kind: 'prepared'; readonly version: string; readonly node: string }
  /** It cannot: the reason, for people. */
  | { readonly kind: 'refused'; readonly why: string }
  /** It serves. */
  | { readonly kind: 'up' }
  /** What the controller orders of the old workers. */
  | { readonly kind: 'ordered'; readonly message: FromController }
  /** It was told to end, and so are the old workers. */
  | { readonly kind: 'stop' };

/** What a successor is started with, beside its command line. */
export interface Inheritance {
  readonly protocol: number;
  /** What the listening sockets are for, in the order of their descriptors. */
  readonly sockets: readonly Address[];
  /** The slots of the old workers: from, and how many. */
  readonly firstSlot: number;
  readonly slots: number;
  /** The state changes hands, never places. */
  readonly stateDir: string;
  /** Whether somebody waits in front for the end of the last of us (`front.ts`). */
  readonly front: boolean;
}

/** Where the inherited sockets begin; before them come the channel and the line to the front. */
export const inheritedFd = { front: 4, sockets: 5 } as const;

const variable = 'POINTSMAN_INHERITANCE';

export function inheritanceVariable(inheritance: Inheritance): Record<string, string> {
  return { [variable]: JSON.stringify(inheritance) };
}

/**
 * @param env loses the variable: what this process starts inherits nothing of that kind.
 * @returns null: this one is nobody's successor.
 */
export function inheritanceOf(env: NodeJS.ProcessEnv): Inheritance | null {
  const text = env[variable];
  delete env[variable];
  return text === undefined ? null : (JSON.parse(text) as Inheritance);
}
