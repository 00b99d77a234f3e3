/**
 * Requests that come back: a target that leads to ourselves, by whatever name or way.
 *
 * The rule this file keeps: a request that went to a service once does not go to it again, and a
 * probe goes nowhere, since a way back to us is no application that works. That a request passed
 * through another service of ours is no loop: its target may be a gateway that asks this one.
 */
import type { ViaMarks } from '../wireEdge.ts';

/** @param via all Via fields of the request; '' where there is none. */
export function comesBack(via: string, marks: ViaMarks): boolean {
  return via !== '' && (via.includes(marks.request) || via.includes(marks.probe));
}
