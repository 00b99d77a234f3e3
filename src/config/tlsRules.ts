/**
 * Rules between the keys of HTTPS, and between the addresses that are listened on.
 *
 * The rule this file keeps: what could never work is refused while the file is read, not when the
 * first client comes.
 */
import { isIP } from 'node:net';
import { formatAddress, meet } from './address.ts';
import { below, type Reading } from './reading.ts';
import type { FileFields, ServiceFields } from './schema.ts';
import { listens } from './targets.ts';

export function checkListens(file: FileFields, reading: Reading): void {
  if (['listen', 'tls.listen', 'admin'].some((path) => reading.spoilt(path))) return;
  if (file.listen.length === 0 && file.tls === null) {
    const wanted = 'wanted at least one address, or `tls`, so that clients can come';
    reading.report('listen', reading.at('listen'), `${wanted}, got none`);
  }
  const all = listens(file);
  for (const [later, [path, address]] of all.entries()) {
    const other = all.slice(0, later).find(([, before]) => {
      // In one list they are two sockets: the one for IPv4 alone, the other for IPv6.
      const families = path !== 'admin.listen' && isIP(before.host) !== isIP(address.host);
      return meet(before, address) && !families;
    });
    if (other === undefined) continue;
    const [blamed, first, got] = reading.written(path)
      ? [path, other[0], address]
      : [other[0], path, other[1]];
    const message = `wanted another address than ${first} has, got ${formatAddress(got)}`;
    reading.report(blamed, reading.at(blamed), message);
  }
}

export function checkTls({ tls }: FileFields, reading: Reading): void {
  const path = 'tls.acme.directory';
  if (tls?.acme?.staging !== true || !reading.written(path)) return;
  const message = "wanted none beside `staging: true`, which is Let's Encrypt's, got one";
  reading.report(path, reading.at(path), message);
}

export function checkServiceTls(
  { tls }: FileFields,
  service: ServiceFields,
  name: string,
  reading: Reading,
): void {
  const report = (key: string, message: string): void => {
    const path = below(name, key);
    reading.report(path, reading.at(path), message);
  };
  if (reading.spoilt('tls') || reading.spoilt(name)) return;
  if (service.hsts > 0 && (tls === null || service.tls === 'off')) {
    report('hsts', 'wanted 0s where the service has no HTTPS, got more');
  }
  if (service.clientCa !== null && (tls === null || service.tls === 'off')) {
    report('clientCa', 'wanted none where the service has no HTTPS, got one');
  }
  if (service.clientCa !== null && service.hosts.length === 0) {
    report(
      'clientCa',
      'wanted `hosts` beside it: who is asked is decided by the name, got any host',
    );
  }
  if (service.tls !== 'auto') return;
  if (tls === null || tls.acme === null) {
    report('tls', 'wanted `tls.acme` beside auto, since an authority has to be named, got none');
  } else if (!service.hosts.some((host) => !host.startsWith('*.') && isIP(host) === 0)) {
    const why = 'wildcards are proved by DNS alone, and come from files';
    report('tls', `wanted at least one host by its name beside auto (${why}), got none`);
  }
}
