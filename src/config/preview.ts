/**
 * How the release that is being proved is seen: from the fields of a file to what workers are told,
 * and the rules between those fields.
 *
 * The rule this file keeps: the address that people are given is made of what Pointsman itself
 * listens on; whoever puts something in front of it knows a better one.
 */
import type { Preview, ServiceConfig } from './config.ts';
import type { EdgeFiles } from './edgeFiles.ts';
import { below, type Reading } from './reading.ts';
import type { FileFields, ServiceFields } from './schema.ts';

/** @param name of the service. @returns null where nobody sees it. */
export function servicePreview(
  name: string,
  { preview, tls }: ServiceFields,
  file: Pick<FileFields, 'listen' | 'tls'>,
  { previewUsers: users }: Pick<EdgeFiles, 'previewUsers'>,
): Preview | null {
  if (preview === null) return null;
  const { host, header, auth } = preview;
  return {
    host: host ?? '',
    header: header?.toLowerCase() ?? '',
    auth: auth === null ? null : { realm: auth.realm ?? `${name} before its flip`, users },
    url: host === null ? null : urlOf(host, file, tls !== 'off'),
  };
}

/** The names by which a service is asked for, its preview among them. */
export function namesOf({ hosts, preview }: Pick<ServiceConfig, 'hosts' | 'preview'>): string[] {
  return [...hosts, ...(preview === null || preview.host === '' ? [] : [preview.host])];
}

/** Reports what could never be asked for, or would be somebody else's. */
export function checkPreviews({ services }: FileFields, reading: Reading): void {
  const hosts = new Map(
    Object.entries(services).flatMap(([name, one]) => one.hosts.map((host) => [host, name])),
  );
  const taken = new Map<string, string>();
  for (const [name, { preview, paths }] of Object.entries(services)) {
    const path = below(below('services', name), 'preview');
    if (preview === null || reading.spoilt(path)) continue;
    const { host, header } = preview;
    const report = (key: string, message: string): void =>
      reading.report(key, reading.at(key), message);
    if (host === null && header === null) report(path, 'wanted a host or a header, got neither');
    if (host === null) continue;
    const other = hosts.get(host);
    if (other !== undefined) {
      report(`${path}.host`, `wanted a host of its own, got ${host}, which ${other} has`);
    }
    for (const prefix of paths) {
      const before = taken.get(`${host} ${prefix}`);
      if (before === undefined) taken.set(`${host} ${prefix}`, name);
      else {
        const got = `${host}${prefix}, which the preview of ${before} has`;
        report(`${path}.host`, `wanted a route of its own, got ${got}`);
        break;
      }
    }
  }
}

function urlOf(host: string, { listen, tls }: Pick<FileFields, 'listen' | 'tls'>, https: boolean) {
  const secure = tls !== null && https;
  const port = (secure ? tls.listen[0] : listen[0])?.port ?? 0;
  const scheme = secure ? 'https' : 'http';
  return `${scheme}://${host}${port === (secure ? 443 : 80) ? '' : `:${port}`}`;
}
