/**
 * Every foreseen failure, one row each.
 *
 * The rule this file keeps: what is in this table is a `Fault`, is answered, and the process goes
 * on; anything else that throws is a bug and ends the process (the supervisor starts it again).
 * `status` is the HTTP status it is answered with, `side` says whose it is to mend, and `retry`
 * whether the same call may succeed later, unchanged.
 */
const table = {
  // What the proxy answers to the clients of a service.
  REQUEST_INVALID: row(400, 'client', false, 'The request is not valid HTTP'),
  CREDENTIALS_REQUIRED: row(401, 'client', false, 'This service asks for a name and a password'),
  CLIENT_CERTIFICATE_REQUIRED: row(403, 'client', false, 'This service asks for a certificate'),
  ADDRESS_FORBIDDEN: row(403, 'client', false, 'This service is not for your address'),
  PROXY_HEADER_MISSING: row(400, 'operator', false, 'This proxy has to send a PROXY header first'),
  ROUTE_UNKNOWN: row(404, 'client', false, 'No service answers for this host and path'),
  METHOD_REFUSED: row(405, 'client', false, 'This method is not forwarded'),
  REQUEST_TIMEOUT: row(408, 'client', true, 'The request did not arrive in time'),
  REQUEST_TOO_SLOW: row(408, 'client', true, 'The request came slower than this service allows'),
  SLOW_REQUESTS_TOO_MANY: row(
    429,
    'client',
    true,
    'Your address holds many places by slow requests, and others wait for them',
  ),
  BODY_TOO_LARGE: row(413, 'client', false, 'The body is larger than this service takes'),
  URI_TOO_LONG: row(414, 'client', false, 'The request line is longer than this service takes'),
  EXPECTATION_FAILED: row(417, 'client', false, 'Only "Expect: 100-continue" can be met'),
  REQUEST_MISDIRECTED: row(421, 'client', false, 'This address is not served on this connection'),
  HEADER_TOO_LARGE: row(431, 'client', false, 'The header is larger than this service takes'),
  UPGRADE_UNKNOWN: row(501, 'client', false, 'This service opens no tunnels'),
  METHOD_UNKNOWN: row(501, 'client', false, 'This method is not known here'),
  CODING_UNKNOWN: row(501, 'client', false, 'This transfer coding is not known here'),
  UPSTREAM_UNREACHABLE: row(502, 'upstream', true, 'The service could not be reached'),
  UPSTREAM_UNVERIFIED: row(
    502,
    'upstream',
    false,
    'The service showed a certificate that is not trusted here',
  ),
  UPSTREAM_RESET: row(502, 'upstream', true, 'The service broke the connection'),
  UPSTREAM_MALFORMED: row(502, 'upstream', false, 'The service gave an answer that is not HTTP'),
  UPSTREAM_HEADER_TOO_LARGE: row(
    502,
    'upstream',
    false,
    'The header of the answer is larger than is taken from this service',
  ),
  UPSTREAM_INTERIM_ENDLESS: row(
    502,
    'upstream',
    false,
    'The service sent more than 256 KiB of interim answers, and no final one',
  ),
  NO_HEALTHY_TARGET: row(503, 'upstream', true, 'The service is down'),
  POOL_EMPTY: row(503, 'us', true, 'The service has no release yet'),
  PREVIEW_EMPTY: row(503, 'operator', true, 'No release is shown here before its flip now'),
  SERVICE_PAUSED: row(503, 'operator', true, 'The service is paused, and will be back'),
  QUEUE_FULL: row(503, 'us', true, 'Too many requests are waiting for this service'),
  QUEUE_TIMEOUT: row(503, 'us', true, 'The request waited too long for this service'),
  CREDENTIALS_BUSY: row(503, 'us', true, 'Too many names and passwords are being looked at'),
  SHUTTING_DOWN: row(503, 'us', true, 'The proxy is shutting down'),
  UPSTREAM_TIMEOUT: row(504, 'upstream', true, 'The service did not answer in time'),
  VERSION_UNKNOWN: row(505, 'client', false, 'Only versions 1.0 and 1.1 of HTTP are spoken here'),
  LOOP_DETECTED: row(508, 'operator', false, 'The way to a target of the service leads back here'),

  // What the admin API answers to operators.
  BODY_INVALID: row(400, 'operator', false, 'The body is not what this call takes'),
  CALL_INVALID: row(400, 'operator', false, 'A header or parameter is not what this call takes'),
  UNAUTHORIZED: row(401, 'operator', false, 'A bearer token is required'),
  FORBIDDEN: row(403, 'operator', false, 'This token may look, not act'),
  CSRF_REQUIRED: row(403, 'operator', false, 'A session cookie alone changes nothing'),
  HOST_FORBIDDEN: row(403, 'operator', false, 'This Host is not one the admin API answers for'),
  ORIGIN_FORBIDDEN: row(403, 'operator', false, 'This Origin may not call the admin API'),
  NOT_FOUND: row(404, 'operator', false, 'There is nothing here'),
  STARTING: row(503, 'operator', true, 'Pointsman is starting'),
  SERVICE_UNKNOWN: row(404, 'operator', false, 'There is no such service'),
  DEPLOYMENT_UNKNOWN: row(404, 'operator', false, 'There is no such deployment'),
  DEPLOYMENT_IN_PROGRESS: row(409, 'operator', true, 'Another deployment of this service runs'),
  RELEASE_TAKEN: row(409, 'operator', false, 'A release of this name exists, and is another one'),
  RELEASE_LIVE: row(409, 'operator', false, 'The release is live already'),
  RELEASE_WARM: row(409, 'operator', false, 'The release is warm: a rollback goes to it at once'),
  LATCHED: row(
    409,
    'operator',
    false,
    'A release was taken back by itself: acknowledge that first',
  ),
  CONFIRM_PENDING: row(409, 'operator', true, 'The release that is live waits to be confirmed'),
  CONFIRM_REFUSED: row(409, 'operator', false, 'There is nothing to confirm, or to go back to'),
  FROZEN: row(409, 'operator', false, 'The configuration lets nothing be deployed now'),
  ABORT_TOO_LATE: row(409, 'operator', false, 'There is nothing to abort: it has ended or flipped'),
  FLIP_NOT_READY: row(409, 'operator', true, 'No deployment of this service waits for a flip'),
  ROLLBACK_NOT_READY: row(409, 'operator', true, 'The warm pool cannot take the traffic'),
  ROLLBACK_UNSAFE: row(
    409,
    'operator',
    false,
    'Going back is said to be unsafe: whoever does it repeats why',
  ),
  RETIRE_REFUSED: row(409, 'operator', true, 'The standby pool cannot be retired now'),
  HANDOVER_REFUSED: row(409, 'operator', true, 'Pointsman cannot be replaced now'),
  GENERATION_STALE: row(412, 'operator', false, 'The service has changed since you looked'),
  ADMIN_BODY_TOO_LARGE: row(413, 'operator', false, 'The admin API takes smaller bodies'),
  RELEASE_INVALID: row(422, 'operator', false, 'This is no release that the service can run'),
  TARGET_INVALID: row(422, 'operator', false, 'A target is host:port, https://host or unix:/path'),
  IDEMPOTENCY_MISMATCH: row(422, 'operator', false, 'This Idempotency-Key came with another call'),
  RATE_LIMITED: row(429, 'operator', true, 'Too many calls'),

  // What deployments, drivers, state and configuration fail with.
  CONFIG_INVALID: row(422, 'operator', false, 'The configuration has mistakes'),
  CERTIFICATE_INVALID: row(422, 'operator', false, 'A certificate or its key cannot be used'),
  CONFIG_UNREADABLE: row(422, 'operator', false, 'The configuration cannot be read'),
  PORT_IN_USE: row(500, 'operator', true, 'Something else listens on this address'),
  STATE_UNREADABLE: row(500, 'operator', false, 'The state cannot be read'),
  STATE_NOT_WRITABLE: row(507, 'operator', true, 'The state cannot be written'),
  REVISION_STALE: row(409, 'us', false, 'The state was written by somebody else'),
  START_FAILED: row(500, 'upstream', true, 'The release could not be started'),
  DRIVER_UNAVAILABLE: row(503, 'operator', true, 'What runs the releases cannot be reached'),
  GATE_TIMEOUT: row(504, 'upstream', true, 'The release did not become healthy in time'),
  HOOK_FAILED: row(500, 'upstream', true, 'The release has not passed a check before its flip'),
  HOLD_TIMEOUT: row(503, 'us', true, 'A worker did not hold in time; the flip was aborted'),
  FLIP_FENCED: row(409, 'us', false, 'An order of an older flip is not obeyed'),
  AUTHORITY_UNREACHABLE: row(503, 'operator', true, 'The certificate authority cannot be reached'),
  AUTHORITY_REFUSED: row(502, 'operator', true, 'The certificate authority refuses'),
  AUTHORITY_LIMITED: row(429, 'operator', true, 'The certificate authority asks to wait'),
  AUTHORITY_MALFORMED: row(502, 'upstream', true, 'The certificate authority does not speak ACME'),
  CHALLENGE_FAILED: row(502, 'operator', true, 'The authority does not believe a name is ours'),
  INTERRUPTED: row(500, 'us', true, 'Pointsman was restarted before the flip'),
  ABORTED: row(409, 'operator', true, 'The deployment was aborted'),
} as const satisfies Record<string, Row>;

