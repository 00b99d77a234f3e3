/**
 * What a service does at its edge, as the control plane tells it to the workers: header fields,
 * prefixes, redirects, and who is let in.
 *
 * The rule this file keeps: as in `wire.ts`, which it is a part of, everything is plain, immutable
 * and survives JSON. A service that wants none of it has null, and costs nothing for it.
 */

/** Changes to a list of header fields, in this order. */
export interface HeaderEdits {
  /** Names in lower case. */
  readonly remove: readonly string[];
  /** Names and values; what was there under the name goes. */
  readonly set: readonly (readonly [name: string, value: string])[];
  /** Names and values, beside what is there. */
  readonly add: readonly (readonly [name: string, value: string])[];
}

/** A password by scrypt (RFC 7914), read out of the form that the file has it in. */
export interface PasswordHash {
  /** Binary logarithm of the cost N: 12 to 17. */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  /** In base64. */
  readonly salt: string;
  readonly hash: string;
}

/** Names and passwords that a service asks for. */
export interface BasicAuth {
  /** What it calls itself: visible ASCII and blanks, no quotes. */
  readonly realm: string;
  readonly users: readonly { readonly name: string; readonly hash: PasswordHash }[];
}

/** How what is being proved of a service is reached, and what that is. */
export interface PreviewEntry {
  /**
   * In lower case: it, and the id of a deployment with a dot in front of it, are asked for; '':
   * none.
   */
  readonly host: string;
  /** Name of a header field, in lower case, whose value is `1` or the id of a deployment; '': none. */
  readonly header: string;
  /** null: as the service asks itself. */
  readonly auth: BasicAuth | null;
  /** The id of the pool that is shown, and the deployment that proves it; null: none. */
  readonly pool: string | null;
  readonly deployment: string | null;
}

export interface ServiceEdge {
  /** Of what a target is sent. */
  readonly request: HeaderEdits;
  /** Of what a client gets of a target's answer. */
  readonly response: HeaderEdits;
  /** Whether a target is told in a `Forwarded` field too (RFC 7239). */
  readonly forwarded: boolean;
  /** Prefixes of paths, each beginning with `/`; '': none. */
  readonly stripPrefix: string;
  readonly addPrefix: string;
  /** From a host, in lower case, to the host that is asked in its place. */
  readonly redirects: Readonly<Record<string, string>>;
  /** CIDR blocks; empty: everybody may come. */
  readonly allow: readonly string[];
  /** null: nobody is asked. */
  readonly basicAuth: BasicAuth | null;
  /** The cookie by which clients stay on a target; '': none. */
  readonly sticky: string;
  /** Pages of its own in place of ours, as HTML, by status: `503`. */
  readonly pages: Readonly<Record<string, string>>;
}

/**
 * What Via says of us (RFC 9110 section 7.6.3), so that a request that comes back is known. A chain
 * of services is no loop: a target may be a gateway that asks another service of ours.
 */
export interface ViaMarks {
  /** Of a request that went to this service, from this Pointsman in this life. */
  readonly request: string;
  /** Of a probe of any service: it must never be answered by a way back to us. */
  readonly probe: string;
}
