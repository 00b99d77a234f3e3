/**
 * The shapes of what the admin API answers of Pointsman itself: its config, how it is, and its
 * hand-over to another one.
 *
 * The rule this file keeps: that of `responseSchemas.ts`.
 */
import { closed, nullable, oneOf, Type } from './shape.ts';

const time = Type.String({ description: 'ISO 8601' });
const count = Type.Integer({ minimum: 0 });
const text = Type.String();

export const Reloaded = closed({
  added: Type.Array(text),
  removed: Type.Array(text),
  changed: Type.Array(text),
  handover: Type.Array(text),
  needsRestart: Type.Array(text),
});

const party = closed({ version: text, node: text, pid: count });

const handoverShape = closed(
  {
    phase: oneOf(['starting', 'switching', 'draining', 'done', 'failed']),
    asked: text,
    from: party,
    to: nullable(party),
    startedAt: time,
    readyAt: nullable(time),
    servingAt: nullable(time),
    endedAt: nullable(time),
    switchMs: nullable(count),
    error: nullable(text),
    left: nullable(closed({ connections: count, ended: count, tunnels: count, cut: count })),
  },
  { description: 'A hand-over from one Pointsman to its successor.' },
);

export const LastHandover = closed({ handover: nullable(handoverShape) });

export const Readiness = closed({ ready: Type.Boolean(), reasons: Type.Array(text) });

export const Health = closed({
  ready: Type.Boolean(),
  reasons: Type.Array(text),
  version: text,
  uptimeSeconds: Type.Number(),
  workers: Type.Array(closed({ worker: count, pid: count, connections: count })),
});
