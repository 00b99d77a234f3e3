/**
 * What the control plane and the data plane say to each other: the table, and the orders of a flip.
 *
 * The rule this file keeps: it, `wireTls.ts` and `wireEdge.ts` are all that both planes import.
 * Everything in it is plain, immutable and survives JSON, because between processes it travels as
 * JSON.
 *
 * A table is replaced whole and numbered by `version`. A service in it whose `generation` is the
 * one a worker already serves takes effect at once (health, policy, pause, a standby that fills);
 * one whose generation is higher is kept beside the serving one until a `commit` of that
 * generation. So a table can never move traffic between colors: only hold and commit can.
 */

import type { PreviewEntry, ServiceEdge, ViaMarks } from './wireEdge.ts';
import type { CertificateSet, EdgeTls, ServiceTls } from './wireTls.ts';

/** A slot, not a version; neither is "new". */
export type Color = 'blue' | 'green';

export const colors = ['blue', 'green'] as const satisfies readonly Color[];

/** The other slot. */
export function otherColor(color: Color): Color {
  return color === 'blue' ? 'green' : 'blue';
}

/** One upstream address, and whether probes say that it works. */
export interface TargetEntry {
  /**
   * Stable while the target runs; for metrics and for matching old with new: `host:port` or a
   * replica's name.
   */
  readonly id: string;
  readonly host: string;
  /** 1 to 65535; 0 of a socket in the file system. */
  readonly port: number;
  /**
   * Of a host that is a name: what it stands for; none: nothing. Absent: it is no name, or what it
   * stands for is not known yet, and what was before holds.
   */
  readonly addresses?: readonly string[];
  /** Absent: TCP. `unix`: `host` is the path of a socket. */
  readonly scheme?: 'https' | 'unix';
  /** Of an `https` one: the id of the `TargetTls` by which it is verified. */
  readonly tls?: string;
  readonly healthy: boolean;
}

/**
 * What fills a color. A color that is filled again gets a new id, so nothing of the former filling
 * is reused.
 */
export interface PoolEntry {
  /** `service.color.fill` */
  readonly id: string;
  readonly release: string;
  readonly targets: readonly TargetEntry[];
}

/** How requests of a service are treated: sizes in bytes, times in ms, in the schema's ranges. */
export interface Policy {
  readonly connectMs: number;
  /** From the last byte of the request to the first of the answer. */
  readonly responseMs: number;
  /** Silence on either side in mid-message. */
  readonly idleMs: number;
  /** The longest a request waits for a claim. */
  readonly queueMs: number;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  /** Of an answer. */
  readonly responseHeaderBytesMax: number;
  readonly queueMax: number;
  readonly connectionsPerTargetMax: number;
  /** What a client has to send of a body, or take of an answer, on average; 0: it may be slower. */
  readonly bytesPerSecondMin: number;
  /** How long the old pool may take to empty after a flip. */
  readonly drainMs: number;
  /** What Retry-After says while the service is down: the probe interval, rounded up. */
  readonly retryAfterSeconds: number;
  /** What Strict-Transport-Security says over TLS; 0: it is not sent. */
  readonly hstsSeconds: number;
  /** How targets are spoken to. Absent: by HTTP/1.1. */
  readonly protocol?: 'h2';
}

export interface ServiceEntry {
  readonly name: string;
  /** Exact names, lower case, or `*.suffix`; empty: any host. */
  readonly hosts: readonly string[];
  /** Prefixes, each beginning with `/`. */
  readonly paths: readonly string[];
  readonly generation: number;
  readonly live: Color;
  readonly pools: Readonly<Record<Color, PoolEntry | null>>;
  /** What is proved beside the standby, whose color it takes at its flip; absent: nothing. */
  readonly candidate?: PoolEntry | null;
  readonly policy: Policy;
  readonly tls: ServiceTls;
  /** null: requests and answers pass as they are. */
  readonly edge: ServiceEdge | null;
  /** How what is being proved is seen before its flip; absent: nobody sees it. */
  readonly preview?: PreviewEntry;
  readonly via: ViaMarks;
  /** New requests wait, whatever the pools could do. */
  readonly paused: boolean;
  /** While it is paused, new requests are answered at once, and wait for nothing. */
  readonly pausePage: boolean;
}

/** What holds for all services. */
export interface Edge {
  /** CIDR blocks whose X-Forwarded-* headers are believed and appended to. */
  readonly trustedProxies: readonly string[];
  /** CIDR blocks whose connections begin with a PROXY header. */
  readonly proxyProtocol: readonly string[];
  readonly accessLog: 'off' | 'errors' | 'all';
  /** `general` turns the express lane off. */
  readonly lanes: 'auto' | 'general';
  /** null: nothing listens for TLS. */
  readonly tls: EdgeTls | null;
}

export interface Table {
  /** Grows with every table of one controller; a worker ignores an older one. */
  readonly version: number;
  readonly edge: Edge;
  readonly services: readonly ServiceEntry[];
}

/**
 * A table as it travels: what is different in it from the one that was sent before. With a thousand
 * services a whole one takes some ms of everybody who reads it, and each flip sends two.
 */
export interface TableChange {
  readonly version: number;
  /** The version it builds on; null: on none, it is whole. */
  readonly base: number | null;
  readonly edge: Edge;
  /** Those that are new or different. */
  readonly services: readonly ServiceEntry[];
  /** Names of those that are in the table no more. */
  readonly gone: readonly string[];
}

/** Names one flip; an order whose fence is not the one staged is refused (`FLIP_FENCED`). */
export interface Fence {
  readonly service: string;
  /** The generation the flip leads to. */
  readonly generation: number;
}

