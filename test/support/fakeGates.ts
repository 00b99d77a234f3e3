/**
 * Gates that pass, fail or wait as a test says, and remember what was asked of them.
 *
 * The rule this file keeps: they outlive controllers, as commands do; what a life that was killed had
 * begun runs on until it is swept.
 */
import type { Hook } from '../../src/config/hook.ts';
import type { Gates, Subject, Verdict } from '../../src/control/gates/gate.ts';
import { warmUpName } from '../../src/control/model/state.ts';
import { systemTls } from './targetTls.ts';

/** A check that is under way. */
export interface FakeCheck {
  readonly name: string;
  readonly subject: Subject;
  readonly signal: AbortSignal;
  said(line: string): void;
  end(verdict: Verdict): void;
}

export class FakeGates {
  /** Everything that was ever begun, as `beforeFlip GET /login shop-2`. */
  readonly begun: string[] = [];
  readonly swept: string[] = [];
  readonly running = new Set<FakeCheck>();
  /** What a check comes to at once; null: it waits for `end`. */
  fate: (name: string) => Verdict | null = () => ({ passed: true, result: 'as wanted' });

  connect(): Gates {
    return {
      of: (hooks) =>
        hooks.map((hook) => ({
          name: nameOf(hook),
          check: (subject, signal, said) => this.#check(nameOf(hook), subject, signal, said),
        })),
      sweep: async (deployment) => {
        this.swept.push(deployment);
      },
      close: async () => {},
    };
  }

  /** The one check that is under way. */
  get only(): FakeCheck {
    const [one, ...more] = this.running;
    if (one === undefined || more.length > 0) throw new Error(`${this.running.size} checks run.`);
    return one;
  }

  #check(
    name: string,
    subject: Subject,
    signal: AbortSignal,
    said: (line: string) => void,
  ): Promise<Verdict> {
    this.begun.push(`${subject.moment} ${name} ${subject.deployment}`);
    const fate = this.fate(name);
    if (fate !== null) return Promise.resolve(fate);
    return new Promise((resolve) => {
      const end = (verdict: Verdict): void => {
        this.running.delete(check);
        resolve(verdict);
      };
      const check = { name, subject, signal, said, end };
      this.running.add(check);
      signal.addEventListener('abort', () => end({ passed: false, result: 'it was given up' }));
    });
  }
}

export function warmUp(...paths: string[]): Hook {
  const often = { requests: 10, p95Ms: null, timeoutMs: 30_000 };
  return { kind: 'warmUp', paths, ...often, host: null, tls: systemTls };
}

export function smoke(path: string): Hook {
  return {
    kind: 'http',
    method: 'GET',
    path,
    headers: {},
    host: null,
    tls: systemTls,
    status: { from: 200, to: 299 },
    text: null,
    json: {},
    times: 1,
    everyMs: 1_000,
    timeoutMs: 30_000,
  };
}

function nameOf(hook: Hook): string {
  if (hook.kind === 'http') return `${hook.method} ${hook.path}`;
  if (hook.kind === 'warmUp') return warmUpName;
  return hook.kind === 'command' ? hook.command.join(' ') : hook.url;
}

/** A gate before a flip is about these, on loopback. */
export function subjectAt(...ports: number[]): Subject {
  return {
    moment: 'beforeFlip',
    service: 'shop',
    deployment: 'shop-7',
    release: 'v2',
    color: 'green',
    generation: 4,
    before: 'v1',
    preview: 'http://preview.example',
    targets: ports.map((port) => ({ id: `t${port}`, host: '127.0.0.1', port })),
    error: null,
  };
}
