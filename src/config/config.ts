/**
 * The configuration after parsing: defaults filled in, units resolved, every value right.
 *
 * The rule this file keeps: these are the types everybody else works with; how they are written in
 * YAML, their bounds and their defaults stand in `schema.ts` alone.
 */

import type { Color, Edge, Policy } from '../wire.ts';
import type { PreviewEntry, ServiceEdge } from '../wireEdge.ts';
import type { ServiceTls, TargetTls } from '../wireTls.ts';
import type { Hook, HookMoment } from './hook.ts';

export interface Address {
  readonly host: string;
  /** 0 to 65535; 0 asks the system for a free one. */
  readonly port: number;
}

/** Where a target is, and how it is spoken to. */
export interface TargetAddress extends Address {
  /**
   * Absent: HTTP over TCP. `https`: over TLS; `unix`: `host` is the absolute path of a socket in the
   * file system, and `port` is 0.
   */
  readonly scheme?: 'https' | 'unix';
}

export interface Config {
  /** Where it was read from; null when it never was a file. */
  readonly file: string | null;
  /** Plain HTTP; none only where `tls` listens. */
  readonly listen: readonly Address[];
  /** null: no TLS. */
  readonly tls: TlsConfig | null;
  /** Processes that carry traffic, 1 to 64; 0: everything in one process. */
  readonly workers: number;
  /** Absolute path of the directory the controller writes to. */
  readonly stateDir: string;
  readonly admin: AdminConfig;
  readonly edge: Edge;
  /** How long SIGTERM waits for requests in flight. */
  readonly shutdownMs: number;
  /** How long connections may stay with a Pointsman that another one has replaced. */
  readonly handoverMs: number;
  /** Who is told of what happens to the services. */
  readonly notify: readonly NotifyReceiver[];
  readonly services: readonly ServiceConfig[];
}

/** Somebody who is told by a POST. */
export interface NotifyReceiver {
  readonly url: string;
  readonly format: NotifyFormat;
  readonly on: readonly NotificationKind[];
  /** Absolute path of a file with the key of the signature; null: it is not signed. */
  readonly secretFile: string | null;
  /** Whether it may have an address that is not public. */
  readonly private: boolean;
}

export type NotifyFormat = 'json' | 'slack';

/**
 * flip: a release went live; rollback: the traffic went back, by somebody or by itself; failure: a
 * deployment failed; hold: what is live should be left, and cannot be.
 */
export type NotificationKind = 'flip' | 'rollback' | 'failure' | 'hold';

/** What a running Pointsman has, whatever its file says by now. */
export type InForce = Pick<
  Config,
  'listen' | 'workers' | 'stateDir' | 'shutdownMs' | 'handoverMs'
> & {
  readonly tlsListen: readonly Address[];
  readonly adminListen: Address;
  /** Whether the admin port speaks TLS. */
  readonly adminTls: boolean;
};

/** HTTPS: where, and with which certificates. */
export interface TlsConfig {
  readonly listen: readonly Address[];
  /** In this order the first is for names that no certificate has. */
  readonly certificates: readonly CertificateFiles[];
  /** null: no certificates from an authority. */
  readonly acme: AcmeConfig | null;
}

/** Where certificates stand in files: a pair, or a folder of pairs. Paths are absolute. */
export type CertificateFiles =
  | { readonly cert: string; readonly key: string }
  | { readonly folder: string };

/** An authority that speaks ACME (RFC 8555), and who we are to it. */
export interface AcmeConfig {
  /** URL of its directory; https. */
  readonly directory: string;
  readonly email: string | null;
  /** A profile of the authority (draft-ietf-acme-profiles); null: its default. */
  readonly profile: string | null;
  /** External account binding: the key's id, and an absolute path of a file with the key. */
  readonly eab: { readonly kid: string; readonly keyFile: string } | null;
  /** Absolute path of PEM certificates that its own HTTPS is trusted by; null: the system's. */
  readonly caFile: string | null;
  readonly challenges: readonly AcmeChallenge[];
  /** Of the certificates that are asked for. */
  readonly key: 'p256' | 'p384' | 'rsa2048' | 'rsa4096';
}

export type AcmeChallenge = 'http-01' | 'tls-alpn-01';

export interface AdminConfig {
  readonly listen: Address;
  /** Absolute paths of a certificate chain and its key; null: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /**
   * Absolute path of a file with the operator's token; null: none, and then `listen` is loopback.
   */
  readonly tokenFile: string | null;
  /** Absolute path of a file with a token that lets its holder look and not act; null: none. */
  readonly readTokenFile: string | null;
  /** Names besides loopback ones that a Host header may carry. */
  readonly hosts: readonly string[];
}

