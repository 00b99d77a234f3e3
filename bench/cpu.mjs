/**
 * CPU time and memory of a process and all that it started, from /proc.
 *
 * The rule this file keeps: what a proxy costs is what its whole process tree costs, in nanoseconds
 * the scheduler counted, not in wall time of a noisy machine.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** @param {number} pid @returns {number[]} the process and its descendants */
export function tree(pid) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(name);
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const all = [pid];
  for (let at = 0; at < all.length; at++) all.push(...(children.get(all[at]) ?? []));
  return all;
}

/** @param {number} pid @returns {number} CPU nanoseconds so far, of all threads of the tree */
export function cpuNs(pid) {
  let sum = 0;
  for (const one of tree(pid)) {
    for (const thread of list(`/proc/${one}/task`)) {
      const text = read(`/proc/${one}/task/${thread}/schedstat`);
      sum += Number(text.split(' ')[0] || 0);
    }
  }
  return sum;
}

/** In which the kernel counts user and system time: 10 ms on every Linux of today. */
const tickUs = 10_000;

/**
 * @param {number} pid 0: nobody
 * @returns {{ userUs: number, systemUs: number }} CPU time so far of the tree, to 10 ms
 */
export function usage(pid) {
  const sum = { userUs: 0, systemUs: 0 };
  for (const one of pid === 0 ? [] : tree(pid)) {
    const stat = read(`/proc/${one}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    sum.userUs += Number(fields[11] ?? 0) * tickUs;
    sum.systemUs += Number(fields[12] ?? 0) * tickUs;
  }
  return sum;
}

/**
 * @param {number} pid
 * @returns {number} resident bytes of the tree, shared pages counted once a process
 */
export function rssBytes(pid) {
  let kib = 0;
  for (const one of tree(pid)) {
    kib += Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${one}/status`))?.[1] ?? 0);
  }
  return kib * 1024;
}

function parentOf(name) {
  const stat = read(`/proc/${name}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.length > 1 ? Number(fields[1]) : null;
}

function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // It ended between the listing and the reading.
  }
}
