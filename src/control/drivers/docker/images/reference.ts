/**
 * Image references: `[registry/]name[:tag][@sha256:…]`, or an image's own id.
 *
 * The rule this file keeps: a reference is taken apart once, here, by the rules of the OCI
 * distribution spec as Docker applies them, and a wrong one is refused before the engine is asked.
 */
import { Fault } from '../../../../errors.ts';

export interface Reference {
  readonly text: string;
  /** Registry and repository, as written: `shop`, `127.0.0.1:5000/team/shop`. */
  readonly name: string;
  readonly tag: string;
  /** `sha256:…`, where the reference names one. */
  readonly digest: string | null;
  /** The registry it is pulled from: `docker.io`, `127.0.0.1:5000`. */
  readonly registry: string;
}

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const host = '(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\\[[0-9A-Fa-f:.]+\\])(?::\\d{1,5})?';
const grammar = new RegExp(
  `^((?:${host}/)?${component}(?:/${component})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?` +
    '(?:@(sha256:[0-9a-f]{64}))?$',
);

/** @throws Fault RELEASE_INVALID */
export function parseReference(text: string): Reference {
  const match = text.length <= 512 ? grammar.exec(text) : null;
  const name = match?.[1];
  if (match === null || name === undefined || /^[0-9a-f]{64}$/.test(name)) {
    throw new Fault(
      'RELEASE_INVALID',
      `An image is [registry/]name[:tag][@sha256:…], the name in lower case; got "${text}".`,
      { image: text.slice(0, 512) },
    );
  }
  return { text, name, tag: match[2] ?? 'latest', digest: match[3] ?? null, registry: home(name) };
}

/** `docker.io/library/shop` and `shop` are one repository; engines write either. */
export function canonicalName(name: string): string {
  if (home(name) !== 'docker.io') return name;
  const path = name.replace(/^(index\.)?docker\.io\//, '');
  return `docker.io/${path.includes('/') ? path : `library/${path}`}`;
}

/** The first part is a registry only if it looks like a host: a dot, a port, or localhost. */
function home(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const hostLike = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return !hostLike || first === 'index.docker.io' ? 'docker.io' : first;
}