export interface ServiceConfig {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly health: Health;
  readonly deploy: { readonly timeoutMs: number; readonly flip: FlipMode };
  readonly warm: Warm;
  /** How a release that has just become live is watched; null: it is not. */
  readonly protect: Protect | null;
  /** Why it is not deployed to, in the words of whoever said so; null: it is. */
  readonly freeze: string | null;
  /** What has to pass before a flip, and what is done after one; each in this order. */
  readonly hooks: Readonly<Record<HookMoment, readonly Hook[]>>;
  readonly policy: Policy;
  readonly tls: ServiceTls;
  /** null: requests and answers pass as they are. */
  readonly edge: ServiceEdge | null;
  /** How targets with `https://` are verified. */
  readonly targetTls: TargetTls;
  /** How what is being proved is seen before its flip; null: nobody sees it. */
  readonly preview: Preview | null;
  /** Absolute path of PEM certificates that clients' certificates must come from; null: none asked. */
  readonly clientCa: string | null;
  readonly run: Run;
  readonly first: First | null;
}

export type Preview = Omit<PreviewEntry, 'pool' | 'deployment'> & {
  /** Where it is looked at, as far as our own addresses say that; null: by a header alone. */
  readonly url: string | null;
};

/** Whether a deployment that is ready flips by itself or waits for a person. */
export type FlipMode = 'auto' | 'manual';

/** How a target is probed. */
export interface Health {
  readonly path: string;
  /** Host header of the probe; null: the target's own address. */
  readonly host: string | null;
  /** The port that is asked; null: the target's own. */
  readonly port: number | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Passes in a row to become healthy, failures in a row to stop being it. */
  readonly rise: number;
  readonly fall: number;
  readonly status: { readonly from: number; readonly to: number };
  /** As requests: see `ServiceConfig.targetTls`. */
  readonly tls: TargetTls;
  /** It is asked by HTTP/2. */
  readonly http2?: boolean;
  /** By grpc.health.v1, for this service; '': for the whole server. */
  readonly grpc?: string;
}

/** How long the old pool is kept after a flip, and at what size. */
export interface Warm {
  /** null: until the next deployment. */
  readonly forMs: number | null;
  /** Replicas of the warm pool; null: all. */
  readonly replicas: number | null;
  /** Whether it gets no CPU until it is wanted. */
  readonly freeze: boolean;
  /** Whether it is kept until the flip of the next deployment, or until that begins. */
  readonly until: 'flip' | 'deploy';
}

/** When a release that has just become live is taken back by itself. */
export interface Protect {
  /** How long after its flip. */
  readonly windowMs: number;
  /** Nothing is concluded from fewer requests to it, or from failures of fewer clients. */
  readonly requestsMin: number;
  readonly clientsMin: number;
}

/** How releases of a service are run, as the config says it: the template a release fills in. */
export type Run = StaticRun | ProcessRun | DockerRun;

export interface StaticRun {
  readonly kind: 'static';
  /** Targets may have addresses at which clouds keep what a machine may do in its own name. */
  readonly linkLocal: boolean;
}

export interface ProcessRun {
  readonly kind: 'process';
  /** Program and arguments; `{release}` in any of them becomes the release's name. */
  readonly command: readonly string[];
  readonly replicas: number;
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; `{release}` is filled in here too. */
  readonly cwd: string;
  /** From SIGTERM to SIGKILL. */
  readonly stopMs: number;
}

export interface DockerRun {
  readonly kind: 'docker';
  /**
   * Inside the container, 1 to 65535; 0 where containers are discovered and their label says it.
   */
  readonly port: number;
  /** Inside the container: where probes are sent; absent: to `port`. */
  readonly healthPort?: number;
  readonly replicas: number;
  readonly env: Readonly<Record<string, string>>;
  readonly envFile: string | null;
  readonly volumes: readonly string[];
  readonly network: string | null;
  readonly command: readonly string[] | null;
  readonly user: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly memoryBytes: number | null;
  readonly cpus: number | null;
  readonly stopMs: number;
  readonly stopSignal: string | null;
  readonly readOnly: boolean;
  readonly capDrop: readonly string[];
  readonly init: boolean;
  readonly pull: 'always' | 'missing' | 'never';
  /** Containers of this service are started by someone else and found by their labels. */
  readonly discover: boolean;
  /** Images of so many releases are kept. */
  readonly keepImages: number;
}

/** The release a service begins with, used only while there is no state of it. */
export interface First {
  readonly color: Color;
  readonly release: string;
  readonly image: string | null;
  readonly targets: readonly TargetAddress[];
}
