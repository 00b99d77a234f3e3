/**
 * Makes the checks of one moment of a deployment, in turn, and keeps on record what comes of each.
 *
 * The rule this file keeps: that a check begins is on the disk before it does, so that a life which
 * is killed in the middle of one leaves a record that says so; what it printed is kept to its last
 * lines, whatever it prints.
 */
import type { Hook } from '../../config/hook.ts';
import type { Gate, Subject, Verdict } from '../gates/gate.ts';
import { begun, over, planned, stoppedIn } from './checking.ts';
import type { ControlContext } from './context.ts';
import type { ServiceRecord } from './record.ts';

/** Of what a check prints, so much is kept, and so many lines are told as they come. */
const linesMax = 20;
const lineCharactersMax = 300;
const toldMax = 200;

export interface Failed {
  readonly name: string;
  readonly result: string;
  readonly output: readonly string[];
}

export class Checks {
  readonly #record: ServiceRecord;
  readonly #context: ControlContext;

  constructor(record: ServiceRecord, context: ControlContext) {
    this.#record = record;
    this.#context = context;
  }

  /**
   * @param onwards whether the others are made after one that has failed.
   * @param signal gives up: whoever aborts it has said on record why.
   * @returns those that have failed.
   * @throws Fault STATE_NOT_WRITABLE
   */
  async make(
    hooks: readonly Hook[],
    subject: Subject,
    onwards: boolean,
    signal: AbortSignal,
  ): Promise<readonly Failed[]> {
    const { deployment, moment } = subject;
    const gates = this.#context.dependencies.gates.of(hooks);
    const names = gates.map(({ name }) => name);
    await this.#record.save((state) => planned(state, deployment, moment, names));
    const failed: Failed[] = [];
    for (const [at, gate] of gates.entries()) {
      if (signal.aborted) break;
      const one = await this.#make(gate, at, subject, signal);
      if (one === null) continue;
      failed.push(one);
      if (!onwards) break;
    }
    return signal.aborted ? [] : failed;
  }

  async #make(
    gate: Gate,
    at: number,
    subject: Subject,
    signal: AbortSignal,
  ): Promise<Failed | null> {
    const record = this.#record;
    const { deployment: id, moment } = subject;
    const { name } = gate;
    const { clock } = this.#context.dependencies;
    await record.save((state) => begun(state, id, moment, at, record.at()));
    if (signal.aborted) {
      void record.note((state) => stoppedIn(state, id, 'it was given up'));
      return null;
    }
    record.tell();
    const tail = new Tail((line) => record.progress(id, `${name}: ${line}`));
    const since = clock.now();
    const verdict = await gate.check(subject, signal, (line) => tail.add(line));
    if (signal.aborted) return null;
    const ms = Math.round(clock.now() - since);
    const { passed, result } = shortened(verdict);
    const output = tail.lines;
    void record.note((state) => over(state, id, moment, at, { passed, ms, result, output }));
    record.progress(id, `${moment}: ${name} ${passed ? 'passed' : 'FAILED'} (${ms} ms): ${result}`);
    record.tell();
    return passed ? null : { name, result, output };
  }
}

function shortened({ passed, result }: Verdict): Verdict {
  return { passed, result: result.slice(0, 2 * lineCharactersMax) };
}

/** The last lines, and the first of them told. */
class Tail {
  readonly lines: string[] = [];
  readonly #told: (line: string) => void;
  #count = 0;

  constructor(told: (line: string) => void) {
    this.#told = told;
  }

  add(line: string): void {
    const short = line.slice(0, lineCharactersMax);
    this.lines.push(short);
    if (this.lines.length > linesMax) this.lines.shift();
    if (this.#count++ < toldMax) this.#told(short);
  }
}
