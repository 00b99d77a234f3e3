/**
 * Metrics of certificates and of handshakes.
 *
 * The rule this file keeps: a certificate that is wanted and not to be had has a line as well, or
 * nobody would be told of it; and no line holds anything but names that the config has.
 */
import type { CertificateStatus } from '../model/certificates.ts';
import { counter, gauge, labelled, labelText, type Series } from './exposition.ts';
import type { Totals } from './totals.ts';

export function certificateSeries(
  totals: Totals,
  certificates: () => readonly CertificateStatus[],
): readonly Series[] {
  const labels = ({ name, source }: CertificateStatus): string =>
    `${labelText('certificate', name)},${labelText('source', source)}`;
  return [
    gauge(
      'certificate_expires_timestamp_seconds',
      'When the certificate that is served ends; 0: there is none',
      (line) => {
        for (const one of certificates()) {
          line(labels(one), one.notAfter === null ? 0 : Date.parse(one.notAfter) / 1000);
        }
      },
    ),
    gauge(
      'certificate_error',
      '1 where a newer certificate was not taken, or not given',
      (line) => {
        for (const one of certificates()) line(labels(one), one.lastError === null ? 0 : 1);
      },
    ),
    counter(
      'tls_handshakes_total',
      'TLS handshakes, by how they ended',
      labelled('result', () => totals.globals().handshakes),
    ),
  ];
}
