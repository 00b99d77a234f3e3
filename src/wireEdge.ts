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
