/**
 * Who listens on an address, as Linux tells it in /proc.
 *
 * The rule this file keeps: it only looks. It takes no port, not even for a moment, and where the
 * system does not tell (another system, a process of another user) it says nothing rather than
 * guess.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Address } from './config/config.ts';

export interface PortOwner {
  readonly pid: number;
  /** Program and arguments, cut short. */
  readonly command: string;
}

/** @returns 'free', or that somebody listens there: who, or null where that cannot be seen. */
export function portOwner(wanted: Address): 'free' | PortOwner | null {
  const inodes = new Set([...listening('tcp', wanted), ...listening('tcp6', wanted)]);
  return inodes.size === 0 ? 'free' : ownerOf(inodes);
}

/** For people: `process 12 (nginx: master process)`. */
export function portOwnerText(wanted: Address): string {
  const owner = portOwner(wanted);
  if (owner === 'free' || owner === null) return 'another process';
  return `process ${owner.pid} (${owner.command})`;
}

const stateListen = '0A';
const commandLengthMax = 100;

/** Inodes of the sockets that listen where `wanted` cannot any more. */
function listening(table: 'tcp' | 'tcp6', { host, port }: Address): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return linesOf(`/proc/net/${table}`).flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [address = '', at] = local.split(':');
    if (state !== stateListen || at !== wanted) return [];
    return meets(address, host) ? [inode] : [];
  });
}

/** Whether an address of the table, in hex of the machine's order, is the wanted one or holds it. */
function meets(hex: string, host: string): boolean {
  const anybody = /^0+$/;
  if (anybody.test(hex) || host === '0.0.0.0' || host === '::') return true;
  const own = host === 'localhost' ? '127.0.0.1' : host;
  if (own === '::1') return hex === '00000000000000000000000001000000';
  const bytes = own.split('.').map(Number);
  const wanted = bytes
    .reverse()
    .map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'))
    .join('');
  return bytes.length === 4 && hex === wanted;
}

/** The first of them: those who inherited the socket come after it. */
function ownerOf(inodes: ReadonlySet<string>): PortOwner | null {
  const holders = new Set(
    namesIn('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => holds(pid, inodes)),
  );
  const first = [...holders].find((pid) => !holders.has(parentOf(pid)));
  if (first === undefined) return null;
  const words = linesOf(`/proc/${first}/cmdline`)[0]?.split('\0').join(' ').trim() ?? '';
  const command = words.length > commandLengthMax ? `${words.slice(0, commandLengthMax)}…` : words;
  return { pid: Number(first), command: command || 'its command cannot be seen' };
}

function holds(pid: string, inodes: ReadonlySet<string>): boolean {
  return namesIn(`/proc/${pid}/fd`).some((fd) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    } catch {
      return false;
    }
  });
}

function parentOf(pid: string): string {
  const status = linesOf(`/proc/${pid}/status`).find((line) => line.startsWith('PPid:'));
  return status?.slice(5).trim() ?? '';
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
