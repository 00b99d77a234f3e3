/**
 * Certificates: when each ends, what is wrong with it, and when it is asked for again.
 *
 * The rule this file keeps: it is not there where there is no HTTPS, and what needs a look says so
 * in words.
 */
import type { CertificateStatus } from '../control/model/certificates.ts';
import { certificates, nowMs, statusOf } from './store.ts';
import { certificateWord, timeWord } from './words.ts';

/** @param of the service that is open; null: all of them. */
export function Certificates({ of }: { of: string | null }) {
  const hosts = of === null ? [] : (statusOf(of).value?.hosts ?? []);
  const all = certificates.value.filter(
    (one) => of === null || one.service === of || (one.service === null && isFor(one, hosts)),
  );
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="certificates-title">
      <div class="headline">
        <h2 id="certificates-title">Certificates</h2>
      </div>
      <div class="services panel">
        <table>
          <caption class="unseen">Certificates</caption>
          <thead>
            <tr>
              <th scope="col">Certificate</th>
              <th scope="col">From</th>
              <th scope="col">Ends</th>
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            {all.map((one) => (
              <Row key={one.name} certificate={one} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Whether one of these hosts is shown it; a service without hosts takes any. */
function isFor({ names }: CertificateStatus, hosts: readonly string[]): boolean {
  if (hosts.length === 0 || names.length === 0) return true;
  return hosts.some(
    (host) => names.includes(host) || names.includes(`*${host.slice(host.indexOf('.'))}`),
  );
}

function Row({ certificate }: { certificate: CertificateStatus }) {
  const { name, names, source, notAfter, lastError, nextTryAt } = certificate;
  const { words, bad } = certificateWord(certificate, nowMs.value);
  return (
    <tr class="row">
      <th scope="row">
        {name}
        <span class="quiet">{names.join(', ')}</span>
      </th>
      <td data-label="From">{source}</td>
      <td data-label="Ends">{notAfter === null ? '–' : timeWord(notAfter)}</td>
      <td data-label="State">
        <span class={bad ? 'state bad' : 'state'}>{words}</span>
        {lastError !== null && (
          <span class="block">
            {lastError}
            {nextTryAt === null ? '' : ` Next try: ${timeWord(nextTryAt)}.`}
          </span>
        )}
      </td>
    </tr>
  );
}
