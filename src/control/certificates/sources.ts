/**
 * Where this Pointsman has certificates from.
 *
 * The rule this file keeps: what somebody put into a file is preferred to what an authority gives.
 */
import { AcmeCertificates, type AcmeCertificatesOptions } from './acme.ts';
import { FileCertificates } from './files.ts';
import type { CertificateSource, Changed } from './source.ts';

export function sourcesOf(
  options: Omit<AcmeCertificatesOptions, 'changed'>,
): (changed: Changed) => readonly CertificateSource[] {
  const { clock, log } = options;
  return (changed) => [
    new FileCertificates({ clock, log, changed }),
    new AcmeCertificates({ ...options, changed }),
  ];
}
