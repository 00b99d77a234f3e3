/**
 * By what a request, or a probe, is known that comes back to the Pointsman that sent it.
 *
 * The rule this file keeps: two Pointsmen never have the same mark, so one behind another is no
 * loop; and a mark tells a target nothing, not even the name of a service.
 */
import { createHash } from 'node:crypto';
import type { ViaMarks } from '../../wireEdge.ts';

/** @param instance drawn for each life of the controller; a token of RFC 9110. */
export function viaMarks(instance: string, service: string): ViaMarks {
  const of = createHash('sha256').update(`${instance} ${service}`).digest('hex').slice(0, 8);
  return { request: `pointsman-${instance}-${of}`, probe: probeMark(instance) };
}

export function probeMark(instance: string): string {
  return `pointsman-${instance}-probe`;
}
