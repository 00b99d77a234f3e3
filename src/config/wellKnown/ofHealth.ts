/**
 * Words of health checks elsewhere, as people write them under `health`.
 *
 * The rule this file keeps: that of `wellKnown.ts`.
 */
import type { WellKnown } from './word.ts';

export const wordsOfHealth: readonly WellKnown[] = [
  {
    at: ['services.*.health'],
    words: 'test cmd command exec script',
    answer: 'a probe is a GET of `health.path`; a HEALTHCHECK in the image counts beside it',
  },
  {
    at: ['services.*.health'],
    words: 'uri url endpoint httpget pathname',
    answer: 'it is `health.path`: `path: /up`',
  },
  {
    at: ['services.*.health'],
    words: 'scheme https tls protocol insecureskipverify verify mode tcp',
    answer:
      'a probe is a GET, as requests go: by TLS where the target begins with https:// (`targetTls`), by ' +
      'HTTP/2 with `protocol: h2`; `health.grpc` asks by gRPC',
  },
  {
    at: ['services.*.health'],
    words: 'method body headers header expect expectbody string regex request useragent',
    answer:
      'a probe is a GET of `health.path`, with the Host of `health.host`; the answer is judged by ' +
      '`health.status`',
  },
  {
    at: ['services.*.health'],
    words: 'hostname hostheader',
    answer: 'it is `health.host`: `host: shop.example`',
  },
  {
    at: ['services.*.health'],
    words: 'code codes statuscode expectedstatus expectstatus statuses',
    answer: 'it is `health.status`: `status: 200-299`',
  },
  {
    at: ['services.*.health'],
    words: `retries failurethreshold unhealthythreshold maxfails fails failures threshold attempts
      unhealthy`,
    answer: 'failures in a row are `health.fall`: `fall: 3`',
  },
  {
    at: ['services.*.health'],
    words: 'successthreshold healthythreshold passes successes minpasses',
    answer: 'passes in a row are `health.rise`: `rise: 2`',
  },
  {
    at: ['services.*.health'],
    words: 'period every frequency inter',
    answer: 'it is `health.interval`: `interval: 2s`',
  },
  {
    at: ['services.*.health'],
    words:
      'startperiod startinterval initialdelay initialdelayseconds delay grace graceperiod startup',
    answer: 'a release has `deploy.timeout` to become healthy, and gets no request before',
  },
  {
    at: ['services.*.health'],
    words: 'followredirects redirects follow',
    answer: 'redirects are not followed; one counts as healthy with `status: 200-399`',
  },
  {
    at: ['services.*.health'],
    words: 'enabled enable disable disabled off none',
    answer:
      'releases are always probed; where no path says how they are, take one that answers: `path: /`',
  },
];