/** Requests inside a pool, by kind: plain exchanges, server-sent event streams, tunnels. */
export interface Inside {
  readonly http: number;
  readonly sse: number;
  readonly upgrade: number;
}

/** How the requests ended that were inside a pool when it stopped being live. */
export interface Drained {
  readonly inflight: Inside;
  readonly finished: number;
  readonly clientAborted: number;
  readonly cut: number;
  /** inflight = finished + clientAborted + cut + stillOpen, at every moment. */
  readonly stillOpen: number;
  /** Nothing but tunnels is inside any more, or the pool is gone. */
  readonly done: boolean;
}

/** What one worker tells of a flip it just committed. */
export interface Committed {
  /** From the hold order to the switch. */
  readonly heldMs: number;
  /** Requests that waited, and the longest wait. */
  readonly waited: number;
  readonly waitedMsMax: number;
  /** Inside the pool that was live until now. */
  readonly inflight: Inside;
}

/** One pool as a worker sees it. Counters grow for the life of the worker. */
export interface PoolStats {
  readonly id: string;
  readonly color: Color;
  readonly release: string;
  readonly inside: Inside;
  /** Of its last stop as live pool; null while it is live or was never live here. */
  readonly drained: Drained | null;
  readonly targets: readonly TargetStats[];
  /** Of requests that were first sent to it. A worker of before tells none. */
  readonly outcomes?: OutcomeCounts;
}

/** How requests ended for their clients that were first sent to one filling of a color. */
export interface OutcomeCounts {
  /** Also those that have not ended. */
  readonly sent: number;
  /** 5xx, resets, timeouts and refused connections; nothing that the client or we did. */
  readonly failed: number;
  /** The clients with the most failures, at most 8, and how many each had. */
  readonly clients: Readonly<Record<string, number>>;
}

export interface TargetStats {
  readonly id: string;
  /**
   * `host` and `port` as the worker's table has them; a restarted controller serves on from them.
   */
  readonly host?: string;
  readonly port?: number;
  readonly scheme?: 'https' | 'unix';
  readonly addresses?: readonly string[];
  /** As the worker's table says; a restarted controller begins from it. */
  readonly healthy: boolean;
  /** Taken out by this worker after errors in a row (passive ejection). */
  readonly ejected: boolean;
  readonly inside: number;
  readonly requests: number;
  readonly errors: number;
  /** Heads that came from it, and the sum of what they took, ms. A worker of before tells none. */
  readonly answered?: number;
  readonly answeredMs?: number;
  /** Requests it was given that went on to another target. */
  readonly retries?: number;
}

/** Counters of one color of one service: plain numbers, summed over workers by the controller. */
export interface ColorCounts {
  readonly color: Color;
  /** `METHOD code` to how many. The method is one of a fixed list, or OTHER. */
  readonly requests: Readonly<Record<string, number>>;
  readonly duration: HistogramCounts;
  readonly upstream: HistogramCounts;
  readonly clientAborts: number;
  /** By reason: connect, unverified, stale, reset. */
  readonly retries: Readonly<Record<string, number>>;
  /** Sent to a pool without a healthy target, for want of a better one. */
  readonly panics: number;
}

/**
 * Seconds. `buckets[i]` counts what was at most `bounds[i]` and over the bound before it; the last
 * has no bound. Empty where nothing was counted yet.
 */
export interface HistogramCounts {
  readonly buckets: readonly number[];
  readonly sum: number;
}

/** Upper bounds in seconds of every duration histogram. */
export const durationBounds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

export interface ServiceStats {
  readonly name: string;
  readonly generation: number;
  readonly live: Color;
  /** Generation that is staged, or null; it is held when `holding`. */
  readonly staged: number | null;
  readonly holding: boolean;
  readonly waiting: number;
  /** Requests that ever waited for a flip, a pause or a free place. */
  readonly held: number;
  readonly pools: readonly PoolStats[];
  /** Of the colors for which anything was counted. */
  readonly counts: readonly ColorCounts[];
  /** Requests for what was being proved; absent: nobody could ask. */
  readonly previewed?: number;
}

export interface WorkerStats {
  /** Which worker: its slot, 1 to N; 0 is the process that does everything. */
  readonly worker: number;
  readonly pid: number;
  readonly tableVersion: number;
  readonly connections: number;
  readonly rssBytes: number;
  readonly logLinesDropped: number;
  /** Requests that reached no service, by fault code. */
  readonly unrouted: Readonly<Record<string, number>>;
  /** Requests by the lane that carried them. */
  readonly lanes: Readonly<Record<'express' | 'general' | 'http2', number>>;
  /** Connections that the express lane gave to the general one, by reason (a fixed list). */
  readonly handovers: Readonly<Record<string, number>>;
  /** TLS handshakes by how they ended: completed, timeout, crowded, refused. */
  readonly handshakes: Readonly<Record<string, number>>;
  readonly services: readonly ServiceStats[];
}

/** From the controller to a worker. Each is answered by exactly one `Reply` of the same `seq`. */
export type Order =
  | { readonly kind: 'stage'; readonly seq: number; readonly table: TableChange }
  | { readonly kind: 'hold'; readonly seq: number; readonly fence: Fence }
  | { readonly kind: 'commit'; readonly seq: number; readonly fence: Fence; readonly go: boolean }
  | { readonly kind: 'certificates'; readonly seq: number; readonly set: CertificateSet }
  | { readonly kind: 'stats'; readonly seq: number };

/** From a worker to the controller. */
export interface Reply {
  readonly kind: 'reply';
  readonly seq: number;
  readonly value?: unknown;
  /**
   * The value as JSON, where it is long: who passes it on has one string to copy, and not all of
   * its parts to read and write.
   */
  readonly text?: string;
  readonly error?: { readonly code: string; readonly message: string };
}