interface Row {
  readonly status: number;
  readonly side: Side;
  readonly retry: boolean;
  readonly title: string;
}

/** Whose a failure is: who has to act so that it does not come again. */
export type Side = 'client' | 'operator' | 'upstream' | 'us';

/** The name of a foreseen failure: a key of the table, stable, for programs. */
export type FaultCode = keyof typeof table;

/** The table itself, for the documents and for the test that keeps them true. */
export const faults: Readonly<Record<FaultCode, Row>> = table;

/**
 * A foreseen failure. Its message says what was wanted, what was got, where, and what to do next.
 */
export class Fault extends Error {
  readonly code: FaultCode;
  /** Plain values for the answer and the log: the names and numbers the message speaks of. */
  readonly detail: Readonly<Record<string, unknown>>;

  /**
   * @param code a row of the table.
   * @param message one or more sentences; the row's title where there is no more to say.
   * @param more `cause` is what was caught; everything else becomes `detail`.
   */
  constructor(
    code: FaultCode,
    message: string = table[code].title,
    more: { cause?: unknown; [detail: string]: unknown } = {},
  ) {
    const { cause, ...detail } = more;
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Fault';
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return table[this.code].status;
  }

  get side(): Side {
    return table[this.code].side;
  }

  /** Whether the same call may succeed later, unchanged. */
  get retry(): boolean {
    return table[this.code].retry;
  }
}

/** One line about anything that was thrown, with what caused it; for logs and for people. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const cause = thrown.cause === undefined ? '' : ` (${reasonOf(thrown.cause)})`;
  return `${thrown.message}${cause}`;
}

function row(status: number, side: Side, retry: boolean, title: string): Row {
  return { status, side, retry, title };
}
