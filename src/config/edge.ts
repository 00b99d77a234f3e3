/**
 * What a service does at its edge: from the fields of a file to what workers are told, and the
 * rules between those fields.
 *
 * The rule this file keeps: where a file says nothing of it, there is nothing at all, so that a
 * service without an edge pays for none.
 */
import type { HeaderEdits, ServiceEdge } from '../wireEdge.ts';
import type { EdgeFiles } from './edgeFiles.ts';
import { below, type Reading } from './reading.ts';
import type { ServiceFields } from './schema.ts';

type Edits = ServiceFields['headers']['request'];

/** @returns null where requests and answers pass as they are. */
export function serviceEdge(
  name: string,
  of: ServiceFields,
  { users, pages }: EdgeFiles,
): ServiceEdge | null {
  const { basicAuth } = of;
  const edge: ServiceEdge = {
    request: edits(of.headers.request),
    response: edits(of.headers.response),
    forwarded: of.forwarded,
    stripPrefix: prefix(of.prefix.strip),
    addPrefix: prefix(of.prefix.add),
    redirects: of.redirects,
    allow: of.allow,
    basicAuth: basicAuth === null ? null : { realm: basicAuth.realm ?? name, users },
    sticky: of.sticky ?? '',
    pages,
  };
  return JSON.stringify(edge) === nothing ? null : edge;
}

const noEdits: HeaderEdits = { remove: [], set: [], add: [] };

/** That of a service without an edge. */
export const plainEdge: ServiceEdge = {
  request: noEdits,
  response: noEdits,
  forwarded: false,
  stripPrefix: '',
  addPrefix: '',
  redirects: {},
  allow: [],
  basicAuth: null,
  sticky: '',
  pages: {},
};

const nothing = JSON.stringify(plainEdge);

/** Reports what does not go together. */
export function checkEdge(service: ServiceFields, path: string, reading: Reading): void {
  const { redirects, hosts } = service;
  if (reading.spoilt(`${path}.redirects`) || reading.spoilt(`${path}.hosts`)) return;
  for (const [from, to] of Object.entries(redirects)) {
    const key = below(`${path}.redirects`, from);
    const report = (message: string): void => reading.report(key, reading.at(key), message);
    if (!answersFor(hosts, from)) {
      report(
        'wanted one of the hosts of this service, got another one: it would never be asked for',
      );
    } else if (Object.hasOwn(redirects, to.replace(/:\d+$/, ''))) {
      report(`wanted a host that is not redirected itself, got ${to}`);
    }
  }
}

function answersFor(hosts: readonly string[], name: string): boolean {
  return (
    hosts.length === 0 ||
    hosts.some((host) => {
      return host === name || (host.startsWith('*.') && name.endsWith(host.slice(1)));
    })
  );
}

function edits({ remove, set, add }: Edits): HeaderEdits {
  return {
    remove: remove.map((name) => name.toLowerCase()),
    set: Object.entries(set),
    add: Object.entries(add).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    ),
  };
}

/** `/` alone is no prefix. */
function prefix(written: string | null): string {
  return written === null || written === '/' ? '' : written;
}
