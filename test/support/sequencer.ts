/**
 * The order in which test files begin: those that take longest first, so that at the end no core
 * waits for one that began last. By itself the runner begins with the largest file, and a suite
 * that is run from three lines takes as long as any.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { slowest } from './form.ts';

export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = slowest.findIndex((file) => moduleId.endsWith(file));
      return at === -1 ? slowest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
