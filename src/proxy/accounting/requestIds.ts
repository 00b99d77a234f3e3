/**
 * The ids of requests that came without one.
 *
 * The rule this file keeps: each is given once, by whichever process; none is a secret. They look
 * like UUIDs, and of those that one process gives in turn only the first three digits differ: to
 * draw all of them for each request costs more than to choose its target.
 */
import { randomUUID } from 'node:crypto';

const firstDigits = Array.from({ length: 4096 }, (_, n) => n.toString(16).padStart(3, '0'));

let rest = '';
let given = firstDigits.length;

export function requestId(): string {
  if (given === firstDigits.length) {
    rest = randomUUID().slice(3);
    given = 0;
  }
  return `${firstDigits[given++]}${rest}`;
}
